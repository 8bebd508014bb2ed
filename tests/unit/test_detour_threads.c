/* test_detour_threads.c - both fast paths made to miss: by a detour, switched under load by other
 * threads, and in signal handlers that interrupt slow operations.
 * Layer: tests (includes thread and below).
 *
 * ARENITE_TEST_ROUNDS sets how long it runs. */
#include "arenite/arenite.h"
#include "single_step.h"
#include "support.h"
#include "support_slabs.h"
#include "test_random.h"
#include "thread/thread.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define THREADS 3
#define SLOTS 300

struct holding {
    unsigned char *memory;
    size_t bytes;
};

struct worker {
    struct random_source random;
    struct holding slots[SLOTS];
    struct thread *thread;
    size_t steps;
    size_t faults;
};

static struct worker workers[THREADS];
static uint32_t running;

/* ---- one thread, every call seen ------------------------------------------------------------- */

static void *seen[2];
static size_t seen_count[2];

static void listen_to(enum thread_event event, void *memory, size_t bytes) {
    (void)bytes;
    seen[event] = memory;
    seen_count[event]++;
}

static void test_every_call_is_seen(void **state) {
    (void)state;
    arenite_free(arenite_malloc(1));
    thread_listener = listen_to;
    static const size_t sizes[] = {0, 16, 100, 1024, 1025, 5000, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *before = arenite_malloc(sizes[i]);
        size_t allocs = seen_count[THREAD_EVENT_ALLOC];
        size_t frees = seen_count[THREAD_EVENT_FREE];
        thread_detour(thread_own, true);
        assert_true(thread_is_detoured(thread_own));
        assert_ptr_equal(thread_current, &thread_none);
        void *during = i % 2 == 0 ? arenite_malloc(sizes[i]) : arenite_calloc(1, sizes[i]);
        assert_ptr_equal(seen[THREAD_EVENT_ALLOC], during);
        arenite_free(before);
        assert_ptr_equal(seen[THREAD_EVENT_FREE], before);
        thread_detour(thread_own, false);
        assert_ptr_equal(thread_current, thread_own);
        arenite_free(during);
        assert_int_equal(seen_count[THREAD_EVENT_ALLOC], allocs + 1);
        assert_int_equal(seen_count[THREAD_EVENT_FREE], frees + 1);
    }
    thread_listener = NULL;
    slabs_expect_sound();
}

/* ---- switched under load --------------------------------------------------------------------- */

static void step(struct worker *worker) {
    struct holding *block = &worker->slots[random_below(&worker->random, SLOTS)];
    if (block->memory != NULL) {
        worker->faults += !test_pattern_holds(block->memory, block->bytes, block->bytes);
        arenite_free(block->memory);
        block->memory = NULL;
        return;
    }
    block->bytes = 1 + random_below(&worker->random, random_below(&worker->random, 9) ? 300 : 3000);
    block->memory = arenite_malloc(block->bytes);
    test_pattern_fill(block->memory, block->bytes, block->bytes);
}

static void empty(struct worker *worker) {
    for (size_t i = 0; i < SLOTS; i++) {
        arenite_free(worker->slots[i].memory);
        worker->slots[i].memory = NULL;
    }
}

