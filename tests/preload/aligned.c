/* aligned.c - the functions that take an alignment, as glibc 2.36 behaves.
 * Layer: tests (includes libc only). */
#include "support.h"

#include <errno.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define UNTOUCHED ((void *)0x1234)

static volatile size_t size_max = SIZE_MAX;

static bool is_at(const void *memory, size_t alignment) {
    return memory != NULL && (uintptr_t)memory % alignment == 0;
}

static void test_every_alignment(void) {
    for (size_t alignment = 1; alignment <= (size_t)8 * 1024 * 1024; alignment *= 2) {
        for (size_t bytes = 0; bytes < 40000; bytes = bytes * 2 + 3) {
            unsigned char *memory = memalign(alignment, bytes);
            TEST_CHECK(is_at(memory, alignment) && malloc_usable_size(memory) >= bytes);
            test_pattern_fill(memory, malloc_usable_size(memory), alignment);
            unsigned char *other = aligned_alloc(alignment, bytes);
            TEST_CHECK(is_at(other, alignment));
            test_pattern_fill(other, malloc_usable_size(other), bytes);
            TEST_CHECK(test_pattern_holds(memory, malloc_usable_size(memory), alignment));
            free(memory);
            free(other);
        }
    }
}

/* glibc rounds an alignment up to a power of two, and has one function for both names. */
static void test_odd_alignments(void) {
    static const size_t odd[] = {0, 3, 17, 24, 33, 48, 100, 1000, 5000, 65537};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        size_t power = 1;
        while (power < odd[i]) {
            power *= 2;
        }
        void *memory = memalign(odd[i], 100);
        void *other = aligned_alloc(odd[i], 101);
        TEST_CHECK(is_at(memory, power) && is_at(other, power));
        free(memory);
        free(other);
    }
    errno = 0;
    TEST_CHECK(memalign(size_max / 2 + 2, 1) == NULL && errno == EINVAL);
    errno = 0;
    TEST_CHECK(aligned_alloc(size_max, 1) == NULL && errno == EINVAL);
}

static void check_refused(size_t alignment, size_t bytes, int error) {
    void *memory = UNTOUCHED;
    errno = 4711;
    TEST_CHECK(posix_memalign(&memory, alignment, bytes) == error);
    TEST_CHECK(memory == UNTOUCHED && errno == 4711);
}

static void test_posix_memalign(void) {
    static const size_t refused[] = {0, 1, 2, 3, 4, 7, 9, 12, 24, 40, 4097, SIZE_MAX};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        check_refused(refused[i], 100, EINVAL);
    }
    check_refused(64, size_max, ENOMEM);
    check_refused(8, size_max / 2, ENOMEM);
    check_refused(4096, size_max - 4096, ENOMEM);
    for (size_t alignment = sizeof(void *); alignment <= 65536; alignment *= 2) {
        void *memory = UNTOUCHED;
        errno = 4711;
        TEST_CHECK(posix_memalign(&memory, alignment, alignment / 3) == 0);
        TEST_CHECK(is_at(memory, alignment) && errno == 4711);
        free(memory);
    }
}

static void check_no_memory(void *memory) {
    TEST_CHECK(memory == NULL && errno == ENOMEM);
    errno = 0;
}

/* Alignment + size + header, and rounding up to pages, must not wrap into a small request. */
static void test_sums_that_overflow(void) {
    errno = 0;
    for (size_t alignment = 32; alignment != 0 && alignment <= size_max / 2; alignment *= 2) {
        check_no_memory(memalign(alignment, size_max - alignment));
        check_no_memory(memalign(alignment, size_max - alignment - 48));
        check_no_memory(memalign(alignment, size_max / 2 - alignment));
        check_no_memory(aligned_alloc(alignment, size_max));
    }
    check_no_memory(memalign(size_max / 2 + 1, 1));
    check_no_memory(memalign(size_max / 4 + 1, size_max / 4));
    check_no_memory(valloc(size_max));
    check_no_memory(valloc(size_max - 5000));
    check_no_memory(pvalloc(size_max));
    check_no_memory(pvalloc(size_max - 10));
    check_no_memory(pvalloc(size_max - 4096));
}

static void test_pages(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *memory = valloc(10);
    TEST_CHECK(is_at(memory, page));
    free(memory);
    memory = pvalloc(page + 1);
    TEST_CHECK(is_at(memory, page) && malloc_usable_size(memory) >= 2 * page);
    free(memory);
    memory = pvalloc(0);
    TEST_CHECK(is_at(memory, page));
    free(memory);
}

/* What lies before and behind an aligned block must serve later requests again. */
static void test_remainders_are_used(void) {
    size_t before = mallinfo2().arena;
    for (int i = 0; i < 20000; i++) {
        void *memory = memalign((size_t)64 << (i % 8), 200);
        TEST_CHECK(memory != NULL);
        free(memory);
    }
    TEST_CHECK(mallinfo2().arena < before + 2 * 1024 * 1024);
}

static void test_realloc_of_aligned(void) {
    for (size_t alignment = 32; alignment <= 65536; alignment *= 2) {
        for (size_t bytes = 10; bytes < 3000000; bytes *= 9) {
            unsigned char *memory = memalign(alignment, bytes);
            test_pattern_fill(memory, bytes, alignment);
            memory = realloc(memory, bytes * 3);
            TEST_CHECK(memory != NULL && test_pattern_holds(memory, bytes, alignment));
            memory = realloc(memory, bytes / 2 + 1);
            TEST_CHECK(memory != NULL && test_pattern_holds(memory, bytes / 2 + 1, alignment));
            free(memory);
        }
    }
}

int main(void) {
    test_every_alignment();
    test_odd_alignments();
    test_posix_memalign();
    test_sums_that_overflow();
    test_pages();
    test_remainders_are_used();
    test_realloc_of_aligned();
    return 0;
}
