/* fork_before_first_call.c - a thread that never allocated forks while others allocate; its child's
 * first calls find arenas that were in the middle of an operation, and must not wait for them.
 * Layer: tests (includes libc only). */
#include "outside.h"
#include "support.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define ALLOCATORS 3
#define LIVE_BLOCKS 50

static volatile bool stop;

/* Sizes beyond the quick lists, so that nearly all of the time is spent inside an arena. */
static void *allocate_until_stop(void *argument) {
    unsigned seed = (unsigned)(uintptr_t)argument;
    while (!stop) {
        void *blocks[LIVE_BLOCKS];
        for (int i = 0; i < LIVE_BLOCKS; i++) {
            blocks[i] = malloc(2000 + (size_t)rand_r(&seed) % 5000);
        }
        for (int i = 0; i < LIVE_BLOCKS; i++) {
            free(blocks[i]);
        }
    }
    return NULL;
}

static void child(void) {
    alarm(TEST_CHILD_SECONDS);
    void *small = malloc(100);
    void *large = malloc(5000);
    free(small);
    free(large);
    _exit(small == NULL || large == NULL);
}

static void *fork_often(void *unused) {
    unsigned long forks = test_knob("ARENITE_TEST_FORKS", 1000);
    for (unsigned long i = 0; i < forks; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            child();
        }
        int status = -1;
        TEST_CHECK(waitpid(pid, &status, 0) == pid);
        TEST_CHECK(status == 0);
    }
    return unused;
}

int main(void) {
    pthread_t allocators[ALLOCATORS];
    pthread_t forker;
    for (uintptr_t i = 0; i < ALLOCATORS; i++) {
        TEST_CHECK(pthread_create(&allocators[i], NULL, allocate_until_stop, (void *)i) == 0);
    }
    TEST_CHECK(pthread_create(&forker, NULL, fork_often, NULL) == 0);
    TEST_CHECK(pthread_join(forker, NULL) == 0);
    stop = true;
    for (int i = 0; i < ALLOCATORS; i++) {
        TEST_CHECK(pthread_join(allocators[i], NULL) == 0);
    }
    return 0;
}
