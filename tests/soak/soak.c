/* soak.c - mixed traffic for as long as wanted, audited, while resident memory stays flat.
 * Layer: tests (includes libc only).
 *
 * A round is the same work each time: threads that allocate for themselves, hand blocks to each
 * other, and end and leave blocks behind; then all is freed but a set of blocks that lives
 * through all rounds and changes slowly. Then the audit must agree, and what is resident is noted,
 * as it is and after malloc_trim. What a round needs, every later round needs, too: what is
 * resident after a trim must not grow from the first third of the rounds to the last.
 *
 * ARENITE_SOAK_SECONDS: how long (15; make soak: 900). It is no limit: the round that is under way
 * is ended, and there are at least ROUNDS_LEAST. TIMEOUT_SECONDS: 1800 */
#include "outside.h"
#include "support.h"
#include "test_random.h"
#include "traffic.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WORKERS 3
#define WORKER_SLOTS 300
#define WORKER_STEPS 3000
#define RING 256
#define LASTING 2000
#define ROUNDS_LEAST 6
#define ROUNDS_MAX ((size_t)1 << 16)
/* By which a heap may end otherwise than in the first rounds: top_pad and a page or two for each
 * arena and thread. */
#define GROWTH_BYTES ((size_t)4 << 20)

/* The library's own recount. */
extern const char *arenite_audit(void);
#pragma weak arenite_audit

struct worker {
    pthread_t handle;
    uint64_t seed;
};

struct figures {
    size_t resident[ROUNDS_MAX]; /* bytes, after each round */
    size_t trimmed[ROUNDS_MAX];
    size_t rounds;
};

static struct held *ring[RING];
static struct held lasting[LASTING];

/* ---- a round --------------------------------------------------------------------------------- */

static void drop(struct held *held) {
    if (held != NULL) {
        TEST_CHECK(held_is_intact(held));
        free(held->memory);
        free(held);
    }
}

/* Takes what another thread left there, and leaves a block. */
static void exchange(uint64_t *random) {
    struct held *held = malloc(sizeof *held);
    TEST_CHECK(held != NULL);
    *held = (struct held){NULL, traffic_any_bytes(random) / 4, *random};
    held->memory = malloc(held->bytes);
    TEST_CHECK(held->memory != NULL);
    held_fill(held);
    drop(__atomic_exchange_n(&ring[traffic_below(random, RING)], held, __ATOMIC_ACQ_REL));
}

static void *work(void *argument) {
    struct worker *worker = argument;
    struct traffic traffic;
    traffic_init(&traffic, WORKER_SLOTS, worker->seed);
    for (size_t i = 0; i < WORKER_STEPS; i++) {
        traffic_step(&traffic);
        if (i % 4 == 0) {
            exchange(&traffic.random);
        }
    }
    traffic_destroy(&traffic);
    return NULL;
}

static void replace(struct held *held, uint64_t *random) {
    TEST_CHECK(held->memory == NULL || held_is_intact(held));
    free(held->memory);
    *held = (struct held){NULL, 1 + traffic_below(random, 4000), *random};
    held->memory = malloc(held->bytes);
    TEST_CHECK(held->memory != NULL);
    held_fill(held);
}

/* A few of the lasting blocks are replaced, in this thread. */
static void change_lasting(uint64_t *random) {
    for (size_t i = 0; i < LASTING / 20; i++) {
        replace(&lasting[traffic_below(random, LASTING)], random);
    }
}

static void check_all(void) {
    const char *broken = arenite_audit == NULL ? NULL : arenite_audit();
    if (broken != NULL) {
        printf("audit: %s\n", broken);
    }
    TEST_CHECK(broken == NULL && !held_overlap(lasting, LASTING));
}

static void run_round(struct random_source *random) {
    struct worker workers[WORKERS];
    for (size_t i = 0; i < WORKERS; i++) {
        workers[i].seed = random_bits(random);
        TEST_CHECK(pthread_create(&workers[i].handle, NULL, work, &workers[i]) == 0);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        TEST_CHECK(pthread_join(workers[i].handle, NULL) == 0);
    }
    for (size_t i = 0; i < RING; i++) {
        drop(__atomic_exchange_n(&ring[i], NULL, __ATOMIC_ACQ_REL));
    }
    change_lasting(&random->state);
    check_all();
}

/* ---- what is resident ------------------------------------------------------------------------ */

static void note(struct figures *figures) {
    figures->resident[figures->rounds] = test_resident_bytes();
    malloc_trim(0);
    figures->trimmed[figures->rounds] = test_resident_bytes();
    figures->rounds++;
}

static size_t most_of(const size_t *values, size_t first, size_t end) {
    size_t most = 0;
    for (size_t i = first; i < end; i++) {
        most = values[i] > most ? values[i] : most;
    }
    return most;
}

static void say_third(const struct figures *figures, size_t third) {
    size_t first = third * figures->rounds / 3, end = (third + 1) * figures->rounds / 3;
    printf("rounds %zu to %zu: resident at most %zu KiB, after a trim %zu KiB\n", first + 1, end,
           most_of(figures->resident, first, end) >> 10,
           most_of(figures->trimmed, first, end) >> 10);
}

static void check_flat(const struct figures *figures) {
    size_t third = figures->rounds / 3;
    for (size_t i = 0; i < 3; i++) {
        say_third(figures, i);
    }
    size_t early = most_of(figures->trimmed, 0, third);
    size_t late = most_of(figures->trimmed, figures->rounds - third, figures->rounds);
    TEST_CHECK(late <= early + GROWTH_BYTES);
}

int main(void) {
    static struct figures figures;
    struct random_source random = random_start("soak");
    unsigned long seconds = test_knob("ARENITE_SOAK_SECONDS", 15);
    time_t start = time(NULL);
    for (size_t i = 0; i < LASTING; i++) {
        replace(&lasting[i], &random.state);
    }
    while (figures.rounds < ROUNDS_MAX &&
           (figures.rounds < ROUNDS_LEAST || time(NULL) - start < (time_t)seconds)) {
        run_round(&random);
        note(&figures);
    }
    check_flat(&figures);
    printf("%zu rounds, %ld seconds\n", figures.rounds, (long)(time(NULL) - start));
    return 0;
}
