/* shapes_threads.c - stress by several threads: own traffic, hand-over, short lives, many at once.
 * Layer: tests (includes libc only). */
#include "stress.h"

#include <malloc.h>
#include <sched.h>
#include <stdlib.h>

#define WORKERS 4
#define MANY 48
#define RING 512
#define BEQUEATHED 200

void stress_threads(const struct stress *stress) {
    struct worker workers[WORKERS];
    workers_start(workers, WORKERS, stress->seed);
    workers_await(workers, WORKERS, 60 * stress->scale);
    workers_stop(workers, WORKERS);
}

/* More threads than there are arenas, each with its own table. */
void stress_many_arenas(const struct stress *stress) {
    static struct worker workers[MANY];
    workers_start(workers, MANY, stress->seed);
    workers_await(workers, MANY, 6 * stress->scale);
    workers_stop(workers, MANY);
}

/* ---- hand-over ------------------------------------------------------------------------------- */

/* Blocks on their way from one thread to the next: slots of a ring, taken by an exchange. */
static struct held *ring[RING];

struct carrier {
    pthread_t handle;
    uint64_t random;
    size_t steps;
};

static void put_or_free(struct held *held, size_t at) {
    struct held *former = __atomic_exchange_n(&ring[at], held, __ATOMIC_ACQ_REL);
    if (former != NULL) {
        TEST_CHECK(held_is_intact(former));
        free(former->memory);
        free(former);
    }
}

static void *carry(void *argument) {
    struct carrier *carrier = argument;
    for (size_t i = 0; i < carrier->steps; i++) {
        struct held *held = malloc(sizeof *held);
        TEST_CHECK(held != NULL);
        held->bytes = traffic_any_bytes(&carrier->random) / 3;
        held->tag = i;
        held->memory = malloc(held->bytes);
        TEST_CHECK(held->memory != NULL);
        held_fill(held);
        put_or_free(held, traffic_below(&carrier->random, RING));
    }
    return NULL;
}

/* Whatever a thread takes out of the ring, another one has most likely put there. */
void stress_hand_over(const struct stress *stress) {
    struct carrier carriers[WORKERS];
    for (size_t i = 0; i < WORKERS; i++) {
        carriers[i] = (struct carrier){.random = stress->seed + i, .steps = 5000 * stress->scale};
        TEST_CHECK(pthread_create(&carriers[i].handle, NULL, carry, &carriers[i]) == 0);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        TEST_CHECK(pthread_join(carriers[i].handle, NULL) == 0);
    }
    for (size_t i = 0; i < RING; i++) {
        put_or_free(NULL, i);
    }
}

/* ---- short lives ----------------------------------------------------------------------------- */

static struct held bequeathed[WORKERS][BEQUEATHED];
static pthread_key_t last_key;

static void fill_all(struct held *held, uint64_t random) {
    for (size_t i = 0; i < BEQUEATHED; i++) {
        held[i] = (struct held){NULL, traffic_any_bytes(&random) / 20, random};
        held[i].memory = malloc(held[i].bytes);
        TEST_CHECK(held[i].memory != NULL);
        held_fill(&held[i]);
    }
}

static void free_all(struct held *held) {
    for (size_t i = 0; i < BEQUEATHED; i++) {
        TEST_CHECK(held[i].memory == NULL || held_is_intact(&held[i]));
        free(held[i].memory);
        held[i].memory = NULL;
    }
}

/* Runs when the thread, and perhaps its place in the allocator, is gone. */
static void allocate_last(void *bytes) {
    struct held held = {calloc(1, (size_t)bytes), (size_t)bytes, 5};
    TEST_CHECK(held.memory != NULL && held_is_zero(&held));
    held_fill(&held);
    TEST_CHECK(held_is_intact(&held));
    free(held.memory);
}

static void *live_shortly(void *held) {
    TEST_CHECK(pthread_setspecific(last_key, (void *)(size_t)3000) == 0);
    free_all(held);
    fill_all(held, (uintptr_t)held ^ (uintptr_t)&held);
    return NULL;
}

static void generation(void) {
    pthread_t threads[WORKERS];
    for (size_t i = 0; i < WORKERS; i++) {
        TEST_CHECK(pthread_create(&threads[i], NULL, live_shortly, bequeathed[i]) == 0);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        TEST_CHECK(pthread_join(threads[i], NULL) == 0);
    }
    TEST_CHECK(!held_overlap(bequeathed[0], (size_t)WORKERS * BEQUEATHED));
}

/* Each thread frees what its forerunner left and leaves as much. */
void stress_churn(const struct stress *stress) {
    TEST_CHECK(pthread_key_create(&last_key, allocate_last) == 0);
    for (size_t i = 0; i < 30 * stress->scale; i++) {
        generation();
    }
    for (size_t i = 0; i < WORKERS; i++) {
        free_all(bequeathed[i]);
    }
    pthread_key_delete(last_key);
}

/* Ends with lists full of freed blocks, and half of its blocks alive. */
static void *exit_with_cache(void *held) {
    struct held mine[BEQUEATHED];
    for (size_t round = 0; round < 5; round++) {
        fill_all(mine, round);
        free_all(mine);
    }
    fill_all(held, (uintptr_t)held);
    for (size_t i = 0; i < BEQUEATHED; i += 2) {
        struct held *one = &((struct held *)held)[i];
        free(one->memory);
        one->memory = NULL;
    }
    return NULL;
}

void stress_cached_exit(const struct stress *stress) {
    for (size_t round = 0; round < 15 * stress->scale; round++) {
        pthread_t threads[WORKERS];
        for (size_t i = 0; i < WORKERS; i++) {
            TEST_CHECK(pthread_create(&threads[i], NULL, exit_with_cache, bequeathed[i]) == 0);
        }
        for (size_t i = 0; i < WORKERS; i++) {
            TEST_CHECK(pthread_join(threads[i], NULL) == 0);
            free_all(bequeathed[i]);
        }
    }
}

/* ---- detour ---------------------------------------------------------------------------------- */

/* Perturbing takes every call off the fast paths; switched under everybody's feet, and not before
 * all have met the last switch. */
void stress_detour(const struct stress *stress) {
    struct worker workers[WORKERS];
    workers_start(workers, WORKERS, stress->seed);
    for (size_t i = 0; i < 30 * stress->scale; i++) {
        mallopt(M_PERTURB, i % 2 == 0 ? 0x33 : 0);
        workers_await(workers, WORKERS, 2); /* one whole round of each */
    }
    mallopt(M_PERTURB, 0);
    workers_stop(workers, WORKERS);
}
