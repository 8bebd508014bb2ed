/* mallopt_effects.c - every parameter of mallopt does what it is said to do under the profile, seen
 * from outside: by figures, by addresses, by what other threads get.
 * Layer: tests (includes libc only).
 *
 * Each case is a process of its own, so that parameters and heaps are untouched. */
#include "support.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define MIB (KIB * KIB)
#define BLOCKS 600
#define THREADS 6

static void *blocks[BLOCKS];

static void fill(size_t bytes) {
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(bytes);
        memset(blocks[i], 1, bytes);
    }
}

static void put(size_t step) {
    for (size_t i = 0; i < BLOCKS; i += step) {
        free(blocks[i]);
        blocks[i] = NULL;
    }
}

static bool is_default(void) {
    const char *options = getenv("ARENITE_OPTIONS");
    return options == NULL || strstr(options, "profile=") == NULL ||
           strstr(options, "profile=default") != NULL;
}

/* What the library says is in force. */
static void expect_option(const char *name, const char *value) {
    size_t (*get)(const char *name, char *buffer, size_t size) = NULL;
    char text[64] = "";
    void *found = dlsym(RTLD_DEFAULT, "arenite_option_get");
    memcpy(&get, &found, sizeof found);
    TEST_CHECK(get != NULL && get(name, text, sizeof text) == strlen(value));
    TEST_CHECK(strcmp(text, value) == 0);
}

/* ---- mappings -------------------------------------------------------------------------------- */

static void case_mmap_max(void) {
    TEST_CHECK(mallopt(M_MMAP_MAX, 0) == 1);
    blocks[0] = malloc(20 * MIB);
    blocks[1] = malloc(300 * KIB);
    struct mallinfo2 info = mallinfo2();
    TEST_CHECK(info.hblks == 0 && info.hblkhd == 0 && info.arena >= 20 * MIB + 300 * KIB);
    TEST_CHECK(mallopt(M_MMAP_MAX, 2) == 1);
    for (size_t i = 2; i < 6; i++) {
        blocks[i] = malloc(40 * MIB);
    }
    TEST_CHECK(mallinfo2().hblks == 2);
    expect_option("mmap_max", "2");
}

static void case_mmap_threshold(void) {
    TEST_CHECK(mallopt(M_MMAP_THRESHOLD, 50000) == 1);
    void *below = malloc(40000);
    TEST_CHECK(below != NULL && mallinfo2().hblks == 0);
    blocks[0] = malloc(200 * KIB);
    struct mallinfo2 info = mallinfo2();
    TEST_CHECK(info.hblks == 1 && info.hblkhd >= 200 * KIB && info.hblkhd <= 204 * KIB + 4096);
    free(blocks[0]);
    TEST_CHECK(mallinfo2().hblks == 0 && mallinfo2().hblkhd == 0);
    expect_option("mmap_threshold", "50000"); /* set by hand it does not adapt */
    TEST_CHECK(mallopt(M_MMAP_THRESHOLD, 1 << 30) == 1);
    TEST_CHECK(malloc(30 * MIB) != NULL && mallinfo2().hblks == 0);
    free(below);
}

static void case_dynamic_threshold(void) {
    blocks[0] = malloc(MIB);
    TEST_CHECK(mallinfo2().hblks == 1);
    free(blocks[0]);
    expect_option("mmap_threshold", "1052672");
    expect_option("trim_threshold", "2105344");
}

/* ---- the ends of heaps ----------------------------------------------------------------------- */

static void case_top_pad(void) {
    size_t before = mallinfo2().arena;
    TEST_CHECK(mallopt(M_TOP_PAD, 8 << 20) == 1);
    blocks[0] = malloc(40000);
    TEST_CHECK(mallinfo2().arena >= before + 8 * MIB);
    expect_option("top_pad", "8388608");
}

/* Beyond the threshold the end goes back at once, below it stays. */
static void case_trim_threshold(void) {
    TEST_CHECK(mallopt(M_TRIM_THRESHOLD, 256 << 10) == 1);
    fill(50000);
    size_t full = mallinfo2().arena;
    put(1);
    struct mallinfo2 freed = mallinfo2();
    TEST_CHECK(full >= BLOCKS * (size_t)50000 && freed.arena <= 2 * MIB);
    expect_option("trim_threshold", "262144");
}

static void case_never_trim(void) {
    static void *small[100000];
    TEST_CHECK(mallopt(M_TRIM_THRESHOLD, -1) == 1);
    fill(50000);
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) {
        small[i] = malloc(300);
    }
    size_t full = mallinfo2().arena;
    TEST_CHECK(full >= 57 * MIB);
    put(2);
    put(1);
    for (size_t i = 0; i < sizeof small / sizeof small[0]; i++) {
        free(small[i]);
    }
    TEST_CHECK(mallinfo2().arena == full);
    expect_option("trim_threshold", "-1");
    TEST_CHECK(malloc_trim(0) == 1);
    const char *options = getenv("ARENITE_OPTIONS");
    bool is_glibc = options != NULL && strstr(options, "profile=glibc") != NULL;
    /* There the thread cache holds some blocks in the middle. */
    TEST_CHECK(is_glibc || mallinfo2().arena <= 2 * MIB);
}

