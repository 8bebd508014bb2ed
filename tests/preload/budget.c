/* budget.c - limit= and soft_limit=: requests beyond fail with ENOMEM, after all that is free was
 * given back, for every size and every function; the callback; threads.
 * Layer: tests (includes libc only).
 *
 * Each case is a process of its own. Nothing but the calls under test allocates. */
#include "outside.h"
#include "support.h"

#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define LIMIT (48 * MIB)
#define STEP (2 * MIB) /* growth in steps, records, and what libc has */
#define BLOCKS_MAX 600000
#define THREADS 4

typedef void (*limit_callback)(size_t bytes, size_t committed_bytes, void *argument);

static void *blocks[BLOCKS_MAX];

/* Blocks until there are no more; how many. */
static size_t fill(size_t bytes) {
    size_t count = 0;
    errno = 0;
    while (count < BLOCKS_MAX && (blocks[count] = malloc(bytes)) != NULL) {
        memset(blocks[count], 1, bytes);
        count++;
    }
    TEST_CHECK(count < BLOCKS_MAX && errno == ENOMEM);
    return count;
}

static void empty(size_t count) {
    for (size_t i = 0; i < count; i++) {
        free(blocks[i]);
    }
}

/* ---- cases ----------------------------------------------------------------------------------- */

/* As much as the limit allows, and again after all was freed, in blocks of another size. */
static void case_sizes(void) {
    memset(blocks, 1, sizeof blocks); /* resident from here on */
    static const size_t sizes[] = {100, 1000, 5000, 100000, 1000000, 300, 20000};
    size_t resident = test_resident_bytes();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t count = fill(sizes[i]);
        size_t most = test_resident_bytes() - resident;
        TEST_CHECK(count * sizes[i] >= LIMIT - LIMIT / 7 && count * sizes[i] <= LIMIT + STEP);
        TEST_CHECK(most <= LIMIT + STEP);
        empty(count);
    }
}

static void case_functions(void) {
    void *small = malloc(100);
    unsigned char *held = malloc(30 * MIB);
    memset(held, 7, 30 * MIB);
    errno = 0;
    TEST_CHECK(malloc(30 * MIB) == NULL && errno == ENOMEM);
    TEST_CHECK(calloc(30, MIB) == NULL);
    TEST_CHECK(memalign(4096, 30 * MIB) == NULL);
    TEST_CHECK(realloc(small, 30 * MIB) == NULL);
    void *aligned = &small;
    TEST_CHECK(posix_memalign(&aligned, 64, 30 * MIB) == ENOMEM && aligned == &small);
    errno = 0;
    TEST_CHECK(realloc(held, 60 * MIB) == NULL && errno == ENOMEM);
    TEST_CHECK(held[0] == 7 && held[30 * MIB - 1] == 7);
    held = realloc(held, MIB);
    TEST_CHECK(held != NULL && held[MIB - 1] == 7);
    void *other = malloc(30 * MIB);
    TEST_CHECK(other != NULL);
    free(other);
    free(held);
    free(small);
}

/* Set below what is there: nothing more, but what is there can shrink and be freed. */
static void case_lowered(void) {
    void *held = malloc(20 * MIB);
    void *filled = malloc(300000);
    test_set_option("limit", "8M");
    TEST_CHECK(malloc(300000) == NULL);
    held = realloc(held, MIB);
    TEST_CHECK(held != NULL && malloc(300000) != NULL);
    test_set_option("limit", "0");
    TEST_CHECK(malloc(100 * MIB) != NULL);
    free(filled);
}

/* libc's header says that malloc calls nothing of this file. */
static volatile size_t told_bytes, told_committed, told_count;

struct reserve {
    void *volatile block;
};

static void free_reserve(size_t bytes, size_t committed_bytes, void *argument) {
    struct reserve *reserve = argument;
    told_bytes = bytes;
    told_committed = committed_bytes;
    told_count++;
    free(reserve->block);
    reserve->block = NULL;
    free(malloc(100)); /* may allocate */
}

static void case_callback(void) {
    void (*set)(limit_callback callback, void *argument) = NULL;
    void *found = dlsym(RTLD_DEFAULT, "arenite_set_limit_callback");
    TEST_CHECK(found != NULL);
    memcpy(&set, &found, sizeof found);
    static struct reserve reserve;
    reserve.block = malloc(20 * MIB);
    void *held = malloc(20 * MIB);
    set(free_reserve, &reserve);
    void *more = malloc(20 * MIB);
    TEST_CHECK(more != NULL && reserve.block == NULL && told_count == 1 && told_bytes == 20 * MIB);
    TEST_CHECK(told_committed >= 40 * MIB && told_committed <= LIMIT);
    TEST_CHECK(malloc(20 * MIB) == NULL && told_count == 2);
    set(NULL, NULL);
    TEST_CHECK(malloc(20 * MIB) == NULL && told_count == 2);
    free(held);
    free(more);
}

/* All free memory is kept, but for what the soft limit says. */
static void case_soft(void) {
    test_set_option("limit", "0");
    test_set_option("retain", "-1");
    test_set_option("mmap_max", "0");
    test_set_option("soft_limit", "24M");
    memset(blocks, 1, sizeof blocks); /* resident from here on */
    size_t resident = test_resident_bytes();
    static const size_t sizes[] = {500, 5000, 50000, 800, 9000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t count = 16 * MIB / sizes[i];
        for (size_t at = 0; at < count; at++) {
            blocks[at] = malloc(sizes[i]);
            memset(blocks[at], 1, sizes[i]);
        }
        empty(count);
    }
    TEST_CHECK(test_resident_bytes() - resident <= 24 * MIB + STEP);
}

static size_t thread_counts[THREADS];

static void *fill_in_thread(void *number) {
    size_t *count = number;
    void *newest = NULL;
    void **block;
    while ((block = malloc(3000)) != NULL) {
        memset(block, 1, 3000);
        *block = newest;
        newest = block;
        (*count)++;
    }
    while (newest != NULL) {
        void *next = *(void **)newest;
        free(newest);
        newest = next;
    }
    return NULL;
}

/* Each thread's arena and lists count. */
static void case_threads(void) {
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        TEST_CHECK(pthread_create(&threads[i], NULL, fill_in_thread, &thread_counts[i]) == 0);
    }
    size_t count = 0;
    for (size_t i = 0; i < THREADS; i++) {
        TEST_CHECK(pthread_join(threads[i], NULL) == 0);
        count += thread_counts[i];
    }
    TEST_CHECK(count * 3000 >= LIMIT / 2);
    void *block = malloc(30 * MIB);
    TEST_CHECK(block != NULL);
    free(block);
}

static void (*const cases[])(void) = {
    case_sizes, case_functions, case_lowered, case_callback, case_soft, case_threads,
};

int main(void) {
    if (getenv("ARENITE_OPTIONS") != NULL) {
        test_skip("under ptmalloc's rules pages inside free chunks stay counted");
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            test_set_option("limit", "48M");
            cases[i]();
            _exit(0);
        }
        TEST_CHECK(child > 0 && waitpid(child, &status, 0) == child);
        TEST_CHECK(status == 0);
    }
    return 0;
}
