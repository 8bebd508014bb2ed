/* test_random.h - reproducible chance for the unit tests.
 *
 * A random test calls random_start, which prints the seed it uses; ARENITE_TEST_SEED repeats a
 * run, ARENITE_TEST_STEPS overrides how many steps it makes. The generator is splitmix64. */
#ifndef ARENITE_TESTS_UNIT_TEST_RANDOM_H
#define ARENITE_TESTS_UNIT_TEST_RANDOM_H

#include "os/os.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct random_source {
    uint64_t state;
};

static inline struct random_source random_start(const char *test) {
    const char *given = getenv("ARENITE_TEST_SEED");
    uint64_t seed = given != NULL ? strtoull(given, NULL, 0) : os_random() >> 32;
    printf("%s: ARENITE_TEST_SEED=%llu\n", test, (unsigned long long)seed);
    fflush(stdout);
    return (struct random_source){ .state = seed };
}

static inline uint64_t random_bits(struct random_source *source) {
    uint64_t x = source->state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
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
