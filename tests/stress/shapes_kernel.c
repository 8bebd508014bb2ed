/* shapes_kernel.c - stress by forks, signals and limits while memory is in use.
 * Layer: tests (includes libc only). */
#include "stress.h"

#include "outside.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS 3
#define LIMIT_BYTES ((size_t)160 << 20)
#define EXHAUST_MAX 20000
#define HANDLER_SLOTS 8

/* Runs in a child what must not damage this process, and expects it to end well. */
static void in_child(void (*action)(void *argument), void *argument) {
    int status = -1;
    fflush(NULL);
    pid_t id = fork();
    TEST_CHECK(id >= 0);
    if (id == 0) {
        alarm(TEST_CHILD_SECONDS);
        action(argument);
        _exit(0);
    }
    TEST_CHECK(waitpid(id, &status, 0) == id);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fprintf(stderr, "the child ended with status %#x\n", (unsigned)status);
    }
    TEST_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- forks ----------------------------------------------------------------------------------- */

static void continue_traffic(void *argument) {
    struct traffic *inherited = argument;
    traffic_check(inherited);
    traffic_run(inherited, 500);
    struct worker worker;
    workers_start(&worker, 1, inherited->random);
    traffic_run(inherited, 200);
    workers_stop(&worker, 1);
    traffic_empty(inherited);
}

/* Each child goes on with its parent's blocks; every third forks once more. */
static void fork_on(void *argument) {
    in_child(continue_traffic, argument);
    continue_traffic(argument);
}

void stress_forks(const struct stress *stress) {
    struct worker workers[WORKERS];
    struct traffic own;
    traffic_init(&own, 400, stress->seed);
    workers_start(workers, WORKERS, stress->seed + 1);
    for (size_t i = 0; i < 8 * stress->scale; i++) {
        traffic_run(&own, 200);
        in_child(i % 3 == 0 ? fork_on : continue_traffic, &own);
    }
    traffic_destroy(&own);
    workers_stop(workers, WORKERS);
}

/* ---- signals --------------------------------------------------------------------------------- */

static struct held of_handler[HANDLER_SLOTS];
static unsigned handled;

/* Of sizes that no fast path serves: a handler may allocate while it interrupts a slow one. */
static void handle(int number) {
    int saved_errno = errno;
    unsigned turn = handled++;
    struct held *held = &of_handler[turn % HANDLER_SLOTS];
    uint64_t random = turn + (uint64_t)number;
    if (held->memory != NULL && !held_is_intact(held)) {
        abort();
    }
    free(held->memory);
    held->bytes = traffic_slow_bytes(&random);
    held->tag = turn;
    held->memory = turn % 2 == 0 ? malloc(held->bytes) : calloc(1, held->bytes);
    if (held->memory == NULL) {
        abort();
    }
    held_fill(held);
    errno = saved_errno;
}

/* Sends signals to the first thread while there is one to send to. */
static void *storm(void *target) {
    pthread_t thread;
    while ((thread = __atomic_load_n((pthread_t *)target, __ATOMIC_ACQUIRE)) != 0) {
        pthread_kill(thread, SIGUSR1);
        usleep(100);
    }
    return NULL;
}

void stress_signals(const struct stress *stress) {
    struct traffic traffic;
    pthread_t sender;
    pthread_t target = pthread_self();
    const struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    TEST_CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    TEST_CHECK(pthread_create(&sender, NULL, storm, &target) == 0);
    traffic_init(&traffic, 200, stress->seed);
    traffic.some_bytes = traffic_slow_bytes;
    while (__atomic_load_n(&handled, __ATOMIC_RELAXED) < 800 * stress->scale) {
        traffic_run(&traffic, 100);
    }
    pthread_t keep = target;
    __atomic_store_n(&target, 0, __ATOMIC_RELEASE);
    TEST_CHECK(keep != 0 && pthread_join(sender, NULL) == 0);
    traffic_destroy(&traffic);
    for (size_t i = 0; i < HANDLER_SLOTS; i++) {
        TEST_CHECK(of_handler[i].memory == NULL || held_is_intact(&of_handler[i]));
        free(of_handler[i].memory);
    }
}

/* ---- a limit --------------------------------------------------------------------------------- */

static void exhaust(struct traffic *traffic, size_t bytes) {
    static struct held held[EXHAUST_MAX];
    size_t count = 0;
    errno = 0;
    while (count < EXHAUST_MAX && (held[count].memory = malloc(bytes)) != NULL) {
        held[count].bytes = bytes;
        held[count].tag = count;
        held_fill(&held[count++]);
    }
    TEST_CHECK(count == EXHAUST_MAX || errno == ENOMEM);
    traffic_check(traffic);
    traffic_run(traffic, 300);
    for (size_t i = 0; i < count; i++) {
        TEST_CHECK(held_is_intact(&held[i]));
        free(held[i].memory);
    }
}

static void live_within_limit(void *argument) {
    const struct stress *stress = argument;
    const struct rlimit limit = {LIMIT_BYTES, LIMIT_BYTES};
    struct traffic traffic;
    TEST_CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    traffic_init(&traffic, 300, stress->seed);
    traffic_run(&traffic, 2000);
    for (size_t i = 0; i < stress->scale; i++) {
        exhaust(&traffic, 10000);
        exhaust(&traffic, 300000);
        exhaust(&traffic, 60000);
    }
    TEST_CHECK(traffic.refused > 0);
    traffic_empty(&traffic);
    void *half = malloc(LIMIT_BYTES / 4);
    TEST_CHECK(half != NULL);
    free(half);
}

void stress_memory_limit(const struct stress *stress) {
    struct stress copy = *stress;
    in_child(live_within_limit, &copy);
}