static void *work(void *argument) {
    struct worker *worker = argument;
    arenite_free(arenite_malloc(1));
    __atomic_store_n(&worker->thread, thread_own, __ATOMIC_RELEASE);
    for (size_t i = 0; i < worker->steps; i++) {
        step(worker);
    }
    empty(worker);
    __atomic_store_n(&worker->thread, NULL, __ATOMIC_RELEASE);
    __atomic_sub_fetch(&running, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void switch_while_running(struct random_source *random) {
    while (__atomic_load_n(&running, __ATOMIC_ACQUIRE) != 0) {
        struct worker *worker = &workers[random_below(random, THREADS)];
        struct thread *thread = __atomic_load_n(&worker->thread, __ATOMIC_ACQUIRE);
        if (thread != NULL) {
            thread_detour(thread, random_below(random, 2) == 0);
        }
        arenite_free(arenite_malloc(random_below(random, 500)));
    }
}

static void test_under_load(void **state) {
    (void)state;
    struct random_source random = random_start("test_under_load");
    for (size_t rounds = test_knob("ARENITE_TEST_ROUNDS", 10); rounds > 0; rounds--) {
        pthread_t handles[THREADS];
        running = THREADS;
        for (size_t i = 0; i < THREADS; i++) {
            memset(&workers[i], 0, sizeof workers[i]);
            workers[i].random = random_branch(&random);
            workers[i].steps = 20000;
            assert_int_equal(pthread_create(&handles[i], NULL, work, &workers[i]), 0);
        }
        switch_while_running(&random);
        for (size_t i = 0; i < THREADS; i++) {
            assert_int_equal(pthread_join(handles[i], NULL), 0);
            assert_int_equal(workers[i].faults, 0);
        }
        slabs_expect_sound();
    }
}

/* ---- a handler between any two instructions -------------------------------------------------- */

#if CAN_SINGLE_STEP
#define KEPT 64

static struct holding kept[KEPT]; /* the handler's */
static volatile size_t handled;
static volatile sig_atomic_t handler_faults;
static struct random_source handler_random;

/* As a program's handler that allocates, where it interrupts a slow operation: the few instructions
 * of the fast paths are not covered. One such instruction in sixteen, by chance. */
static void allocate_and_free(int signal) {
    (void)signal;
    if (thread_operation == NULL || random_below(&handler_random, 16) != 0) {
        return;
    }
    handled++;
    for (size_t i = 0; i < 4; i++) {
        struct holding *block = &kept[random_below(&handler_random, KEPT)];
        if (block->memory != NULL) {
            handler_faults += !test_pattern_holds(block->memory, block->bytes, 7);
            arenite_free(block->memory);
        }
        block->bytes = 700 + random_below(&handler_random, 4) * 100;
        block->memory = arenite_malloc(block->bytes);
        test_pattern_fill(block->memory, block->bytes, 7);
    }
}

/* Blocks that the main flow allocated by the fast path, freed by the handler: own slots. */
static void offer(struct worker *worker) {
    for (size_t i = 0; i < KEPT; i++) {
        struct holding *block = &worker->slots[random_below(&worker->random, SLOTS)];
        if (block->memory != NULL) {
            test_pattern_fill(block->memory, block->bytes, 7);
            struct holding other = kept[i];
            kept[i] = *block;
            *block = other;
            if (block->memory != NULL) {
                test_pattern_fill(block->memory, block->bytes, block->bytes);
            }
        }
    }
}

/* A step takes microseconds, so that one call in a few is stepped through. */
static bool is_stepped(struct worker *worker) {
    return random_below(&worker->random, 16) == 0;
}

static void *stepped_malloc(size_t bytes) {
    single_step_begin();
    void *memory = arenite_malloc(bytes);
    single_step_end();
    return memory;
}

static void stepped_free(void *memory) {
    single_step_begin();
    arenite_free(memory);
    single_step_end();
}

/* Few slots to a slab, all taken, then all freed: many of these calls are slow. */
static void wave(struct worker *worker) {
    for (size_t i = 0; i < SLOTS; i++) {
        struct holding *block = &worker->slots[i];
        if (block->memory == NULL) {
            block->bytes = 700 + random_below(&worker->random, 4) * 100;
            void *(*allocate)(size_t) = is_stepped(worker) ? stepped_malloc : arenite_malloc;
            block->memory = allocate(block->bytes);
            test_pattern_fill(block->memory, block->bytes, block->bytes);
        }
    }
    for (size_t i = 0; i < SLOTS; i++) {
        struct holding *block = &worker->slots[i];
        worker->faults += !test_pattern_holds(block->memory, block->bytes, block->bytes);
        (is_stepped(worker) ? stepped_free : arenite_free)(block->memory);
        block->memory = NULL;
    }
}

static void test_handlers(void **state) {
    (void)state;
    struct random_source random = random_start("test_handlers");
    struct worker *worker = &workers[0];
    memset(worker, 0, sizeof *worker);
    worker->random = random_branch(&random);
    handler_random = random_branch(&random);
    struct sigaction action = {.sa_handler = allocate_and_free};
    sigaction(SIGTRAP, &action, NULL);
    for (size_t rounds = test_knob("ARENITE_TEST_ROUNDS", 10); rounds > 0; rounds--) {
        wave(worker);
        for (size_t i = 0; i < 200; i++) {
            step(worker);
        }
        offer(worker);
        slabs_expect_sound();
    }
    empty(worker);
    for (size_t i = 0; i < KEPT; i++) {
        arenite_free(kept[i].memory);
    }
    assert_int_equal(worker->faults, 0);
    assert_int_equal(handler_faults, 0);
    assert_true(handled > 0);
    slabs_expect_sound();
}
#else
static void test_handlers(void **state) {
    (void)state;
    skip();
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_call_is_seen),
        cmocka_unit_test(test_under_load),
        cmocka_unit_test(test_handlers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
