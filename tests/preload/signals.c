/* signals.c - handlers that allocate while their thread is inside the allocator.
 * Layer: tests (includes libc only).
 *
 * Everybody uses sizes that the quick lists do not serve: then a handler interrupts slow paths,
 * which are made for it. The few instructions of a fast path are not yet. */
#include "support.h"

#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SLOW_BYTES 33000 /* more than slabs and quick lists serve */
#define THREADS 3
#define HANDLER_BLOCKS 16

static volatile sig_atomic_t stop;
static unsigned long calls[THREADS + 1]; /* of each thread's handler */
static __thread unsigned long *own_calls;
static __thread unsigned char *handler_blocks[HANDLER_BLOCKS];
static __thread size_t handler_bytes[HANDLER_BLOCKS];
static __thread unsigned handler_turn;

/* Only the start of each block is filled, so that most of the time is the allocator's. */
static size_t filled_bytes(size_t bytes) {
    return bytes < 64 ? bytes : 64;
}

static size_t slow_size(unsigned turn) {
    return SLOW_BYTES + turn * 7919u % (turn % 4 == 0 ? 400000 : 9000);
}

/* Keeps some blocks from call to call, with contents. */
static void handle(int number) {
    (void)number;
    unsigned turn = handler_turn++;
    unsigned slot = turn % HANDLER_BLOCKS;
    unsigned char *old = handler_blocks[slot];
    if (old != NULL && !test_pattern_holds(old, filled_bytes(handler_bytes[slot]), slot)) {
        abort();
    }
    if (turn % 3 == 0) {
        old = realloc(old, slow_size(turn));
    } else {
        free(old);
        old = turn % 3 == 1 ? malloc(slow_size(turn)) : calloc(1, slow_size(turn));
    }
    if (old == NULL) {
        abort();
    }
    handler_blocks[slot] = old;
    handler_bytes[slot] = slow_size(turn);
    test_pattern_fill(old, filled_bytes(slow_size(turn)), slot);
    __atomic_add_fetch(own_calls, 1, __ATOMIC_RELAXED);
}

/* Signals come only to those that count them. */
static void mask_signal(int how) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    pthread_sigmask(how, &signals, NULL);
}

static void *churn(void *counter) {
    own_calls = counter;
    mask_signal(SIG_UNBLOCK);
    unsigned state = (unsigned)(own_calls - calls);
    unsigned char *blocks[32] = {NULL};
    size_t sizes[32] = {0};
    while (!stop) {
        state = state * 1103515245u + 12345u;
        unsigned slot = state >> 10 & 31;
        TEST_CHECK(blocks[slot] == NULL ||
                   test_pattern_holds(blocks[slot], filled_bytes(sizes[slot]), slot));
        free(blocks[slot]);
        sizes[slot] = slow_size(state >> 8 & 0xffff);
        blocks[slot] = malloc(sizes[slot]);
        TEST_CHECK(blocks[slot] != NULL);
        test_pattern_fill(blocks[slot], filled_bytes(sizes[slot]), slot);
    }
    for (size_t i = 0; i < 32; i++) {
        free(blocks[i]);
    }
    return NULL;
}

static unsigned long fewest_calls(void) {
    unsigned long fewest = ULONG_MAX;
    for (size_t i = 0; i <= THREADS; i++) {
        unsigned long count = __atomic_load_n(&calls[i], __ATOMIC_RELAXED);
        fewest = count < fewest ? count : fewest;
    }
    return fewest;
}

/* Sends signals to all threads by turns, until each has handled so many: that may take its time. */
static void *storm(void *threads) {
    const pthread_t *all = threads;
    unsigned long wanted = test_knob("ARENITE_TEST_CALLS", 1000);
    for (size_t i = 0; fewest_calls() < wanted; i++) {
        pthread_kill(all[i % (THREADS + 1)], SIGUSR1);
        usleep(1);
    }
    stop = 1;
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS + 1], sender;
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    /* Fixed, or the dynamic threshold soon leaves no block to be mapped. */
    TEST_CHECK(mallopt(M_MMAP_THRESHOLD, 128 * 1024) == 1);
    TEST_CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    mask_signal(SIG_BLOCK);
    threads[THREADS] = pthread_self();
    for (size_t i = 0; i < THREADS; i++) {
        TEST_CHECK(pthread_create(&threads[i], NULL, churn, &calls[i]) == 0);
    }
    TEST_CHECK(pthread_create(&sender, NULL, storm, threads) == 0);
    churn(&calls[THREADS]);
    pthread_join(sender, NULL);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    return 0;
}
