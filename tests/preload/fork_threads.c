/* fork_threads.c - fork, again and again, while other threads allocate: each child can use what it
 * inherited and everything new, and no content is damaged on either side.
 * Layer: tests (includes libc only). TIMEOUT_SECONDS: 1800
 *
 * ARENITE_TEST_FORKS: so many by the first thread, a quarter as many by another. */
#include "held.h"
#include "outside.h"
#include "support.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 6
#define INHERITED 200

static volatile int stop;
static unsigned char *inherited[INHERITED];

static void *churn(void *seed) {
    unsigned state = (unsigned)(size_t)seed;
    struct held held[64] = {{NULL, 0, 0}};
    while (!stop) {
        state = state * 1103515245u + 12345u;
        struct held *one = &held[state >> 8 & 63];
        TEST_CHECK(one->memory == NULL || held_is_intact(one));
        free(one->memory);
        size_t bytes = (state >> 16) % (one == held ? 400000 : 3000);
        *one = (struct held){malloc(bytes), bytes, state};
        TEST_CHECK(one->memory != NULL);
        held_fill(one);
    }
    for (size_t i = 0; i < 64; i++) {
        free(held[i].memory);
    }
    return NULL;
}

static size_t inherited_bytes(size_t index) {
    return index * 41 + (index % 20 == 0 ? 200000 : 0);
}

static void *allocate_in_thread(void *unused) {
    (void)unused;
    for (size_t i = 0; i < 500; i++) {
        free(malloc(i * 30));
    }
    return calloc(1, 5000);
}

/* Everything a program may do after fork; the alarm ends a child that waits forever. */
static void be_child(void) {
    pthread_t thread;
    void *made = NULL;
    alarm(TEST_CHILD_SECONDS);
    for (size_t i = 0; i < INHERITED; i++) {
        TEST_CHECK(test_pattern_holds(inherited[i], inherited_bytes(i), i));
        inherited[i] = realloc(inherited[i], inherited_bytes(i) + 500);
        TEST_CHECK(test_pattern_holds(inherited[i], inherited_bytes(i), i));
        free(inherited[i]);
    }
    for (size_t i = 0; i < 3000; i++) {
        void *memory = malloc(i * 17 % 30000);
        TEST_CHECK(memory != NULL);
        free(memory);
    }
    malloc_trim(0);
    TEST_CHECK(pthread_create(&thread, NULL, allocate_in_thread, NULL) == 0);
    TEST_CHECK(pthread_join(thread, &made) == 0);
    free(made);
    _exit(0);
}

static void check_fork(void) {
    int status = -1;
    pid_t id = fork();
    TEST_CHECK(id >= 0);
    if (id == 0) {
        be_child();
    }
    TEST_CHECK(waitpid(id, &status, 0) == id);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "child ended with status %#x\n", (unsigned)status);
    }
    TEST_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* A thread other than the first forks. */
static void *fork_some(void *count) {
    for (size_t i = 0; i < (size_t)count; i++) {
        check_fork();
    }
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS], forker;
    unsigned long forks = test_knob("ARENITE_TEST_FORKS", 100);
    for (size_t i = 0; i < INHERITED; i++) {
        inherited[i] = malloc(inherited_bytes(i));
        test_pattern_fill(inherited[i], inherited_bytes(i), i);
    }
    for (size_t i = 0; i < THREADS; i++) {
        TEST_CHECK(pthread_create(&threads[i], NULL, churn, (void *)(i + 1)) == 0);
    }
    fork_some((void *)forks);
    TEST_CHECK(pthread_create(&forker, NULL, fork_some, (void *)(forks / 4)) == 0);
    pthread_join(forker, NULL);
    stop = 1;
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    return 0;
}
