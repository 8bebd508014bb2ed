/* target.c - traffic of all kinds for runs in which kernel calls fail.
 * Layer: tests (includes libc only).
 *
 * When failures have an end (no ARENITE_TEST_FOREVER), memory can be had again after it.
 * ARENITE_TEST_LIVE_MIB sets how much lies there all the time, ARENITE_TEST_STEPS how long it
 * takes. */
#include "support.h"
#include "test_random.h"
#include "traffic.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define SLOTS 1500
#define THREADS 3
#define STEPS_BETWEEN_TRIMS 500

#define BALLAST_BYTES ((size_t)512 * 1024)

static struct traffic traffics[THREADS];
static struct traffic ballast;

static void *run(void *traffic) {
    size_t steps = random_steps(3000);
    for (size_t i = 0; i < steps; i += STEPS_BETWEEN_TRIMS) {
        traffic_run(traffic, STEPS_BETWEEN_TRIMS);
        malloc_trim(0);
    }
    traffic_empty(traffic);
    return NULL;
}

static size_t ballast_bytes(uint64_t *random) {
    return traffic_below(random, 2 * BALLAST_BYTES);
}

/* Blocks that stay, as far as they can be had. */
static void take_ballast(uint64_t seed, size_t wanted_bytes) {
    size_t blocks = 1 + wanted_bytes / BALLAST_BYTES;
    traffic_init(&ballast, 4 * blocks, seed);
    ballast.some_bytes = ballast_bytes;
    ballast.live_max_bytes = wanted_bytes + 2 * BALLAST_BYTES;
    for (size_t step = 0; step < 4 * blocks && ballast.live_bytes < wanted_bytes; step++) {
        traffic_step(&ballast);
    }
}

/* What must be possible once nothing fails any more. */
static void expect_recovered(void) {
    static const size_t sizes[] = {1, 100, 1000, 5000, 50000, 500000, (size_t)8 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct held held = {calloc(1, sizes[i]), sizes[i], i};
        TEST_CHECK(held.memory != NULL && held_is_zero(&held));
        held_fill(&held);
        TEST_CHECK(held_is_intact(&held));
        free(held.memory);
    }
}

/* libc itself allocates to create a thread; its refusal is one of those that are wanted here. */
static bool run_in_threads(void) {
    pthread_t threads[THREADS];
    size_t started = 0;
    while (started < THREADS &&
           pthread_create(&threads[started], NULL, run, &traffics[started]) == 0) {
        started++;
    }
    for (size_t i = 0; i < started; i++) {
        TEST_CHECK(pthread_join(threads[i], NULL) == 0);
    }
    return started == THREADS;
}

int main(void) {
    bool ends = getenv("ARENITE_TEST_FOREVER") == NULL;
    struct random_source source = random_start("target");
    for (size_t i = 0; i < THREADS; i++) {
        traffic_init(&traffics[i], SLOTS, random_bits(&source));
    }
    take_ballast(random_bits(&source), test_knob("ARENITE_TEST_LIVE_MIB", 16) << 20);
    run(&traffics[0]);
    bool all_started = run_in_threads();
    run(&traffics[0]);
    size_t stayed_mib = ballast.live_bytes >> 20;
    traffic_empty(&ballast);
    if (ends) {
        expect_recovered();
    }
    size_t refused = 0;
    for (size_t i = 0; i < THREADS; i++) {
        refused += traffics[i].refused;
    }
    printf("refused: %zu, %zu MiB stayed, %s threads\n", refused, stayed_mib,
           all_started ? "with" : "without");
    return 0;
}
