/* perturbed.c - M_PERTURB, switched on and off while the process runs: every new block is filled,
 * every freed one too, in every thread and of every size; calloc stays zeroed.
 * Layer: tests (includes libc only). */
#include "support.h"

#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BYTE 0x5a
#define COMPLEMENT 0xa5
#define LINK_BYTES 64 /* of a freed block, that the allocator may use for itself */

static const size_t sizes[] = {24, 100, 600, 1024, 1500, 20000, 100000, 300000};
#define SIZES (sizeof sizes / sizeof sizes[0])

static void check_filled(const unsigned char *block, size_t from, size_t until, int byte) {
    for (size_t i = from; i < until; i++) {
        TEST_CHECK(block[i] == byte);
    }
}

/* What is freed stays readable here: none of these is mapped by itself. */
static void check_free(unsigned char *block, size_t bytes) {
    memset(block, 1, bytes);
    free(block);
    if (bytes >= 2 * LINK_BYTES && bytes <= 20000) {
        check_filled(block, LINK_BYTES, bytes - LINK_BYTES, BYTE);
    }
}

static void *check_all(void *unused) {
    for (size_t i = 0; i < SIZES; i++) {
        unsigned char *guard = malloc(sizes[i]); /* keeps the heap's end where it is */
        unsigned char *block = malloc(sizes[i]);
        unsigned char *after = malloc(sizes[i]);
        check_filled(block, 0, sizes[i], COMPLEMENT);
        check_free(block, sizes[i]);
        unsigned char *zeroed = calloc(1, sizes[i]);
        check_filled(zeroed, 0, sizes[i], 0);
        free(zeroed);
        free(guard);
        free(after);
    }
    return unused;
}

/* Blocks from before the switch are filled when they are freed, as all others. */
static void check_old_blocks(void) {
    unsigned char *blocks[SIZES];
    for (size_t i = 0; i < SIZES; i++) {
        blocks[i] = malloc(sizes[i]);
        free(malloc(sizes[i]));
    }
    TEST_CHECK(mallopt(M_PERTURB, BYTE) == 1);
    for (size_t i = 0; i < SIZES; i++) {
        check_free(blocks[i], sizes[i]);
    }
}

static void check_off(void) {
    TEST_CHECK(mallopt(M_PERTURB, 0) == 1);
    unsigned char *block = malloc(100);
    memset(block, 1, 100);
    free(block);
    unsigned char *again = malloc(100);
    TEST_CHECK(again == block && again[50] == 1);
    free(again);
}

int main(void) {
    pthread_t thread;
    if (getenv("ARENITE_OPTIONS") != NULL) {
        test_skip("under another profile the thread's lists are not filled, as in glibc");
    }
    check_old_blocks();
    check_all(NULL);
    TEST_CHECK(pthread_create(&thread, NULL, check_all, NULL) == 0);
    TEST_CHECK(pthread_join(thread, NULL) == 0);
    check_off();
    return 0;
}
