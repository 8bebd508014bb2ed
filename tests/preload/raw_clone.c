/* raw_clone.c - children that libc's fork knows nothing of: by the bare system call, and such as
 * run in their parent's memory while it waits.
 * Layer: tests (includes libc only). */
#include "outside.h"
#include "support.h"
#include "traffic.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STACK_BYTES ((size_t)256 * 1024)
#define THREADS 3
#define ROUNDS 50

static struct traffic shared;
static volatile int stop;
static pthread_barrier_t at_rest;

static void expect_child(pid_t id) {
    int status = -1;
    TEST_CHECK(id > 0 && waitpid(id, &status, __WALL) == id);
    if (status != 0) {
        fprintf(stderr, "the child ended with status %#x\n", (unsigned)status);
    }
    TEST_CHECK(status == 0);
}

/* ---- a copy of the process ------------------------------------------------------------------- */

static void clone_copy(void) {
    struct traffic own;
    pid_t id = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    if (id == 0) {
        alarm(TEST_CHILD_SECONDS);
        traffic_check(&shared);
        traffic_run(&shared, 300);
        traffic_init(&own, 100, shared.random);
        traffic_run(&own, 1000);
        traffic_destroy(&own);
        _exit(0);
    }
    expect_child(id);
}

/* Has allocated, has blocks in its lists, and is in none of our functions. */
static void *rest(void *unused) {
    struct traffic own;
    traffic_init(&own, 50, 1);
    traffic_run(&own, 500);
    pthread_barrier_wait(&at_rest);
    pthread_barrier_wait(&at_rest);
    traffic_destroy(&own);
    return unused;
}

static void test_copies_beside_resting_threads(void) {
    pthread_t threads[THREADS];
    TEST_CHECK(pthread_barrier_init(&at_rest, NULL, THREADS + 1) == 0);
    for (size_t i = 0; i < THREADS; i++) {
        TEST_CHECK(pthread_create(&threads[i], NULL, rest, NULL) == 0);
    }
    pthread_barrier_wait(&at_rest);
    for (size_t i = 0; i < ROUNDS; i++) {
        clone_copy();
        traffic_run(&shared, 50);
    }
    pthread_barrier_wait(&at_rest);
    for (size_t i = 0; i < THREADS; i++) {
        TEST_CHECK(pthread_join(threads[i], NULL) == 0);
    }
    pthread_barrier_destroy(&at_rest);
}

/* ---- in the parent's memory ------------------------------------------------------------------ */

/* As the thread that waits for it, but with a number of its own. What it does not free stays the
 * parent's. */
static int borrow(void *unused) {
    (void)unused;
    traffic_run(&shared, 100);
    return 0;
}

static void clone_borrower(void *stack) {
    pid_t id = clone(borrow, (char *)stack + STACK_BYTES, CLONE_VM | CLONE_VFORK | SIGCHLD, NULL);
    expect_child(id);
}

static void *churn(void *seed) {
    struct traffic own;
    traffic_init(&own, 50, (uintptr_t)seed);
    while (!stop) {
        traffic_run(&own, 50);
    }
    traffic_destroy(&own);
    return NULL;
}

static void test_borrowers_beside_busy_threads(void) {
    pthread_t threads[THREADS];
    void *stack =
        mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TEST_CHECK(stack != MAP_FAILED);
    for (size_t i = 0; i < THREADS; i++) {
        TEST_CHECK(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)) == 0);
    }
    for (size_t i = 0; i < ROUNDS; i++) {
        clone_borrower(stack);
        traffic_check(&shared);
        traffic_run(&shared, 50);
    }
    stop = 1;
    for (size_t i = 0; i < THREADS; i++) {
        TEST_CHECK(pthread_join(threads[i], NULL) == 0);
    }
    munmap(stack, STACK_BYTES);
}

/* Programs that allocate between vfork and exec, as they must not, and do. */
static void test_vfork_that_allocates(void) {
    for (size_t i = 0; i < ROUNDS; i++) {
        pid_t id = vfork();
        if (id == 0) {
            void *memory = malloc(i * 1000);
            free(memory);
            _exit(memory == NULL);
        }
        expect_child(id);
        traffic_run(&shared, 50);
    }
}

int main(void) {
    traffic_init(&shared, 300, test_knob("ARENITE_TEST_SEED", (unsigned long)getpid()));
    printf("ARENITE_TEST_SEED=%lu\n", (unsigned long)shared.random);
    fflush(stdout);
    traffic_run(&shared, 1000);
    clone_copy();
    test_copies_beside_resting_threads();
    test_borrowers_beside_busy_threads();
    test_vfork_that_allocates();
    traffic_destroy(&shared);
    return 0;
}
