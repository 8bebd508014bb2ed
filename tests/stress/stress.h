/* stress.h - shapes of traffic that put a malloc under stress, and what they share.
 * Layer: tests (includes libc only).
 *
 * Each shape is one function of shapes_*.c. It verifies contents and that no blocks overlap, and
 * ends the process when something is wrong. */
#ifndef ARENITE_TESTS_STRESS_STRESS_H
#define ARENITE_TESTS_STRESS_STRESS_H

#include "held.h"
#include "support.h"
#include "traffic.h"

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

/* What a shape is started with. */
struct stress {
    uint64_t seed;
    size_t scale; /* 1: short; work grows with it */
};

/* One thread. */
void stress_sizes(const struct stress *stress);
void stress_realloc(const struct stress *stress);
void stress_aligned(const struct stress *stress);
void stress_zero(const struct stress *stress);
void stress_large(const struct stress *stress);
void stress_mixed(const struct stress *stress);
/* Several threads. */
void stress_threads(const struct stress *stress);
void stress_hand_over(const struct stress *stress);
void stress_churn(const struct stress *stress);
void stress_cached_exit(const struct stress *stress);
void stress_many_arenas(const struct stress *stress);
void stress_detour(const struct stress *stress);
/* With the kernel. */
void stress_forks(const struct stress *stress);
void stress_signals(const struct stress *stress);
void stress_memory_limit(const struct stress *stress);

/* A thread that runs its own traffic, round by round, until told to stop. */
struct worker {
    pthread_t handle;
    struct traffic traffic;
    size_t rounds; /* done; read by others */
    int stop;
};

void workers_start(struct worker *workers, size_t count, uint64_t seed);
/* Returns when each has done so many rounds more, however long that takes. */
void workers_await(const struct worker *workers, size_t count, size_t rounds);
/* Ends their traffic, checks and frees all they hold. */
void workers_stop(struct worker *workers, size_t count);

#endif
