/* main.c - runs one shape of stress by its name, or all of them in turn.
 * Layer: tests (includes libc only).
 *
 *   stress [NAME]
 *
 * ARENITE_TEST_SEED repeats a run, ARENITE_TEST_SCALE lengthens it (1). When the library under test
 * can audit itself, it does so at the end of each shape. */
#include "stress.h"

#include "test_random.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKERS_MAX 64

struct shape {
    const char *name;
    void (*run)(const struct stress *stress);
};

static const struct shape shapes[] = {
    {"sizes", stress_sizes},
    {"realloc", stress_realloc},
    {"aligned", stress_aligned},
    {"zero", stress_zero},
    {"large", stress_large},
    {"mixed", stress_mixed},
    {"threads", stress_threads},
    {"hand_over", stress_hand_over},
    {"churn", stress_churn},
    {"cached_exit", stress_cached_exit},
    {"many_arenas", stress_many_arenas},
    {"detour", stress_detour},
    {"forks", stress_forks},
    {"signals", stress_signals},
    {"memory_limit", stress_memory_limit},
};
#define SHAPES (sizeof shapes / sizeof shapes[0])

/* The library's own recount; libc's malloc has none. */
extern const char *arenite_audit(void) __attribute__((weak));

static void *run_worker(void *argument) {
    struct worker *worker = argument;
    while (__atomic_load_n(&worker->stop, __ATOMIC_RELAXED) == 0) {
        traffic_run(&worker->traffic, 50);
        __atomic_add_fetch(&worker->rounds, 1, __ATOMIC_RELAXED);
    }
    traffic_empty(&worker->traffic);
    return NULL;
}

void workers_start(struct worker *workers, size_t count, uint64_t seed) {
    for (size_t i = 0; i < count; i++) {
        traffic_init(&workers[i].traffic, 300, seed + i);
        workers[i].rounds = 0;
        workers[i].stop = 0;
        TEST_CHECK(pthread_create(&workers[i].handle, NULL, run_worker, &workers[i]) == 0);
    }
}

static size_t rounds_of(const struct worker *worker) {
    return __atomic_load_n(&worker->rounds, __ATOMIC_RELAXED);
}

/* One after the other: the last ones have mostly come as far when the first one has. */
void workers_await(const struct worker *workers, size_t count, size_t rounds) {
    size_t goals[WORKERS_MAX];
    TEST_CHECK(count <= WORKERS_MAX);
    for (size_t i = 0; i < count; i++) {
        goals[i] = rounds_of(&workers[i]) + rounds;
    }
    for (size_t i = 0; i < count; i++) {
        while (rounds_of(&workers[i]) < goals[i]) {
            usleep(100);
        }
    }
}

void workers_stop(struct worker *workers, size_t count) {
    for (size_t i = 0; i < count; i++) {
        __atomic_store_n(&workers[i].stop, 1, __ATOMIC_RELAXED);
    }
    for (size_t i = 0; i < count; i++) {
        TEST_CHECK(pthread_join(workers[i].handle, NULL) == 0);
        traffic_destroy(&workers[i].traffic);
    }
}

static void run_shape(const struct shape *shape) {
    struct random_source source = random_start(shape->name);
    const struct stress stress = {random_bits(&source), test_knob("ARENITE_TEST_SCALE", 1)};
    shape->run(&stress);
    const char *error = arenite_audit != NULL ? arenite_audit() : NULL;
    if (error != NULL) {
        fprintf(stderr, "%s: %s\n", shape->name, error);
        _exit(1);
    }
}

int main(int argc, char **argv) {
    size_t run = 0;
    for (size_t i = 0; i < SHAPES; i++) {
        if (argc < 2 || strcmp(argv[1], shapes[i].name) == 0) {
            run_shape(&shapes[i]);
            run++;
        }
    }
    return run > 0 ? 0 : 1;
}
