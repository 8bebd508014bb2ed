/* figures_beside_threads.c - what is said about a process whose threads run is never absurd:
 * identities hold, nothing is below what is known to be live or far above all that there can be.
 * When the threads have ended the figures are exact again.
 * Layer: tests (includes libc only). */
#include "support.h"
#include "test_random.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS 4
#define SHARED 512 /* blocks that any thread may free */
#define BLOCK_MAX_BYTES 4096
#define HELD_BLOCKS 48000
#define HELD_BYTES 1000
/* Lists are counted a moment after the heaps, and the caller may lose its processor in between:
 * what was taken from the heaps and has come into lists meanwhile is missing. That can be all that
 * each of the threads may have allocated at a time, waiting for it since another one freed it, and
 * what threads keep. */
#define KEPT_BYTES ((size_t)4 << 20)
#define MOVING_BYTES ((size_t)THREADS * SHARED * BLOCK_MAX_BYTES + KEPT_BYTES)
#define MOST_BYTES ((size_t)256 << 20) /* far above all that this program can have */

static void *shared[SHARED];
static bool stop;
static size_t (*stats_json)(char *buf, size_t size);

/* Whoever swaps a block out of its place frees it: mostly not who allocated it. */
static void *churn(void *argument) {
    struct random_source *source = argument;
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        void *block = malloc(random_below(source, BLOCK_MAX_BYTES));
        void **place = &shared[random_below(source, SHARED)];
        free(__atomic_exchange_n(place, block, __ATOMIC_ACQ_REL));
    }
    return NULL;
}

static struct mallinfo2 check_info(void) {
    struct mallinfo2 info = mallinfo2();
    TEST_CHECK(info.arena == info.uordblks + info.fordblks);
    TEST_CHECK(info.uordblks + MOVING_BYTES >= (size_t)HELD_BLOCKS * HELD_BYTES);
    TEST_CHECK(info.arena < MOST_BYTES && info.hblkhd < MOST_BYTES);
    TEST_CHECK(info.fsmblks <= info.fordblks && info.keepcost <= info.fordblks);
    TEST_CHECK(info.ordblks >= 1 && info.ordblks < MOST_BYTES / 16);
    return info;
}

static size_t find_number(const char *text, const char *name) {
    char key[40];
    snprintf(key, sizeof key, "    \"%s\": ", name);
    const char *at = strstr(text, key);
    TEST_CHECK(at != NULL);
    return strtoull(at + strlen(key), NULL, 10);
}

static void check_json(void) {
    static const char *const rows[] = {"live",         "internal_slack", "free_in_slabs",
                                       "free_in_bins", "free_in_lists",  "retained",
                                       "metadata",     "mapped"};
    static char text[1 << 16];
    TEST_CHECK(stats_json(text, sizeof text) < sizeof text);
    size_t sum = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t bytes = find_number(text, rows[i]);
        TEST_CHECK(bytes < MOST_BYTES);
        sum += bytes;
    }
    TEST_CHECK(sum == find_number(text, "total"));
    TEST_CHECK(find_number(text, "live") + MOVING_BYTES >= (size_t)HELD_BLOCKS * HELD_BYTES);
}

/* A block more and a block less. By glibc's definition blocks that a thread keeps count as used. */
static void check_exact(void) {
    const char *options = getenv("ARENITE_OPTIONS");
    if (options != NULL && strstr(options, "profile=glibc") != NULL) {
        return;
    }
    struct mallinfo2 before = check_info();
    void *block = malloc(500);
    struct mallinfo2 after = check_info();
    TEST_CHECK(after.uordblks - before.uordblks >= 500);
    TEST_CHECK(after.uordblks - before.uordblks <= 544);
    free(block);
    TEST_CHECK(check_info().uordblks == before.uordblks);
}

int main(void) {
    static void *held[HELD_BLOCKS];
    static struct random_source sources[THREADS];
    pthread_t threads[THREADS];
    struct random_source source = random_start("figures_beside_threads");
    void *found = dlsym(RTLD_DEFAULT, "arenite_stats_json");
    memcpy(&stats_json, &found, sizeof found);
    TEST_CHECK(found != NULL);
    for (size_t i = 0; i < HELD_BLOCKS; i++) {
        held[i] = malloc(HELD_BYTES);
    }
    for (size_t i = 0; i < THREADS; i++) {
        sources[i].state = source.state + i;
        TEST_CHECK(pthread_create(&threads[i], NULL, churn, &sources[i]) == 0);
    }
    size_t looks = test_knob("ARENITE_TEST_LOOKS", 300);
    for (size_t i = 0; i < looks; i++) {
        check_info();
        check_json();
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (size_t i = 0; i < THREADS; i++) {
        TEST_CHECK(pthread_join(threads[i], NULL) == 0);
    }
    free(malloc(500));
    check_exact();
    for (size_t i = 0; i < HELD_BLOCKS; i++) {
        free(held[i]);
    }
    return 0;
}
