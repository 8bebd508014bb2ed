/* large_blocks.c - one large block a request, over and over: no faults from the second request on
 * where few pages are touched, from the third where all are; what is cached is not shown as live,
 * goes back by malloc_trim and with its thread, and is never handed out twice.
 * Layer: tests (includes libc only). */
#include "support.h"
#include "test_random.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define PAGE ((size_t)4096)
#define REQUESTS 12
#define TOUCHED 6
#define BLOCKS 12
#define STEPS 4000

static long faults(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

static void request(size_t bytes, bool dense) {
    size_t step = dense ? PAGE : bytes / TOUCHED;
    char *block = malloc(bytes);
    TEST_CHECK(block != NULL && malloc_usable_size(block) >= bytes);
    for (size_t at = 0; at < bytes; at += step) {
        block[at] = 1;
    }
    TEST_CHECK(mallinfo2().hblks == 1 && mallinfo2().hblkhd >= bytes);
    free(block);
    TEST_CHECK(mallinfo2().hblks == 0 && mallinfo2().hblkhd == 0);
}

/* mallinfo2 itself has touched what it touches after the first request. */
static void serve(size_t bytes, bool dense) {
    for (int i = 0; i < REQUESTS; i++) {
        long before = faults();
        request(bytes, dense);
        long taken = faults() - before;
        if (taken != 0 && i >= (dense ? 2 : 1)) {
            fprintf(stderr, "%zu bytes, request %d: %ld faults\n", bytes, i, taken);
            exit(1);
        }
    }
}

static void in_child(void (*body)(size_t bytes, bool dense), size_t bytes, bool dense) {
    fflush(stdout);
    pid_t child = fork();
    TEST_CHECK(child >= 0);
    if (child == 0) {
        body(bytes, dense);
        _exit(0);
    }
    int status = 0;
    TEST_CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* ---- contents ------------------------------------------------------------------------------- */

static void test_calloc(void) {
    for (int i = 0; i < 4; i++) {
        char *block = malloc(3 * MIB);
        memset(block, 0x5a, 3 * MIB);
        free(block);
        char *zeroed = calloc(3, MIB);
        for (size_t at = 0; at < 3 * MIB; at++) {
            TEST_CHECK(zeroed[at] == 0);
        }
        free(zeroed);
    }
}

struct traffic {
    pthread_mutex_t lock;
    void *blocks[BLOCKS]; /* passed from thread to thread */
    size_t bytes[BLOCKS];
};

static struct traffic traffic = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Blocks change hands; every one still holds what its maker wrote. */
static void *trade(void *argument) {
    struct random_source *chance = argument;
    for (int i = 0; i < STEPS; i++) {
        size_t place = random_below(chance, BLOCKS);
        size_t bytes = (1 + random_below(chance, 6)) * 200000;
        void *fresh = malloc(bytes);
        test_pattern_fill(fresh, 64, (uintptr_t)fresh);
        pthread_mutex_lock(&traffic.lock);
        void *old = traffic.blocks[place];
        traffic.blocks[place] = fresh;
        traffic.bytes[place] = bytes;
        pthread_mutex_unlock(&traffic.lock);
        if (old != NULL) {
            TEST_CHECK(test_pattern_holds(old, 64, (uintptr_t)old));
            if (random_below(chance, 4) == 0) {
                void *moved = realloc(old, 5 * MIB);
                TEST_CHECK(test_pattern_holds(moved, 64, (uintptr_t)old));
                old = moved;
            }
            free(old);
        }
    }
    return NULL;
}

static void test_traffic(struct random_source *chance) {
    pthread_t threads[3];
    struct random_source sources[3];
    for (int i = 0; i < 3; i++) {
        sources[i].state = random_bits(chance);
        TEST_CHECK(pthread_create(&threads[i], NULL, trade, &sources[i]) == 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < BLOCKS; i++) {
        free(traffic.blocks[i]);
    }
}

/* ---- giving up ------------------------------------------------------------------------------ */

static bool is_mapped(void *block) {
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long start = 0, end = 0;
    bool found = false;
    while (!found && fscanf(maps, "%lx-%lx%*[^\n]", &start, &end) == 2) {
        found = (uintptr_t)block >= start && (uintptr_t)block < end;
    }
    fclose(maps);
    return found;
}

static void *leave_one(void *unused) {
    (void)unused;
    void *block = malloc(40 * MIB);
    free(block);
    return block;
}

static void test_giving_up(void) {
    void *block = leave_one(NULL);
    TEST_CHECK(is_mapped(block));
    TEST_CHECK(malloc_trim(0) == 1 && !is_mapped(block));
    pthread_t thread;
    TEST_CHECK(pthread_create(&thread, NULL, leave_one, NULL) == 0);
    pthread_join(thread, &block);
    TEST_CHECK(!is_mapped(block));
}

int main(void) {
    const char *options = getenv("ARENITE_OPTIONS");
    if (options != NULL && strstr(options, "profile=") != NULL) {
        test_skip("only the default profile caches large blocks");
    }
    struct random_source chance = random_start("large_blocks");
    static const size_t sizes[] = {300 * 1024, MIB, 2 * MIB, 8 * MIB, 33 * MIB, 64 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        in_child(serve, sizes[i], false);
        in_child(serve, sizes[i], true);
    }
    test_calloc();
    test_giving_up();
    test_traffic(&chance);
    return 0;
}
