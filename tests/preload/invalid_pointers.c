/* invalid_pointers.c - a pointer that is no live block ends the process with a line that names it.
 * Layer: tests (includes libc only). */
#include "arenite/arenite.h"
#include "child.h"
#include "support.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Not in this libc: only the preloaded library has them. */
#pragma weak free_sized
#pragma weak free_aligned_sized

#define MAPPED_BYTES ((size_t)3 * 1024 * 1024)

static char global_bytes[256];

static void free_it(void *memory) {
    free(memory);
}

static void realloc_it(void *memory) {
    if (realloc(memory, 200) != NULL) {
        free(memory);
    }
}

static void ask_usable(void *memory) {
    malloc_usable_size(memory);
}

static void free_sized_it(void *memory) {
    free_sized(memory, 1);
}

static void free_aligned_sized_it(void *memory) {
    free_aligned_sized(memory, 16, 1);
}

static void (*const uses[])(void *) = {free_it, realloc_it, ask_usable, free_sized_it,
                                       free_aligned_sized_it};

static void check_dies(void (*use)(void *), void *memory) {
    struct child child;
    test_run_child(&child, use, memory);
    TEST_CHECK(test_child_aborted_over(&child, memory));
}

static void check_all_die(void *memory) {
    for (size_t i = 0; i < sizeof uses / sizeof uses[0]; i++) {
        check_dies(uses[i], memory);
    }
}

/* Never read at: most of these would end the process by SIGSEGV. */
static void test_what_was_never_ours(void) {
    char local[256] = {0};
    check_all_die(local + 64);
    check_all_die(global_bytes + 64);
    check_all_die((void *)(uintptr_t)16);
    check_all_die((void *)(uintptr_t)0x5555deadb000);
    check_all_die((void *)UINTPTR_MAX);
    check_all_die((void *)((UINTPTR_MAX / 2 + 1) | 0x1000));
    void *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TEST_CHECK(page != MAP_FAILED);
    check_all_die(page);
    check_all_die((char *)page + 64);
}

static void test_inside_blocks(void) {
    static const size_t sizes[] = {100, 1000, 5000, 100000, MAPPED_BYTES};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *memory = calloc(1, sizes[i]);
        check_all_die(memory + 1);
        check_all_die(memory + 8);
        check_all_die(memory + 48);
        check_all_die(memory + sizes[i] / 2);
        free(memory);
    }
}

static void free_twice(void *memory) {
    free(memory);
    free(memory);
}

/* The address is known before the child frees it, because the child inherits the block. */
static void test_double_free(void) {
    static const size_t sizes[] = {1, 24, 100, 1000, MAPPED_BYTES};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *memory = malloc(sizes[i]);
        check_dies(free_twice, memory);
        free(memory);
    }
}

static void overflow_then_free(void *memory) {
    size_t *header = (size_t *)memory - 1;
    *header = 0x4141414141414141u;
    free(memory);
}

static void test_overwritten_header(void) {
    static const size_t sizes[] = {40000, 70000, 100000, MAPPED_BYTES}; /* slots have no header */
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *memory = malloc(sizes[i]);
        check_dies(overflow_then_free, memory);
        free(memory);
    }
}

int main(void) {
    test_what_was_never_ours();
    test_inside_blocks();
    test_double_free();
    test_overwritten_header();
    return 0;
}