/* ---- arenas ---------------------------------------------------------------------------------- */

static pthread_barrier_t barrier;

static void *hold(void *unused) {
    void *block = malloc(20000);
    pthread_barrier_wait(&barrier); /* all threads have an arena */
    pthread_barrier_wait(&barrier); /* they were counted */
    free(block);
    return unused;
}

static size_t count_arenas(void) {
    static char text[1 << 20];
    FILE *stream = fmemopen(text, sizeof text, "w");
    TEST_CHECK(stream != NULL && malloc_info(0, stream) == 0 && fclose(stream) == 0);
    size_t count = 0;
    for (const char *at = text; (at = strstr(at, "<heap nr=")) != NULL; at++) {
        count++;
    }
    return count;
}

static size_t arenas_of_threads(void) {
    pthread_t threads[THREADS];
    free(malloc(20000));
    TEST_CHECK(pthread_barrier_init(&barrier, NULL, THREADS + 1) == 0);
    for (size_t i = 0; i < THREADS; i++) {
        TEST_CHECK(pthread_create(&threads[i], NULL, hold, NULL) == 0);
    }
    pthread_barrier_wait(&barrier);
    size_t count = count_arenas();
    pthread_barrier_wait(&barrier);
    for (size_t i = 0; i < THREADS; i++) {
        TEST_CHECK(pthread_join(threads[i], NULL) == 0);
    }
    return count;
}

static void case_arena_max(void) {
    TEST_CHECK(mallopt(M_ARENA_MAX, 2) == 1);
    TEST_CHECK(arenas_of_threads() == 2);
    expect_option("arena_max", "2");
}

static void case_one_arena(void) {
    TEST_CHECK(mallopt(M_ARENA_MAX, 1) == 1);
    TEST_CHECK(arenas_of_threads() == 1);
}

static void case_arena_each(void) {
    TEST_CHECK(arenas_of_threads() == 1 + THREADS);
}

static void case_arena_test(void) {
    TEST_CHECK(mallopt(M_ARENA_TEST, 3) == 1);
    expect_option("arena_test", "3");
    TEST_CHECK(mallopt(M_ARENA_TEST, 0) == 1);
    expect_option("arena_test", "3"); /* as glibc: only positive numbers */
}

/* ---- what is stored -------------------------------------------------------------------------- */

/* Slabs have no fast bins; the engine behind them has. */
static void case_mxfast(void) {
    TEST_CHECK(mallopt(M_MXFAST, 161) == 0 && mallopt(M_MXFAST, -1) == 0);
    expect_option("mxfast", "128");
    TEST_CHECK(mallopt(M_MXFAST, 64) == 1);
    expect_option("mxfast", "64");
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(100);
    }
    size_t before = mallinfo2().smblks;
    put(2);
    size_t after = mallinfo2().smblks;
    TEST_CHECK(is_default() ? after == before + BLOCKS / 2 : after == 0);
}

/* glibc has dropped it; here it decides what becomes of a misused pointer. */
static void case_check_action(void) {
    expect_option("on_error", "abort");
    TEST_CHECK(mallopt(M_CHECK_ACTION, 1) == 1);
    expect_option("on_error", is_default() ? "report" : "abort");
    TEST_CHECK(mallopt(M_CHECK_ACTION, 0) == 1);
    expect_option("on_error", is_default() ? "ignore" : "abort");
    if (is_default()) {
        void *block = malloc(100);
        free(block);
        free(block); /* dropped */
    }
    TEST_CHECK(mallopt(M_CHECK_ACTION, 3) == 1);
    expect_option("on_error", "abort");
}

/* Accepted and without effect, as in glibc: numbers that it dropped, and numbers nobody knows. */
static void case_others(void) {
    static const int numbers[] = {M_CHECK_ACTION, M_NLBLKS, M_GRAIN, M_KEEP, 99, 0, -77};
    struct mallinfo2 before = mallinfo2();
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        TEST_CHECK(mallopt(numbers[i], 3) == 1);
    }
    struct mallinfo2 after = mallinfo2();
    TEST_CHECK(memcmp(&before, &after, sizeof after) == 0);
}

static void (*const cases[])(void) = {
    case_mmap_max,   case_mmap_threshold, case_dynamic_threshold,
    case_top_pad,    case_trim_threshold, case_never_trim,
    case_arena_max,  case_one_arena,      case_arena_each,
    case_arena_test, case_mxfast,         case_check_action,
    case_others,
};

int main(void) {
    int failed = 0;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            cases[i]();
            _exit(0);
        }
        TEST_CHECK(child > 0 && waitpid(child, &status, 0) == child);
        failed += status != 0;
    }
    TEST_CHECK(failed == 0);
    return 0;
}
