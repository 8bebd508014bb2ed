/* fork_places.c - forks where they hurt: in a handler that interrupted malloc, beside a held
 * stream, in handlers around fork, in a child of a child, by vfork.
 * Layer: tests (includes libc only). */
#include "outside.h"
#include "support.h"
#include "traffic.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_US 500

static struct traffic main_traffic;
static volatile sig_atomic_t handled;

static void expect_child(pid_t id) {
    int status = -1;
    TEST_CHECK(id > 0);
    while (waitpid(id, &status, 0) != id) {
        TEST_CHECK(errno == EINTR);
    }
    if (status != 0) {
        fprintf(stderr, "the child ended with status %#x\n", (unsigned)status);
    }
    TEST_CHECK(status == 0);
}

/* What a child does with the memory it inherited and with new memory; ends the child. */
static void be_child(void) {
    struct traffic own;
    alarm(TEST_CHILD_SECONDS);
    traffic_check(&main_traffic);
    traffic_init(&own, 100, main_traffic.random);
    traffic_run(&own, 500);
    traffic_destroy(&own);
    _exit(0);
}

static void fork_once(void) {
    pid_t id = fork();
    if (id == 0) {
        be_child();
    }
    expect_child(id);
}

/* ---- in a handler -------------------------------------------------------------------------- */

/* One signal, soon; a periodic one would leave no time between two handlers that fork. */
static void set_tick(void) {
    const struct itimerval timer = {{0, 0}, {0, TICK_US}};
    TEST_CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

static void catch_ticks(void (*handle)(int)) {
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    TEST_CHECK(sigaction(SIGALRM, &action, NULL) == 0);
}

/* The table may be in the middle of a step: the child looks at blocks of its own only. */
static void fork_in_handler(int number) {
    (void)number;
    int saved_errno = errno;
    pid_t id = fork();
    if (id == 0) {
        struct traffic own;
        signal(SIGALRM, SIG_DFL);
        alarm(TEST_CHILD_SECONDS);
        traffic_init(&own, 50, (uint64_t)handled);
        own.some_bytes = traffic_slow_bytes;
        traffic_run(&own, 100);
        _exit(0);
    }
    expect_child(id);
    handled = handled + 1;
    set_tick();
    errno = saved_errno;
}

static void test_in_handler(sig_atomic_t count) {
    struct traffic slow;
    traffic_init(&slow, 100, main_traffic.random);
    slow.some_bytes = traffic_slow_bytes;
    handled = 0;
    catch_ticks(fork_in_handler);
    set_tick();
    while (handled < count) {
        traffic_run(&slow, 20);
    }
    signal(SIGALRM, SIG_IGN);
    traffic_destroy(&slow);
}

/* ---- beside a held stream, and in handlers around fork ------------------------------------- */

static pthread_barrier_t stream_is_held;

static void *hold_stream(void *stream) {
    flockfile(stream);
    pthread_barrier_wait(&stream_is_held);
    for (size_t i = 0; i < 2000; i++) {
        free(malloc(i * 50));
    }
    usleep(20000);
    funlockfile(stream);
    return NULL;
}

/* fork waits for libc's own lock of the list of streams; it must not wait for ours as well. */
static void test_beside_stream(void) {
    pthread_t thread;
    TEST_CHECK(pthread_barrier_init(&stream_is_held, NULL, 2) == 0);
    TEST_CHECK(pthread_create(&thread, NULL, hold_stream, stdout) == 0);
    pthread_barrier_wait(&stream_is_held);
    for (size_t i = 0; i < 5; i++) {
        fork_once();
    }
    TEST_CHECK(pthread_join(thread, NULL) == 0);
}

static void allocate_around_fork(void) {
    static void *kept;
    free(kept);
    kept = calloc(1, 70000);
    void *small = malloc(50);
    TEST_CHECK(kept != NULL && small != NULL);
    free(small);
}

/* ---- children of children, vfork ----------------------------------------------------------- */

static void test_nested(unsigned depth) {
    pid_t id = fork();
    if (id == 0) {
        alarm(TEST_CHILD_SECONDS);
        traffic_check(&main_traffic);
        traffic_run(&main_traffic, 200);
        if (depth > 1) {
            test_nested(depth - 1);
        }
        _exit(0);
    }
    expect_child(id);
}

static void vfork_once(void) {
    pid_t id = vfork();
    if (id == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(1);
    }
    expect_child(id);
}

int main(void) {
    unsigned long count = test_knob("ARENITE_TEST_FORKS", 40);
    traffic_init(&main_traffic, 300, test_knob("ARENITE_TEST_SEED", (unsigned long)getpid()));
    printf("ARENITE_TEST_SEED=%lu\n", (unsigned long)main_traffic.random);
    traffic_run(&main_traffic, 2000);
    test_in_handler((sig_atomic_t)count);
    test_beside_stream();
    TEST_CHECK(pthread_atfork(allocate_around_fork, allocate_around_fork, allocate_around_fork) ==
               0);
    for (size_t i = 0; i < count; i++) {
        fork_once();
    }
    test_nested(5);
    for (size_t i = 0; i < count / 4; i++) {
        vfork_once();
        traffic_run(&main_traffic, 50);
    }
    traffic_destroy(&main_traffic);
    return 0;
}
