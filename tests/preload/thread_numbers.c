/* thread_numbers.c - thousands of threads, one after the other and at once; threads that are
 * cancelled; memory in destructors of thread-local variables.
 * Layer: tests (includes libc only). */
#include "support.h"
#include "traffic.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT_ONCE_MAX 8000
#define STACK_BYTES ((size_t)64 * 1024)
#define BLOCKS 30

/* How C++ registers destructors of thread_local variables. */
extern int __cxa_thread_atexit_impl(void (*destroy)(void *), void *object, void *library);
extern void *__dso_handle;

static pthread_attr_t small_stack;
static pthread_barrier_t all_here;
static unsigned long destroyed;

/* Allocates, frees what the thread kept, and allocates again. */
static void destroy(void *kept) {
    struct held held = {kept, 500, 9};
    void *more = malloc(3000);
    TEST_CHECK(more != NULL && held_is_intact(&held));
    free(kept);
    free(calloc(7, 100));
    free(more);
    __atomic_add_fetch(&destroyed, 1, __ATOMIC_RELAXED);
}

static void keep_until_the_end(void) {
    struct held held = {malloc(500), 500, 9};
    TEST_CHECK(held.memory != NULL);
    held_fill(&held);
    TEST_CHECK(__cxa_thread_atexit_impl(destroy, held.memory, &__dso_handle) == 0);
}

static void use(void) {
    struct held held[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        held[i] = (struct held){malloc(i * 71), i * 71, i};
        TEST_CHECK(held[i].memory != NULL);
        held_fill(&held[i]);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        TEST_CHECK(held_is_intact(&held[i]));
        free(held[i].memory);
    }
}

static void *live(void *unused) {
    keep_until_the_end();
    use();
    return unused;
}

static void *live_with_all(void *unused) {
    keep_until_the_end();
    use();
    pthread_barrier_wait(&all_here);
    use();
    return unused;
}

static void test_one_by_one(size_t count) {
    unsigned long before = destroyed;
    for (size_t i = 0; i < count; i++) {
        pthread_t thread;
        TEST_CHECK(pthread_create(&thread, &small_stack, live, NULL) == 0);
        TEST_CHECK(pthread_join(thread, NULL) == 0);
    }
    TEST_CHECK(destroyed == before + count);
}

static void test_at_once(size_t count) {
    static pthread_t threads[AT_ONCE_MAX];
    TEST_CHECK(count <= AT_ONCE_MAX);
    TEST_CHECK(pthread_barrier_init(&all_here, NULL, (unsigned)count) == 0);
    for (size_t i = 0; i < count; i++) {
        TEST_CHECK(pthread_create(&threads[i], &small_stack, live_with_all, NULL) == 0);
    }
    for (size_t i = 0; i < count; i++) {
        TEST_CHECK(pthread_join(threads[i], NULL) == 0);
    }
    pthread_barrier_destroy(&all_here);
}

/* ---- cancellation -------------------------------------------------------------------------- */

static unsigned long steps;

/* Allocation is no place to be cancelled at: a thread that does nothing else runs to its end. */
static void *allocate_though_cancelled(void *unused) {
    (void)unused;
    pthread_barrier_wait(&all_here);
    pthread_barrier_wait(&all_here);
    for (size_t i = 0; i < 300; i++) {
        free(realloc(malloc(i * 400), i * 900));
    }
    return (void *)1;
}

static void test_is_no_cancellation_point(void) {
    pthread_t thread;
    void *result = NULL;
    TEST_CHECK(pthread_barrier_init(&all_here, NULL, 2) == 0);
    TEST_CHECK(pthread_create(&thread, NULL, allocate_though_cancelled, NULL) == 0);
    pthread_barrier_wait(&all_here);
    TEST_CHECK(pthread_cancel(thread) == 0);
    pthread_barrier_wait(&all_here);
    TEST_CHECK(pthread_join(thread, &result) == 0 && result == (void *)1);
}

static void *allocate_until_cancelled(void *unused) {
    keep_until_the_end();
    for (size_t i = 0; i < SIZE_MAX; i++) {
        void *memory = malloc(i * 131 % 50000);
        __atomic_add_fetch(&steps, 1, __ATOMIC_RELAXED);
        free(memory);
        pthread_testcancel();
    }
    return unused;
}

static void test_cancelled(size_t count) {
    for (size_t i = 0; i < count; i++) {
        pthread_t thread;
        void *result = NULL;
        unsigned long before = __atomic_load_n(&steps, __ATOMIC_RELAXED);
        TEST_CHECK(pthread_create(&thread, NULL, allocate_until_cancelled, NULL) == 0);
        while (__atomic_load_n(&steps, __ATOMIC_RELAXED) < before + 10) {
            usleep(100);
        }
        TEST_CHECK(pthread_cancel(thread) == 0);
        TEST_CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
    }
}

int main(void) {
    TEST_CHECK(pthread_attr_init(&small_stack) == 0);
    TEST_CHECK(pthread_attr_setstacksize(&small_stack, STACK_BYTES) == 0);
    test_one_by_one(test_knob("ARENITE_TEST_THREADS", 1000));
    test_at_once(test_knob("ARENITE_TEST_THREADS_AT_ONCE", 400));
    test_is_no_cancellation_point();
    test_cancelled(test_knob("ARENITE_TEST_THREADS", 1000) / 50);
    return 0;
}
