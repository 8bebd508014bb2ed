/* bystander.c - what the library leaves alone in a process that did not ask for more: signal
 * handlers, threads, descriptors; and how few mappings it takes.
 * Layer: tests (includes libc only). */
#include "support.h"
#include "traffic.h"

#include <dirent.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define MIB (1024 * KIB)
#define FIRST_OF_LIBC 32 /* signals that libc keeps for itself */
#define THREADS 8
#define SMALL_TOTAL_BYTES (128 * MIB)
/* For each: records, a heap of slabs, one of chunks, the thread's stack. */
#define MAPPINGS_A_THREAD 12

/* Whoever started us may have signals ignored. */
static void test_signals(void) {
    for (int number = 1; number < FIRST_OF_LIBC; number++) {
        struct sigaction action;
        TEST_CHECK(sigaction(number, NULL, &action) == 0 &&
                   (action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN));
    }
}

/* Entries of a folder that are numbers. */
static size_t count_numbers(const char *path) {
    DIR *folder = opendir(path);
    size_t count = 0;
    const struct dirent *entry;
    TEST_CHECK(folder != NULL);
    while ((entry = readdir(folder)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    TEST_CHECK(closedir(folder) == 0);
    return count;
}

/* Of descriptors there may be others that whoever started us left open: none may come to them. */
static void test_threads_and_descriptors(size_t descriptors) {
    TEST_CHECK(count_numbers("/proc/self/task") == 1);
    TEST_CHECK(count_numbers("/proc/self/fd") == descriptors);
}

static size_t count_mappings(void) {
    FILE *file = fopen("/proc/self/maps", "r");
    size_t lines = 0;
    int byte;
    TEST_CHECK(file != NULL);
    while ((byte = getc(file)) != EOF) {
        lines += byte == '\n';
    }
    fclose(file);
    return lines;
}

/* ---- mappings -------------------------------------------------------------------------------- */

static pthread_barrier_t all_here;

static void *hold_some(void *unused) {
    struct traffic own;
    traffic_init(&own, 100, 1);
    traffic_run(&own, 3000);
    pthread_barrier_wait(&all_here);
    pthread_barrier_wait(&all_here);
    traffic_destroy(&own);
    return unused;
}

static void test_mappings_of_threads(void) {
    pthread_t threads[THREADS];
    TEST_CHECK(pthread_barrier_init(&all_here, NULL, THREADS + 1) == 0);
    size_t before = count_mappings();
    for (size_t i = 0; i < THREADS; i++) {
        TEST_CHECK(pthread_create(&threads[i], NULL, hold_some, NULL) == 0);
    }
    pthread_barrier_wait(&all_here);
    size_t now = count_mappings();
    printf("%d threads: %zu mappings more\n", THREADS, now - before);
    pthread_barrier_wait(&all_here);
    for (size_t i = 0; i < THREADS; i++) {
        TEST_CHECK(pthread_join(threads[i], NULL) == 0);
    }
    TEST_CHECK(now <= before + MAPPINGS_A_THREAD * THREADS);
}

/* However much is taken in blocks of a size: two mappings for each 64 MiB, and some. */
static void test_mappings_of_growth(size_t bytes) {
    size_t before = count_mappings();
    void **last = NULL;
    for (size_t total = 0; total < SMALL_TOTAL_BYTES; total += bytes) {
        void **block = malloc(bytes);
        TEST_CHECK(block != NULL);
        *block = last;
        last = block;
    }
    size_t most = count_mappings();
    printf("%zu MiB in blocks of %zu: %zu mappings more\n", SMALL_TOTAL_BYTES / MIB, bytes,
           most - before);
    while (last != NULL) {
        void **next = *last;
        free(last);
        last = next;
    }
    TEST_CHECK(most <= before + 24);
}

int main(void) {
    static const size_t sizes[] = {100, 5000, 100000};
    size_t descriptors = count_numbers("/proc/self/fd");
    struct traffic traffic;
    traffic_init(&traffic, 300, 1);
    traffic_run(&traffic, 5000);
    malloc_trim(0);
    traffic_destroy(&traffic);
    test_signals();
    test_threads_and_descriptors(descriptors);
    test_mappings_of_threads();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        test_mappings_of_growth(sizes[i]);
    }
    return 0;
}
