/* memory_back.c - memory that goes back: what stays resident after a peak, between survivors, and
 * how many faults a program takes that grows and shrinks again and again.
 *
 * Every case is a process of its own; faults come from getrusage. Knob: ARENITE_TEST_PEAK_MIB, the
 * peak of each case.
 * Layer: tests (includes libc only). */
#include "outside.h"
#include "support.h"
#include "test_random.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define PHASES 6

enum order { FIRST_FIRST, LAST_FIRST, ANY_ORDER };

struct scene {
    size_t block_bytes;
    enum order order;
};

static size_t peak_bytes;
static void **blocks;
static size_t block_count;
static struct random_source chance;

static long faults(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

static void grow(size_t bytes) {
    for (size_t i = 0; i < block_count; i++) {
        blocks[i] = malloc(bytes);
        TEST_CHECK(blocks[i] != NULL);
        memset(blocks[i], 1, bytes);
    }
}

static void shuffle(void) {
    for (size_t i = block_count - 1; i > 0; i--) {
        size_t other = random_below(&chance, i + 1);
        void *block = blocks[i];
        blocks[i] = blocks[other];
        blocks[other] = block;
    }
}

static void shrink(enum order order) {
    if (order == ANY_ORDER) {
        shuffle();
    }
    for (size_t i = 0; i < block_count; i++) {
        free(blocks[order == LAST_FIRST ? block_count - 1 - i : i]);
    }
}

/* Not from malloc, and resident before the first look. */
static void prepare(size_t bytes) {
    block_count = peak_bytes / bytes;
    size_t table = (block_count * sizeof *blocks + 4095) & ~(size_t)4095;
    blocks = mmap(NULL, table, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE,
                  -1, 0);
    TEST_CHECK(blocks != MAP_FAILED);
    free(malloc(1));
}

static void expect_left(const char *what, size_t before, size_t most) {
    size_t now = test_resident_bytes();
    size_t left = now > before ? now - before : 0;
    if (left > most) {
        fprintf(stderr, "%s: %zu KiB left, at most %zu allowed\n", what, left / 1024, most / 1024);
        exit(1);
    }
}

/* ---- cases ---------------------------------------------------------------------------------- */

static void *one_peak(void *argument) {
    const struct scene *scene = argument;
    prepare(scene->block_bytes);
    size_t before = test_resident_bytes();
    grow(scene->block_bytes);
    shrink(scene->order);
    size_t share = peak_bytes / 100 * 3;
    expect_left("after one peak", before, share > 2 * MIB ? share : 2 * MIB);
    return NULL;
}

/* A live block at the end, or the beginning, holds nothing but its page. */
static void *one_survivor(void *argument) {
    const struct scene *scene = argument;
    prepare(scene->block_bytes);
    size_t before = test_resident_bytes();
    grow(scene->block_bytes);
    void **first = blocks;
    blocks += scene->order == LAST_FIRST;
    block_count--;
    shrink(FIRST_FIRST);
    expect_left("beside one survivor", before, peak_bytes / 100 * 3 + MIB);
    free(first[scene->order == LAST_FIRST ? 0 : block_count]);
    return NULL;
}

static void expect_little_left(size_t before, size_t block_bytes, size_t more_percent) {
    size_t percent = (block_bytes < 4096 ? 33 : 13) + more_percent;
    expect_left("between survivors", before, peak_bytes / 100 * percent + 2 * MIB);
}

/* One block in sixteen stays, wherever, while the others are freed in any order: nearly as much
 * goes back as if they were freed one after the other. */
static void *scattered_survivors(void *argument) {
    const struct scene *scene = argument;
    prepare(scene->block_bytes);
    size_t before = test_resident_bytes(), all = block_count;
    grow(scene->block_bytes);
    shuffle();
    block_count -= block_count / 16;
    shrink(scene->order);
    expect_little_left(before, scene->block_bytes, 4);
    blocks += block_count;
    block_count = all - block_count;
    shrink(scene->order);
    return NULL;
}

/* One block in sixteen stays: whole pages between them go back, and nothing else. What is freed can
 * be had again. */
static void *many_survivors(void *argument) {
    const struct scene *scene = argument;
    prepare(scene->block_bytes);
    size_t before = test_resident_bytes();
    grow(scene->block_bytes);
    for (size_t i = 0; i < block_count; i++) {
        if (i % 16 != 0) {
            free(blocks[i]);
        }
    }
    expect_little_left(before, scene->block_bytes, 0);
    for (size_t i = 0; i < block_count; i++) {
        if (i % 16 != 0) {
            blocks[i] = malloc(scene->block_bytes);
            memset(blocks[i], 1, scene->block_bytes);
        }
    }
    for (size_t i = 0; i < block_count; i++) {
        const char *bytes = blocks[i];
        for (size_t at = 0; at < scene->block_bytes; at++) {
            TEST_CHECK(bytes[at] == 1);
        }
    }
    shrink(ANY_ORDER);
    return NULL;
}

static void *grow_in_thread(void *argument) {
    const struct scene *scene = argument;
    grow(scene->block_bytes);
    return NULL;
}

/* The blocks of a thread that has ended, freed by another: pages between survivors go back when
 * little is left in use, all by malloc_trim. */
static void *ended_thread(void *argument) {
    const struct scene *scene = argument;
    pthread_t thread;
    prepare(scene->block_bytes);
    size_t before = test_resident_bytes();
    TEST_CHECK(pthread_create(&thread, NULL, grow_in_thread, argument) == 0);
    TEST_CHECK(pthread_join(thread, NULL) == 0);
    for (size_t i = 0; i < block_count; i++) {
        if (i % 16 != 0) {
            free(blocks[i]);
        }
    }
    bool is_small = scene->block_bytes < 4096;
    expect_left("of an ended thread", before, peak_bytes / 100 * (is_small ? 45 : 20) + 2 * MIB);
    TEST_CHECK(malloc_trim(0) == 1);
    expect_left("of it, trimmed", before, peak_bytes / 100 * (is_small ? 33 : 13) + 2 * MIB);
    for (size_t i = 0; i < block_count; i += 16) {
        free(blocks[i]);
    }
    malloc_trim(0);
    expect_left("of it, all freed", before, MIB);
    return NULL;
}

static void *phases(void *argument) {
    const struct scene *scene = argument;
    prepare(scene->block_bytes);
    long first = 0;
    for (int phase = 0; phase < PHASES; phase++) {
        long before = faults();
        grow(scene->block_bytes);
        shrink(scene->order);
        long taken = faults() - before;
        first = phase == 0 ? taken : first;
        TEST_CHECK(phase != 1 || taken <= first / 10 * 12);
        TEST_CHECK(phase < 2 || taken <= first / 20);
    }
    return NULL;
}

/* Nothing is left to give back afterwards, and malloc_trim says so. */
static void *trim(void *argument) {
    const struct scene *scene = argument;
    prepare(scene->block_bytes);
    size_t before = test_resident_bytes();
    grow(scene->block_bytes);
    shrink(scene->order);
    grow(scene->block_bytes);
    shrink(scene->order); /* kept, since it was wanted again */
    TEST_CHECK(malloc_trim(0) == 1);
    expect_left("after malloc_trim", before, MIB);
    malloc_trim(0);
    TEST_CHECK(malloc_trim(0) == 0);
    return NULL;
}

/* ---- running them --------------------------------------------------------------------------- */

static void in_child(void *(*body)(void *), const struct scene *scene, bool in_thread) {
    fflush(stdout);
    pid_t child = fork();
    TEST_CHECK(child >= 0);
    if (child == 0) {
        struct scene own = *scene;
        pthread_t thread;
        if (!in_thread) {
            body(&own);
        } else if (pthread_create(&thread, NULL, body, &own) != 0 ||
                   pthread_join(thread, NULL) != 0) {
            _exit(1);
        }
        _exit(0);
    }
    int status = 0;
    TEST_CHECK(waitpid(child, &status, 0) == child);
    if (status != 0) {
        fprintf(stderr, "blocks of %zu, order %d, %s thread\n", scene->block_bytes, scene->order,
                in_thread ? "another" : "the main");
    }
    TEST_CHECK(status == 0);
}

static void run_all(void *(*body)(void *), size_t block_bytes) {
    for (enum order order = FIRST_FIRST; order <= ANY_ORDER; order++) {
        const struct scene scene = {block_bytes, order};
        in_child(body, &scene, false);
        in_child(body, &scene, true);
    }
}

int main(void) {
    const char *options = getenv("ARENITE_OPTIONS");
    if (options != NULL && strstr(options, "profile=") != NULL) {
        test_skip("only the default profile gives memory back so");
    }
    test_stop_decay();
    chance = random_start("memory_back");
    peak_bytes = test_knob("ARENITE_TEST_PEAK_MIB", 24) * MIB;
    static const size_t sizes[] = {16, 1000, 2000, 8192, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        run_all(one_peak, sizes[i]);
        run_all(phases, sizes[i]);
    }
    run_all(one_survivor, 5000);
    run_all(one_survivor, 100000);
    run_all(many_survivors, 1000);
    run_all(many_survivors, 5000);
    run_all(scattered_survivors, 1000);
    run_all(scattered_survivors, 5000);
    run_all(trim, 5000);
    in_child(ended_thread, &(struct scene){1000, FIRST_FIRST}, false);
    in_child(ended_thread, &(struct scene){5000, FIRST_FIRST}, false);
    return 0;
}
