/* shapes_single.c - stress by one thread: sizes, realloc, alignment, zeros, large blocks, any.
 * Layer: tests (includes libc only). */
#include "stress.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define SIZES 3000
#define CHAINS 40
#define LARGE 24
#define MIB ((size_t)1 << 20)

static void expect_held(const struct held *held) {
    TEST_CHECK(held->memory != NULL);
    TEST_CHECK(malloc_usable_size(held->memory) >= held->bytes);
    held_fill(held);
}

/* Dense among the small ones, then further apart. */
static size_t size_at(size_t index) {
    return index < 2200 ? index : 2200 + (index - 2200) * (index - 2200) / 5;
}

/* One block of every size at once; freed in three orders, refilled in between. */
void stress_sizes(const struct stress *stress) {
    struct held *held = calloc(SIZES, sizeof *held);
    TEST_CHECK(held != NULL);
    for (size_t round = 0; round < 3 * stress->scale; round++) {
        for (size_t i = 0; i < SIZES; i++) {
            held[i] = (struct held){malloc(size_at(i)), size_at(i), stress->seed + i * 7 + round};
            expect_held(&held[i]);
        }
        TEST_CHECK(!held_overlap(held, SIZES));
        for (size_t i = 0; i < SIZES; i++) {
            size_t at = round % 3 == 0 ? i : round % 3 == 1 ? SIZES - 1 - i : i * 1009 % SIZES;
            TEST_CHECK(held_is_intact(&held[at]));
            free(held[at].memory);
        }
    }
    free(held);
}

/* Blocks that grow and shrink by turns, step by step and by leaps. */
void stress_realloc(const struct stress *stress) {
    struct held held[CHAINS] = {{NULL, 0, 0}};
    uint64_t random = stress->seed;
    for (size_t step = 0; step < 6000 * stress->scale; step++) {
        struct held *one = &held[traffic_below(&random, CHAINS)];
        size_t bytes = 1 + (step % 3 == 0 ? traffic_any_bytes(&random)
                                          : one->bytes * (80 + traffic_below(&random, 45)) / 100 +
                                                traffic_below(&random, 40));
        one->memory = realloc(one->memory, bytes);
        TEST_CHECK(one->memory != NULL);
        TEST_CHECK(held_begins(one, bytes < one->bytes ? bytes : one->bytes));
        *one = (struct held){one->memory, bytes, step};
        expect_held(one);
    }
    TEST_CHECK(!held_overlap(held, CHAINS));
    for (size_t i = 0; i < CHAINS; i++) {
        TEST_CHECK(held_is_intact(&held[i]));
        free(held[i].memory);
    }
}

static void aligned_round(uint64_t *random) {
    struct held held[150];
    for (size_t i = 0; i < 150; i++) {
        size_t alignment = (size_t)1 << (4 + i % 17);
        held[i] = (struct held){NULL, traffic_below(random, i % 5 == 0 ? 100000 : 3000), i};
        held[i].memory = i % 2 == 0 ? memalign(alignment, held[i].bytes)
                                    : aligned_alloc(alignment, held[i].bytes);
        TEST_CHECK((uintptr_t)held[i].memory % alignment == 0);
        expect_held(&held[i]);
    }
    TEST_CHECK(!held_overlap(held, 150));
    for (size_t i = 0; i < 150; i++) {
        size_t bytes = held[i].bytes;
        held[i].memory = realloc(held[i].memory, bytes + 1000);
        TEST_CHECK(held[i].memory != NULL && held_begins(&held[i], bytes));
        free(held[i].memory);
    }
}

void stress_aligned(const struct stress *stress) {
    uint64_t random = stress->seed;
    for (size_t round = 0; round < 8 * stress->scale; round++) {
        aligned_round(&random);
    }
}

/* calloc gives zeros where dirty blocks of the same size lay just before. */
void stress_zero(const struct stress *stress) {
    uint64_t random = stress->seed;
    for (size_t round = 0; round < 1200 * stress->scale; round++) {
        size_t bytes = 1 + traffic_any_bytes(&random) / 4;
        unsigned char *dirty[4];
        for (size_t i = 0; i < 4; i++) {
            dirty[i] = malloc(bytes + i);
            TEST_CHECK(dirty[i] != NULL);
            memset(dirty[i], 0xa5, bytes + i);
        }
        for (size_t i = 0; i < 4; i++) {
            free(dirty[i]);
        }
        struct held zeroed = {calloc(1, bytes), bytes, round};
        TEST_CHECK(zeroed.memory != NULL && held_is_zero(&zeroed));
        memset(zeroed.memory, 0x5a, bytes);
        free(zeroed.memory);
    }
}

/* Blocks of many megabytes, of which pages here and there are touched. */
void stress_large(const struct stress *stress) {
    struct held held[LARGE] = {{NULL, 0, 0}};
    uint64_t random = stress->seed;
    for (size_t step = 0; step < 150 * stress->scale; step++) {
        struct held *one = &held[traffic_below(&random, LARGE)];
        size_t bytes = 200000 + traffic_below(&random, 12 * MIB);
        TEST_CHECK(one->memory == NULL || held_is_intact(one));
        if (step % 2 == 0) {
            one->memory = realloc(one->memory, bytes);
            TEST_CHECK(one->memory != NULL);
            TEST_CHECK(held_begins(one, bytes < one->bytes ? bytes : one->bytes));
        } else {
            free(one->memory);
            one->memory = step % 4 == 1 ? malloc(bytes) : memalign(MIB, bytes);
        }
        *one = (struct held){one->memory, bytes, step};
        expect_held(one);
        TEST_CHECK(!held_overlap(held, LARGE));
    }
    for (size_t i = 0; i < LARGE; i++) {
        TEST_CHECK(held[i].memory == NULL || held_is_intact(&held[i]));
        free(held[i].memory);
    }
}

/* Everything by turns, with what only looks or gives back in between. */
void stress_mixed(const struct stress *stress) {
    struct traffic traffic;
    traffic_init(&traffic, 800, stress->seed);
    for (size_t round = 0; round < 20 * stress->scale; round++) {
        traffic_run(&traffic, 400);
        void *whole_pages = pvalloc(1 + round * 1000);
        char *text = strdup("neither here nor there");
        TEST_CHECK(whole_pages != NULL && text != NULL && strlen(text) == 22);
        malloc_trim(round % 2 * 100000);
        TEST_CHECK(mallinfo2().uordblks + mallinfo2().hblkhd >= traffic.live_bytes / 2);
        traffic_check(&traffic);
        free(text);
        free(whole_pages);
    }
    traffic_destroy(&traffic);
}
