/* test_fork.c - fork in the middle of traffic: the child finds sound arenas, its parent's
 * contents, and goes on allocating; what other threads were doing is set aside.
 * Layer: tests (includes api and below). */
#include "arenite/arenite.h"
#include "glibc_profile.h"
#include "support.h"
#include "support_recount.h"
#include "test_child.h"
#include "test_random.h"
#include "thread/thread.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define THREADS 4
#define SLOTS 100
#define KEPT 200

struct busy {
    pthread_t handle;
    struct random_source random;
    void *slots[SLOTS];
};

static struct busy busy[THREADS];
static uint32_t started;
static uint32_t stop;
static unsigned char *kept[KEPT];
static struct random_source source;

static size_t kept_bytes(size_t i) {
    return 20 + i * i * 7;
}

static void *work(void *argument) {
    struct busy *self = argument;
    __atomic_fetch_add(&started, 1, __ATOMIC_RELEASE);
    while (__atomic_load_n(&stop, __ATOMIC_RELAXED) == 0) {
        size_t slot = random_below(&self->random, SLOTS);
        arenite_free(self->slots[slot]);
        self->slots[slot] = arenite_malloc((size_t)random_magnitude(&self->random) % 200000);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        arenite_free(self->slots[i]);
    }
    return NULL;
}

/* Returns when all of them are at work: AddressSanitizer's own allocator holds locks while a thread
 * starts, does not mend them at a fork, and the child would wait for them for ever. */
static void start_threads(void) {
    started = stop = 0;
    for (size_t i = 0; i < THREADS; i++) {
        memset(&busy[i], 0, sizeof busy[i]);
        busy[i].random.state = random_bits(&source);
        assert_int_equal(pthread_create(&busy[i].handle, NULL, work, &busy[i]), 0);
    }
    while (__atomic_load_n(&started, __ATOMIC_ACQUIRE) < THREADS) {
        sched_yield();
    }
}

static void stop_threads(void) {
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(busy[i].handle, NULL), 0);
    }
}

static void keep(void) {
    for (size_t i = 0; i < KEPT; i++) {
        kept[i] = arenite_malloc(kept_bytes(i));
        assert_non_null(kept[i]);
        test_pattern_fill(kept[i], kept_bytes(i), i);
    }
}

static void expect_kept(void) {
    for (size_t i = 0; i < KEPT; i++) {
        CHILD_EXPECT(test_pattern_holds(kept[i], kept_bytes(i), i));
    }
}

static void expect_sound(void) {
    const char *error = recount_all();
    if (error != NULL) {
        fprintf(stderr, "%s\n", error);
        fflush(stderr);
        _exit(1);
    }
}

static void use_heap(void) {
    void *slots[SLOTS] = {NULL};
    for (size_t step = 0; step < 2000; step++) {
        size_t slot = random_below(&source, SLOTS);
        size_t bytes = 1 + (size_t)random_magnitude(&source) % 100000;
        slots[slot] = arenite_realloc(slots[slot], bytes);
        CHILD_EXPECT(slots[slot] != NULL);
        memset(slots[slot], 7, bytes < 100 ? bytes : 100);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        arenite_free(slots[i]);
    }
}

static void *use_in_thread(void *unused) {
    use_heap();
    return unused;
}

/* Everything that was the parent's is there, and can be freed: what lies in an arena that another
 * thread was in is lost, not touched. */
static void child_body(void) {
    expect_sound();
    expect_kept();
    use_heap();
    expect_sound();
    for (size_t i = 0; i < KEPT; i += 2) {
        arenite_free(kept[i]);
        kept[i] = arenite_malloc(kept_bytes(i));
        CHILD_EXPECT(kept[i] != NULL);
        test_pattern_fill(kept[i], kept_bytes(i), i);
    }
    expect_kept();
    pthread_t thread;
    CHILD_EXPECT(pthread_create(&thread, NULL, use_in_thread, NULL) == 0);
    CHILD_EXPECT(pthread_join(thread, NULL) == 0);
    expect_sound();
}

static void fork_often(size_t forks) {
    keep();
    start_threads();
    for (; forks > 0; forks--) {
        assert_child_passes(child_body);
    }
    stop_threads();
    for (size_t i = 0; i < KEPT; i++) {
        assert_true(test_pattern_holds(kept[i], kept_bytes(i), i));
        arenite_free(kept[i]);
    }
    const char *error = recount_all();
    assert_string_equal(error != NULL ? error : "", "");
}

static void test_fork(void **state) {
    (void)state;
    source = random_start("test_fork");
    fork_often(test_knob("ARENITE_TEST_FORKS", 60));
}

static void *forking_thread(void *unused) {
    fork_often(test_knob("ARENITE_TEST_FORKS", 60) / 3);
    return unused;
}

/* From a thread that is not the first: its arena is a heap arena. */
static void test_fork_from_thread(void **state) {
    (void)state;
    source = random_start("test_fork_from_thread");
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, forking_thread, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void child_with_child(void) {
    assert_child_passes(child_body);
    child_body();
}

static void test_fork_of_fork(void **state) {
    (void)state;
    source = random_start("test_fork_of_fork");
    keep();
    start_threads();
    for (size_t i = 0; i < 10; i++) {
        assert_child_passes(child_with_child);
    }
    stop_threads();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_fork_from_thread),
        cmocka_unit_test(test_fork_of_fork),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
