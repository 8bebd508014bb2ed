/* test_lock_threads.c - ranked locks: exclusion under contention, and the order check. */
#include "os/lock.h"

#include "test_child.h"
#include "test_random.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>

#include <cmocka.h>

#define THREADS 8

static void test_states_while_single_threaded(void **state) {
    (void)state;
    struct lock lock = LOCK_INIT;
    assert_false(lock_is_taken(&lock));
    lock_take(&lock, LOCK_RANK_ARENA);
    assert_true(lock_is_taken(&lock));
    assert_false(lock_try(&lock, LOCK_RANK_ARENA));
    lock_drop(&lock, LOCK_RANK_ARENA);
    assert_false(lock_is_taken(&lock));
    assert_true(lock_try(&lock, LOCK_RANK_ARENA));
    lock_drop(&lock, LOCK_RANK_ARENA);
    assert_int_equal(lock.word, 0);
}

/* Plain counters that only the lock protects: a lost increment or a race report is a failure. */
struct counting {
    struct lock lock;
    size_t rounds;
    size_t count;
    size_t inside;
    size_t by_try;
};

static void enter_and_count(struct counting *shared) {
    shared->inside++;
    if (shared->inside != 1) {
        abort();
    }
    shared->count++;
    shared->inside--;
}

static void *count_with_take(void *argument) {
    struct counting *shared = argument;
    for (size_t i = 0; i < shared->rounds; i++) {
        lock_take(&shared->lock, LOCK_RANK_ARENA);
        enter_and_count(shared);
        lock_drop(&shared->lock, LOCK_RANK_ARENA);
    }
    return NULL;
}

static void *count_with_try(void *argument) {
    struct counting *shared = argument;
    for (size_t i = 0; i < shared->rounds; i++) {
        if (!lock_try(&shared->lock, LOCK_RANK_ARENA)) {
            lock_take(&shared->lock, LOCK_RANK_ARENA);
        } else {
            shared->by_try++;
        }
        enter_and_count(shared);
        lock_drop(&shared->lock, LOCK_RANK_ARENA);
    }
    return NULL;
}

static void run_threads(void *(*body)(void *), void *argument) {
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, body, argument), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
}

static void test_threads_count(void **state) {
    (void)state;
    struct counting shared = {.rounds = random_steps(20000)};
    run_threads(count_with_take, &shared);
    assert_int_equal(shared.count, THREADS * shared.rounds);
    run_threads(count_with_try, &shared);
    assert_int_equal(shared.count, 2 * THREADS * shared.rounds);
    assert_true(shared.by_try > 0);
    assert_int_equal(shared.lock.word, 0);
}

/* The main thread holds the lock until all others sleep in the kernel or are about to: the word
 * then says so, and dropping must wake them one after another. */
static void test_sleepers_are_woken(void **state) {
    (void)state;
    struct counting shared = {.rounds = 1};
    lock_take(&shared.lock, LOCK_RANK_ARENA);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_with_take, &shared), 0);
    }
    while ((__atomic_load_n(&shared.lock.word, __ATOMIC_RELAXED) & LOCK_SLEEPERS) == 0) {
        usleep(100);
    }
    usleep(20000);
    assert_int_equal(shared.count, 0);
    lock_drop(&shared.lock, LOCK_RANK_ARENA);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(shared.count, THREADS);
    assert_int_equal(shared.lock.word, 0);
}

/* Taken while alone, by a plain store (not under TSan, which keeps a thread of its own); waited for
 * by a thread started since. */
static void taken_alone_dropped_in_company(void) {
    struct counting shared = {.rounds = 1};
    lock_take(&shared.lock, LOCK_RANK_ARENA);
    pthread_t thread;
    CHILD_EXPECT(pthread_create(&thread, NULL, count_with_take, &shared) == 0);
    while ((__atomic_load_n(&shared.lock.word, __ATOMIC_RELAXED) & LOCK_SLEEPERS) == 0) {
        usleep(100);
    }
    lock_drop(&shared.lock, LOCK_RANK_ARENA);
    CHILD_EXPECT(pthread_join(thread, NULL) == 0);
    CHILD_EXPECT(shared.count == 1);
}

static void test_first_thread_appears_under_a_lock(void **state) {
    (void)state;
    assert_child_passes(taken_alone_dropped_in_company);
}

static void test_reset_frees(void **state) {
    (void)state;
    struct lock lock = {0x10000 | LOCK_SLEEPERS}; /* another thread's */
    lock_reset(&lock);
    assert_false(lock_is_taken(&lock));
    assert_true(lock_try(&lock, LOCK_RANK_META));
    lock_reset(&lock); /* the forking thread's own */
    assert_true(lock_is_mine(&lock));
    lock_drop(&lock, LOCK_RANK_META);
}

