/* test_random.h - reproducible chance for tests of every kind, C and C++.
 * Layer: tests (includes libc only).
 *
 * A random test calls random_start, which prints the seed it uses; ARENITE_TEST_SEED repeats a
 * run, ARENITE_TEST_STEPS overrides how many steps it makes. The generator is splitmix64 (Steele,
 * Lea, Flood, "Fast splittable pseudorandom number generators", 2014). */
#ifndef ARENITE_TESTS_SUPPORT_TEST_RANDOM_H
#define ARENITE_TESTS_SUPPORT_TEST_RANDOM_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

struct random_source {
    uint64_t state;
};

static inline uint64_t random_fresh_seed(void) {
    uint32_t seed = 0;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
        seed = (uint32_t)getpid();
    }
    return seed;
}

static inline struct random_source random_start(const char *test) {
    const char *given = getenv("ARENITE_TEST_SEED");
    struct random_source source;
    source.state = given != NULL ? strtoull(given, NULL, 0) : random_fresh_seed();
    printf("%s: ARENITE_TEST_SEED=%llu\n", test, (unsigned long long)source.state);
    fflush(stdout);
    return source;
}

static inline uint64_t random_bits(struct random_source *source) {
    uint64_t x = source->state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* A source of its own for each of several threads, all repeatable from the one printed seed. */
static inline struct random_source random_branch(struct random_source *source) {
    struct random_source branch;
    branch.state = random_bits(source);
    return branch;
}

/* A number in [0, limit). */
static inline size_t random_below(struct random_source *source, size_t limit) {
    return (size_t)(random_bits(source) % limit);
}

/* A value of random magnitude: small ones are as likely as large ones. */
static inline uint64_t random_magnitude(struct random_source *source) {
    return random_bits(source) >> random_below(source, 64);
}

static inline size_t random_steps(size_t usual) {
    const char *given = getenv("ARENITE_TEST_STEPS");
    return given != NULL ? (size_t)strtoull(given, NULL, 0) : usual;
}

#endif
