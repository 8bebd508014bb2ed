/* thread_life.c - many threads that come and go, hold and hand on blocks, and allocate at their
 * very end.
 * Layer: tests (includes libc only). */
#include "outside.h"
#include "support.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE 200
#define BLOCKS 40
#define ROUNDS_AT_END 3
#define GROWTH_MAX_KIB ((size_t)96 * 1024)

/* What one thread leaves for the next: blocks with contents. */
struct bundle {
    unsigned char *blocks[BLOCKS];
    size_t tag;
};

static struct bundle bundles[AT_ONCE];
static pthread_barrier_t all_here;
static pthread_key_t end_key;

static size_t block_bytes(size_t tag, size_t index) {
    return (tag * 131 + index * 977) % (index == 0 ? 150000 : 2000);
}

static void fill_bundle(struct bundle *bundle, size_t tag) {
    bundle->tag = tag;
    for (size_t i = 0; i < BLOCKS; i++) {
        bundle->blocks[i] = malloc(block_bytes(tag, i));
        TEST_CHECK(bundle->blocks[i] != NULL);
        test_pattern_fill(bundle->blocks[i], block_bytes(tag, i), tag + i);
    }
}

static void empty_bundle(struct bundle *bundle) {
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t bytes = block_bytes(bundle->tag, i);
        TEST_CHECK(bundle->blocks[i] == NULL ||
                   test_pattern_holds(bundle->blocks[i], bytes, bundle->tag + i));
        free(bundle->blocks[i]);
        bundle->blocks[i] = NULL;
    }
}

/* Runs after the library's own end of the thread too: destructors that set their key again are
 * called in further rounds. */
static void allocate_at_end(void *round) {
    size_t left = (size_t)round;
    void *memory = malloc(left * 100);
    TEST_CHECK(memory != NULL);
    free(realloc(memory, left * 3000));
    free(calloc(left, 40));
    if (left > 1) {
        pthread_setspecific(end_key, (void *)(left - 1));
    }
}

/* Frees what a former thread left, leaves something, ends with blocks in its cache. */
static void *live(void *bundle) {
    static size_t last_tag;
    pthread_setspecific(end_key, (void *)ROUNDS_AT_END);
    empty_bundle(bundle);
    fill_bundle(bundle, __atomic_add_fetch(&last_tag, 1, __ATOMIC_RELAXED));
    for (size_t i = 0; i < 30; i++) {
        free(malloc(i * 35));
    }
    return NULL;
}

static void *live_together(void *bundle) {
    pthread_barrier_wait(&all_here);
    live(bundle);
    pthread_barrier_wait(&all_here);
    return NULL;
}

static void run_at_once(size_t count, void *(*body)(void *)) {
    pthread_t threads[AT_ONCE];
    for (size_t i = 0; i < count; i++) {
        TEST_CHECK(pthread_create(&threads[i], NULL, body, &bundles[(i * 7) % AT_ONCE]) == 0);
    }
    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void *do_nothing(void *unused) {
    return unused;
}

static void *free_one(void *memory) {
    free(memory);
    return NULL;
}

/* Threads whose only call is one free. */
static void test_threads_that_only_free(size_t count) {
    for (size_t i = 0; i < count; i++) {
        pthread_t thread;
        TEST_CHECK(pthread_create(&thread, NULL, free_one, malloc(i * 11 % 3000)) == 0);
        pthread_join(thread, NULL);
    }
}

/* One thread after the other: they must not need more memory than a few of them. */
static void test_one_after_the_other(size_t count) {
    for (size_t i = 0; i < 20; i++) {
        run_at_once(4, live);
    }
    size_t before = test_resident_bytes() / 1024;
    for (size_t i = 0; i < count / 4; i++) {
        run_at_once(4, live);
    }
    size_t after = test_resident_bytes() / 1024;
    printf("resident: %zu KiB, then %zu KiB\n", before, after);
    TEST_CHECK(after < before + GROWTH_MAX_KIB);
}

int main(void) {
    unsigned long count = test_knob("ARENITE_TEST_THREADS", 2000);
    TEST_CHECK(pthread_key_create(&end_key, allocate_at_end) == 0);
    TEST_CHECK(pthread_barrier_init(&all_here, NULL, AT_ONCE) == 0);
    run_at_once(AT_ONCE, do_nothing);
    run_at_once(AT_ONCE, live_together);
    run_at_once(AT_ONCE, live_together);
    test_one_after_the_other(count);
    test_threads_that_only_free(count / 4);
    for (size_t i = 0; i < AT_ONCE; i++) {
        empty_bundle(&bundles[i]);
    }
    /* The first thread may end before the others. */
    pthread_t thread;
    TEST_CHECK(pthread_create(&thread, NULL, live, &bundles[0]) == 0);
    pthread_detach(thread);
    pthread_exit(NULL);
}
