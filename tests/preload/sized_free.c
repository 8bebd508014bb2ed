/* sized_free.c - free_sized and free_aligned_sized: true claims pass, impossible ones end the
 * process.
 * Layer: tests (includes libc only). */
#include "arenite/arenite.h"
#include "child.h"
#include "support.h"

#include <malloc.h>
#include <stdlib.h>

/* Not in this libc: only the preloaded library has them. */
#pragma weak free_sized
#pragma weak free_aligned_sized

#define MAPPED_BYTES ((size_t)3 * 1024 * 1024)

static const size_t sizes[] = {0, 1, 24, 25, 100, 1032, 5000, 40000, 200000, MAPPED_BYTES};
#define SIZES (sizeof sizes / sizeof sizes[0])

static void test_true_claims(void) {
    for (size_t i = 0; i < SIZES; i++) {
        free_sized(malloc(sizes[i]), sizes[i]);
        free_sized(calloc(1, sizes[i]), sizes[i]);
        for (size_t alignment = 1; alignment <= 65536; alignment *= 2) {
            free_aligned_sized(aligned_alloc(alignment, sizes[i]), alignment, sizes[i]);
        }
    }
    free_sized(NULL, 10);
    free_aligned_sized(NULL, 64, 10);
}

/* The size asked for last counts, grown or shrunk. */
static void test_after_realloc(void) {
    for (size_t i = 0; i < SIZES; i++) {
        for (size_t j = 0; j < SIZES; j++) {
            size_t bytes = sizes[j] != 0 ? sizes[j] : 7;
            void *memory = realloc(malloc(sizes[i]), bytes);
            TEST_CHECK(memory != NULL);
            free_sized(memory, bytes);
        }
    }
}

static void claim_too_much(void *memory) {
    free_sized(memory, malloc_usable_size(memory) + 1);
}

static void claim_too_much_aligned(void *memory) {
    free_aligned_sized(memory, 16, malloc_usable_size(memory) + 1);
}

static void claim_alignment(void *memory) {
    free_aligned_sized(memory, (size_t)1 << 40, 1);
}

static void claim_odd_alignment(void *memory) {
    free_aligned_sized(memory, 3, 1);
}

static void check_refused(void (*claim)(void *), void *memory) {
    struct child child;
    test_run_child(&child, claim, memory);
    TEST_CHECK(test_child_aborted_over(&child, memory));
}

static void test_impossible_claims(void) {
    for (size_t i = 0; i < SIZES; i++) {
        void *memory = malloc(sizes[i]);
        check_refused(claim_too_much, memory);
        check_refused(claim_too_much_aligned, memory);
        check_refused(claim_alignment, memory);
        check_refused(claim_odd_alignment, memory);
        free(memory);
    }
}

int main(void) {
    test_true_claims();
    test_after_realloc();
    test_impossible_claims();
    return 0;
}