static void *expect_dead(void *lock) {
    return lock_take(lock, LOCK_RANK_ARENA) ? lock : NULL;
}

/* Whoever waits for a lock that is killed is told, and everybody after that. */
static void test_dead_locks(void **state) {
    (void)state;
    struct lock lock = LOCK_INIT;
    pthread_t threads[THREADS];
    lock_take(&lock, LOCK_RANK_ARENA);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, expect_dead, &lock), 0);
    }
    while ((__atomic_load_n(&lock.word, __ATOMIC_RELAXED) & LOCK_SLEEPERS) == 0) {
        usleep(100);
    }
    lock_order_reset();
    assert_true(lock_inherit(&lock, LOCK_RANK_ARENA));
    lock_kill(&lock);
    lock_order_pop(LOCK_RANK_ARENA);
    for (size_t i = 0; i < THREADS; i++) {
        void *got = &lock;
        assert_int_equal(pthread_join(threads[i], &got), 0);
        assert_null(got);
    }
    assert_true(lock_is_dead(&lock));
    assert_false(lock_is_mine(&lock));
    assert_false(lock_inherit(&lock, LOCK_RANK_ARENA));
    assert_false(lock_try(&lock, LOCK_RANK_ARENA));
    assert_false(lock_take(&lock, LOCK_RANK_ARENA));
}

static void test_orders_that_are_right(void **state) {
    (void)state;
    struct lock list = LOCK_INIT, arena = LOCK_INIT, other = LOCK_INIT, meta = LOCK_INIT;
    lock_take(&list, LOCK_RANK_ARENA_LIST);
    lock_take(&arena, LOCK_RANK_ARENA);
    assert_true(lock_try(&other, LOCK_RANK_ARENA));
    lock_take(&meta, LOCK_RANK_META);
    /* Dropped in another order than taken. */
    lock_drop(&arena, LOCK_RANK_ARENA);
    lock_drop(&list, LOCK_RANK_ARENA_LIST);
    lock_drop(&meta, LOCK_RANK_META);
    lock_take(&meta, LOCK_RANK_META);
    lock_drop(&meta, LOCK_RANK_META);
    lock_drop(&other, LOCK_RANK_ARENA);
    lock_take(&list, LOCK_RANK_ARENA_LIST);
    lock_drop(&list, LOCK_RANK_ARENA_LIST);
}

/* As a signal handler does that interrupts the holder of a lock of higher rank. */
static void test_trying_downward_is_right(void **state) {
    (void)state;
    struct lock meta = LOCK_INIT, arena = LOCK_INIT, mapped = LOCK_INIT;
    lock_take(&meta, LOCK_RANK_META);
    assert_true(lock_try(&arena, LOCK_RANK_ARENA));
    lock_take(&mapped, LOCK_RANK_MAPPED);
    lock_drop(&mapped, LOCK_RANK_MAPPED);
    lock_drop(&arena, LOCK_RANK_ARENA);
    lock_drop(&meta, LOCK_RANK_META);
}

static struct lock first_lock, second_lock;

static void descend(void) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    lock_take(&first_lock, LOCK_RANK_META);
    lock_take(&second_lock, LOCK_RANK_PAGE_HEAP);
}

static void take_two_of_a_rank(void) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    lock_take(&first_lock, LOCK_RANK_ARENA);
    lock_take(&second_lock, LOCK_RANK_ARENA);
}

/* The check comes before the wait, or this child would sleep for ever. */
static void take_twice(void) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    lock_take(&first_lock, LOCK_RANK_ARENA);
    lock_take(&first_lock, LOCK_RANK_ARENA);
}

static void drop_what_is_not_held(void) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    lock_take(&first_lock, LOCK_RANK_ARENA);
    lock_drop(&first_lock, LOCK_RANK_META);
}

static void test_wrong_orders_die(void **state) {
    (void)state;
    static void (*const bodies[])(void) = {descend, take_two_of_a_rank, take_twice,
                                           drop_what_is_not_held};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct child_result child = child_run(bodies[i]);
        assert_int_equal(child.signal, SIGABRT);
        assert_non_null(strstr(child.text, "arenite: lock order: rank"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states_while_single_threaded),
        cmocka_unit_test(test_first_thread_appears_under_a_lock),
        cmocka_unit_test(test_threads_count),
        cmocka_unit_test(test_sleepers_are_woken),
        cmocka_unit_test(test_reset_frees),
        cmocka_unit_test(test_dead_locks),
        cmocka_unit_test(test_orders_that_are_right),
        cmocka_unit_test(test_trying_downward_is_right),
        cmocka_unit_test(test_wrong_orders_die),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
