/* family.c - malloc, free, calloc, realloc, reallocarray: their semantics, one by one.
 * Layer: tests (includes libc only). */
#include "support.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAPPED_BYTES ((size_t)3 * 1024 * 1024) /* above the mmap threshold */

/* Volatile: the compiler may not know sizes that it would warn about. */
static volatile size_t huge_sizes[] = {SIZE_MAX,        SIZE_MAX - 1,        SIZE_MAX - 7,
                                       SIZE_MAX - 4096, (size_t)PTRDIFF_MAX, SIZE_MAX / 2 + 1,
                                       SIZE_MAX / 2,    SIZE_MAX / 2 - 4096, SIZE_MAX / 4};
#define HUGE_SIZES (sizeof huge_sizes / sizeof huge_sizes[0])

static void test_zero_bytes(void) {
    void *a = malloc(0);
    void *b = malloc(0);
    TEST_CHECK(a != NULL && b != NULL && a != b);
    TEST_CHECK(calloc(0, 5) != NULL && calloc(5, 0) != NULL);
    free(a);
    free(b);
}

static void test_alignment_and_contents(void) {
    for (size_t bytes = 1; bytes < 5000; bytes++) {
        unsigned char *memory = malloc(bytes);
        TEST_CHECK(memory != NULL && (uintptr_t)memory % 16 == 0);
        TEST_CHECK(malloc_usable_size(memory) >= bytes);
        test_pattern_fill(memory, malloc_usable_size(memory), bytes);
        TEST_CHECK(test_pattern_holds(memory, malloc_usable_size(memory), bytes));
        free(memory);
    }
}

/* Every usable byte may be written without harm to the neighbours. */
static void test_usable_bytes_are_writable(void) {
    enum { BLOCKS = 600 };
    unsigned char *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(i * 37 % 9000 + (i % 50 == 0 ? MAPPED_BYTES : 0));
        TEST_CHECK(blocks[i] != NULL);
        test_pattern_fill(blocks[i], malloc_usable_size(blocks[i]), i);
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        TEST_CHECK(test_pattern_holds(blocks[i], malloc_usable_size(blocks[i]), i));
        free(blocks[i]);
    }
    TEST_CHECK(malloc_usable_size(NULL) == 0);
}

static void test_huge_sizes_fail(void) {
    for (size_t i = 0; i < HUGE_SIZES; i++) {
        errno = 0;
        TEST_CHECK(malloc(huge_sizes[i]) == NULL && errno == ENOMEM);
        errno = 0;
        TEST_CHECK(calloc(1, huge_sizes[i]) == NULL && errno == ENOMEM);
        errno = 0;
        TEST_CHECK(calloc(huge_sizes[i], 2) == NULL && errno == ENOMEM);
        errno = 0;
        TEST_CHECK(realloc(NULL, huge_sizes[i]) == NULL && errno == ENOMEM);
    }
}

static void test_products_that_overflow(void) {
    volatile size_t half = (size_t)1 << (sizeof(size_t) * 4);
    errno = 0;
    TEST_CHECK(calloc(half, half) == NULL && errno == ENOMEM);
    errno = 0;
    TEST_CHECK(calloc(half + 1, half) == NULL && errno == ENOMEM);
    void *block = malloc(10);
    errno = 0;
    TEST_CHECK(reallocarray(block, half, half) == NULL && errno == ENOMEM);
    block = reallocarray(block, 10, 20);
    TEST_CHECK(block != NULL && malloc_usable_size(block) >= 200);
    free(block);
}

/* Zero although the memory was used before, at every size that takes another way. */
static void test_calloc_clears(void) {
    static const size_t sizes[] = {1,    24,    25,         500,    1032,        1033,
                                   5000, 70000, 100 * 1024, 300000, MAPPED_BYTES};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int round = 0; round < 20; round++) {
            unsigned char *memory = calloc(1, sizes[i]);
            TEST_CHECK(memory != NULL);
            for (size_t at = 0; at < sizes[i]; at++) {
                TEST_CHECK(memory[at] == 0);
            }
            memset(memory, 0xa5, malloc_usable_size(memory));
            free(memory);
        }
    }
}

static void check_errno_kept(void *memory) {
    errno = 4711;
    free(memory);
    TEST_CHECK(errno == 4711);
}

static void test_free_keeps_errno(void) {
    void *blocks[1000];
    check_errno_kept(NULL);
    check_errno_kept(malloc(MAPPED_BYTES));
    for (size_t i = 0; i < 1000; i++) {
        blocks[i] = malloc(i * 100);
    }
    for (size_t i = 0; i < 1000; i++) {
        check_errno_kept(blocks[i]);
    }
}

static void test_realloc_edges(void) {
    void *memory = realloc(NULL, 100);
    TEST_CHECK(memory != NULL);
    TEST_CHECK(realloc(memory, 0) == NULL);
    memory = malloc(MAPPED_BYTES);
    TEST_CHECK(realloc(memory, 0) == NULL);
    TEST_CHECK((memory = realloc(NULL, 0)) != NULL);
    free(memory);
}

static void test_failed_realloc_leaves_the_block(void) {
    static const size_t sizes[] = {10, 1000, 100000, MAPPED_BYTES};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *memory = malloc(sizes[i]);
        test_pattern_fill(memory, sizes[i], i);
        for (size_t j = 0; j < HUGE_SIZES; j++) {
            errno = 0;
            TEST_CHECK(realloc(memory, huge_sizes[j]) == NULL && errno == ENOMEM);
        }
        TEST_CHECK(test_pattern_holds(memory, sizes[i], i));
        free(memory);
    }
}

/* One block through a row of sizes; what it held of the old size must be there in the new one. */
static void check_realloc_row(const size_t *sizes, size_t count) {
    unsigned char *memory = NULL;
    size_t held = 0;
    for (size_t i = 0; i < count; i++) {
        memory = realloc(memory, sizes[i]);
        TEST_CHECK(memory != NULL && malloc_usable_size(memory) >= sizes[i]);
        TEST_CHECK(test_pattern_holds(memory, held < sizes[i] ? held : sizes[i], 9));
        held = sizes[i];
        test_pattern_fill(memory, held, 9);
        free(malloc(sizes[i] / 3)); /* something else moves about */
    }
    free(memory);
}

static void test_realloc_growth(void) {
    enum { ROW = 400 };
    size_t by_one[ROW], by_half[40], sawtooth[ROW], across[ROW];
    for (size_t i = 0; i < ROW; i++) {
        by_one[i] = i * 7 + 1;
        sawtooth[i] = i % 2 == 0 ? i * 300 + 1 : i * 20 + 1;
        across[i] = i % 3 == 0 ? MAPPED_BYTES + i * 5000 : i * 1000 + 1;
    }
    for (size_t i = 0, bytes = 16; i < 40; i++, bytes += bytes / 2) {
        by_half[i] = bytes;
    }
    check_realloc_row(by_one, ROW);
    check_realloc_row(by_half, 32);
    check_realloc_row(sawtooth, ROW);
    check_realloc_row(across, ROW / 4);
}

int main(void) {
    test_zero_bytes();
    test_alignment_and_contents();
    test_usable_bytes_are_writable();
    test_huge_sizes_fail();
    test_products_that_overflow();
    test_calloc_clears();
    test_free_keeps_errno();
    test_realloc_edges();
    test_failed_realloc_leaves_the_block();
    test_realloc_growth();
    return 0;
}
