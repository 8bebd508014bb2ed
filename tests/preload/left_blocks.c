/* left_blocks.c - threads that come one after the other, each with a large buffer: the first ones
 * leave nothing behind, the later ones find the pages of those before; malloc_trim gives them back,
 * and a forked child does without them.
 * Layer: tests (includes libc only). */
#include "outside.h"
#include "support.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define BUFFER_BYTES (800 * KIB)
#define BUFFER_PAGES (BUFFER_BYTES / 4096)
#define GENERATIONS 8
#define LEARNT 4 /* generations later all pages are found */

static long faults_of_thread(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_minflt;
}

static void use_buffer(void) {
    char *buffer = malloc(BUFFER_BYTES);
    TEST_CHECK(buffer != NULL);
    memset(buffer, 1, BUFFER_BYTES);
    free(buffer);
}

/* Uses a buffer as often as makes its pages stay while the thread lives. Returns the faults that it
 * took at first. */
static void *work(void *unused) {
    (void)unused;
    free(malloc(1)); /* what every thread needs */
    long before = faults_of_thread();
    use_buffer();
    long faults = faults_of_thread() - before;
    for (int i = 0; i < 3; i++) {
        use_buffer();
    }
    return (void *)faults;
}

static size_t generation(void) {
    pthread_t thread;
    void *faults = NULL;
    TEST_CHECK(pthread_create(&thread, NULL, work, NULL) == 0);
    TEST_CHECK(pthread_join(thread, &faults) == 0);
    return (size_t)faults;
}

static void test_first_leaves_nothing(void) {
    size_t before = test_resident_bytes();
    TEST_CHECK(generation() >= BUFFER_PAGES);
    size_t now = test_resident_bytes();
    printf("the first: %zu KiB left\n", now > before ? (now - before) / KIB : 0);
    TEST_CHECK(now < before + BUFFER_BYTES / 2);
}

static void test_later_ones_find_pages(void) {
    for (size_t i = 1; i < GENERATIONS; i++) {
        size_t faults = generation();
        printf("thread %zu: %zu faults\n", i, faults);
        TEST_CHECK(i < LEARNT || faults < BUFFER_PAGES / 10);
    }
}

static void test_trim(void) {
    size_t before = test_resident_bytes();
    malloc_trim(0);
    size_t now = test_resident_bytes();
    printf("malloc_trim: %zu KiB\n", (before - now) / KIB);
    TEST_CHECK(before - now >= BUFFER_BYTES / 10 * 9);
    TEST_CHECK(generation() >= BUFFER_PAGES / 10 * 9);
}

static void test_child(void) {
    pid_t child = fork();
    if (child == 0) {
        for (size_t i = 0; i < GENERATIONS; i++) {
            generation();
        }
        malloc_trim(0);
        _exit(0);
    }
    int status = 0;
    TEST_CHECK(waitpid(child, &status, 0) == child && status == 0);
    generation(); /* pages that were the child's, too, fault once */
    TEST_CHECK(generation() < BUFFER_PAGES / 10);
}

int main(void) {
    const char *options = getenv("ARENITE_OPTIONS");
    if (options != NULL && strstr(options, "profile=") != NULL) {
        test_skip("only the default profile caches large blocks");
    }
    test_first_leaves_nothing();
    test_later_ones_find_pages();
    test_trim();
    generation();
    test_child();
    return 0;
}
