/* only_frees.c - threads that free what others allocate and do nothing else: the memory serves
 * again, or goes back, whether its owner goes on, sleeps or has ended; and what threads keep that
 * do nothing any more.
 * Layer: tests (includes libc only). */
#include "outside.h"
#include "support.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)
#define BATCH_BYTES (2 * MIB)
#define BATCHES 100
#define BATCH_BLOCKS (BATCH_BYTES / 64)
#define IDLE_THREADS 64
/* Of each of four sizes, 1 MiB in all. */
#define PEAK_BLOCKS 400
/* A thread's stack and libc's record of it; and with it half of its peak. */
#define NOTHING_MAX_BYTES (16 * KIB)
#define AFTER_PEAK_MAX_BYTES (512 * KIB)

/* A batch goes from one thread to the other and back, empty. */
struct batch {
    void *blocks[BATCH_BLOCKS];
    size_t count;
};

static struct batch batch;
static pthread_barrier_t handed;
static size_t block_bytes;

static size_t some_bytes(size_t index) {
    return block_bytes / 2 + index % (block_bytes / 2 + 1);
}

static void fill(size_t bytes) {
    for (batch.count = 0; bytes > block_bytes && batch.count < BATCH_BLOCKS; batch.count++) {
        size_t some = some_bytes(batch.count);
        void *memory = malloc(some);
        TEST_CHECK(memory != NULL);
        memset(memory, 1, some);
        batch.blocks[batch.count] = memory;
        bytes -= some;
    }
}

static void drain(void) {
    for (size_t i = 0; i < batch.count; i++) {
        free(batch.blocks[i]);
    }
    batch.count = 0;
}

static void expect_growth(const char *what, size_t before, size_t most) {
    size_t now = test_resident_bytes();
    size_t more = now > before ? now - before : 0;
    printf("blocks of %zu, %s: %zu KiB more\n", block_bytes, what, more / KIB);
    TEST_CHECK(more <= most);
}

/* ---- an owner that goes on ------------------------------------------------------------------- */

static void *free_batches(void *unused) {
    for (size_t i = 0; i < BATCHES; i++) {
        pthread_barrier_wait(&handed);
        drain();
        pthread_barrier_wait(&handed);
    }
    return unused;
}

static void test_owner_goes_on(void) {
    pthread_t thread;
    fill(BATCH_BYTES);
    drain();
    size_t before = test_resident_bytes();
    TEST_CHECK(pthread_create(&thread, NULL, free_batches, NULL) == 0);
    for (size_t i = 0; i < BATCHES; i++) {
        fill(BATCH_BYTES);
        pthread_barrier_wait(&handed);
        pthread_barrier_wait(&handed);
    }
    TEST_CHECK(pthread_join(thread, NULL) == 0);
    expect_growth("an owner that goes on", before, 4 * BATCH_BYTES);
}

/* ---- owners that end, and such as sleep ------------------------------------------------------ */

static void *allocate_and_end(void *bytes) {
    fill((size_t)bytes);
    return NULL;
}

static void test_owners_end(void) {
    size_t before = test_resident_bytes();
    for (size_t i = 0; i < BATCHES; i++) {
        pthread_t thread;
        TEST_CHECK(pthread_create(&thread, NULL, allocate_and_end, (void *)BATCH_BYTES) == 0);
        TEST_CHECK(pthread_join(thread, NULL) == 0);
        drain();
    }
    expect_growth("owners that ended", before, 4 * BATCH_BYTES);
}

static void *allocate_and_sleep(void *bytes) {
    fill((size_t)bytes);
    pthread_barrier_wait(&handed);
    pthread_barrier_wait(&handed);
    return NULL;
}

/* The first thread frees it all and sleeps, too. */
static void test_owner_sleeps(void) {
    pthread_t thread;
    size_t before = test_resident_bytes();
    TEST_CHECK(pthread_create(&thread, NULL, allocate_and_sleep, (void *)BATCH_BYTES) == 0);
    pthread_barrier_wait(&handed);
    drain();
    expect_growth("an owner that sleeps", before, 2 * BATCH_BYTES);
    pthread_barrier_wait(&handed);
    TEST_CHECK(pthread_join(thread, NULL) == 0);
}

/* ---- threads that rest ----------------------------------------------------------------------- */

static pthread_barrier_t all_rest;

/* Comes back from a peak of 1 MiB of its own with nothing. */
static void *peak_and_rest(void *unused) {
    static const size_t sizes[] = {20, 100, 500, 2000};
    void *blocks[4][PEAK_BLOCKS];
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < PEAK_BLOCKS; j++) {
            blocks[i][j] = calloc(1, sizes[i]);
        }
    }
    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < PEAK_BLOCKS; j++) {
            free(blocks[i][j]);
        }
    }
    pthread_barrier_wait(&all_rest);
    pthread_barrier_wait(&all_rest);
    return unused;
}

static void *only_rest(void *unused) {
    pthread_barrier_wait(&all_rest);
    pthread_barrier_wait(&all_rest);
    return unused;
}

static size_t rest(void *(*body)(void *)) {
    pthread_t threads[IDLE_THREADS];
    size_t before = test_resident_bytes();
    for (size_t i = 0; i < IDLE_THREADS; i++) {
        TEST_CHECK(pthread_create(&threads[i], NULL, body, NULL) == 0);
    }
    pthread_barrier_wait(&all_rest);
    size_t now = test_resident_bytes();
    pthread_barrier_wait(&all_rest);
    for (size_t i = 0; i < IDLE_THREADS; i++) {
        TEST_CHECK(pthread_join(threads[i], NULL) == 0);
    }
    return (now > before ? now - before : 0) / IDLE_THREADS;
}

/* Stacks are resident, too: what threads hold that never allocate is that. */
static void test_rest(void) {
    TEST_CHECK(pthread_barrier_init(&all_rest, NULL, IDLE_THREADS + 1) == 0);
    rest(only_rest);
    size_t nothing = rest(only_rest), after_peak = rest(peak_and_rest);
    printf("a thread that never allocated: %zu bytes; one that freed all: %zu bytes\n", nothing,
           after_peak);
    TEST_CHECK(nothing <= NOTHING_MAX_BYTES && after_peak <= AFTER_PEAK_MAX_BYTES);
}

int main(void) {
    static const size_t sizes[] = {64, 1000, 20000, 100000};
    TEST_CHECK(pthread_barrier_init(&handed, NULL, 2) == 0);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        block_bytes = sizes[i];
        test_owner_goes_on();
        test_owners_end();
        test_owner_sleeps();
    }
    test_rest();
    return 0;
}
