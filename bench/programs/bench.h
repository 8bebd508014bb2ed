/* bench.h - what the programs of the bench share: arguments, chance, threads, touching memory. */
#ifndef ARENITE_BENCH_PROGRAMS_BENCH_H
#define ARENITE_BENCH_PROGRAMS_BENCH_H

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BENCH_THREADS_MAX 256

/* The argument's number, or what the program does without it. */
static inline size_t bench_argument(int count, char **arguments, int index, size_t otherwise) {
    return index < count ? strtoul(arguments[index], NULL, 0) : otherwise;
}

/* xorshift64*: the same numbers in every run, a few cycles each. */
static inline uint64_t bench_random(uint64_t *state) {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1dull;
}

/* In [low, high]. */
static inline size_t bench_between(uint64_t *state, size_t low, size_t high) {
    return low + (size_t)((bench_random(state) >> 16) % (high - low + 1));
}

static inline void bench_fail(const char *why) {
    fprintf(stderr, "%s\n", why);
    exit(1);
}

/* A block of which the first and the last byte were written. The loop that calls it is measured:
 * the compiler must not see that nobody reads. */
static inline void *bench_block(size_t bytes) {
    volatile char *block = (char *)malloc(bytes);
    if (block == NULL) {
        bench_fail("no memory");
    }
    block[0] = 1;
    block[bytes - 1] = 1;
    return (void *)(uintptr_t)block;
}

/* Runs `body(number)` in threads 0 .. count-1 and waits for all. */
static inline void bench_threads(size_t count, void *(*body)(void *number)) {
    pthread_t threads[BENCH_THREADS_MAX];
    if (count > BENCH_THREADS_MAX) {
        bench_fail("too many threads");
    }
    for (size_t i = 0; i < count; i++) {
        if (pthread_create(&threads[i], NULL, body, (void *)i) != 0) {
            bench_fail("no thread");
        }
    }
    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
}

#endif
