/* failing_beside_threads.c - several threads at once on the model kernel, while every few kernel
 * calls fail: each thread's contents stay, and afterwards all of them get what they ask for.
 * Layer: tests (includes chunk, thread and model). TIMEOUT_SECONDS: 300
 *
 * The one test here that does not repeat exactly: who runs when is the real kernel's to say.
 * ARENITE_TEST_STEPS: of each thread; ARENITE_TEST_SEED. */
#include "bed.h"
#include "test_random.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#define THREADS 4
#define ROUNDS 3
#define STEPS_USUAL 1500

struct worker {
    pthread_t thread;
    struct traffic traffic;
    size_t steps;
};

static void *work(void *argument) {
    struct worker *worker = argument;
    traffic_run(&worker->traffic, worker->steps);
    traffic_check(&worker->traffic);
    return NULL;
}

/* New threads each time: the blocks of those before are freed by others. */
static size_t run_round(struct worker workers[THREADS]) {
    size_t refused = 0;
    for (size_t i = 0; i < THREADS; i++) {
        workers[i].traffic.refused = 0;
        TEST_CHECK(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        TEST_CHECK(pthread_join(workers[i].thread, NULL) == 0);
        refused += workers[i].traffic.refused;
    }
    return refused;
}

static void play(struct bed *bed) {
    static struct worker workers[THREADS];
    const struct os_model_failures none = {.rule = FAIL_NEVER};
    for (size_t i = 0; i < THREADS; i++) {
        traffic_init(&workers[i].traffic, BED_SLOTS, bed->seed + i);
        workers[i].traffic.live_max_bytes = (size_t)16 << 20;
        workers[i].steps = bed->steps / ROUNDS;
    }
    for (size_t round = 0; round < ROUNDS; round++) {
        run_round(workers);
        bed_check_sound();
    }
    TEST_CHECK(os_model_counts().failed > 0);
    os_model_fail(&none);
    TEST_CHECK(run_round(workers) == 0);
    for (size_t i = 0; i < THREADS; i++) {
        traffic_destroy(&workers[i].traffic);
    }
    bed_check_sound();
}

int main(void) {
    uint64_t seed = bed_begin("failing_beside_threads");
    for (size_t profile = 0; profile < BED_PROFILES; profile++) {
        struct bed bed = {.profile = (enum profile)profile,
                          .thp = THP_MADVISE,
                          .seed = seed,
                          .steps = random_steps(STEPS_USUAL),
                          .failures = {FAIL_EVERY, OS_MODEL_ALL_CALLS, 5, ENOMEM}};
        if (bed_wants(bed.profile)) {
            bed_run(&bed, play);
        }
    }
    return 0;
}
