/* test_prefixed.c - the prefixed names beside libc's malloc: two allocators in one program.
 * Layer: tests. */
#include "arenite/arenite.h"

#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_both_serve(void **state) {
    (void)state;
    void *ours[200];
    void *theirs[200];
    for (size_t i = 0; i < 200; i++) {
        ours[i] = arenite_malloc(i * 50);
        theirs[i] = malloc(i * 50);
        memset(ours[i], 1, i * 50);
        memset(theirs[i], 2, i * 50);
    }
    for (size_t i = 0; i < 200; i++) {
        arenite_free(ours[i]);
        free(theirs[i]);
    }
}

static void test_all_names(void **state) {
    (void)state;
    void *memory = arenite_calloc(10, 10);
    memory = arenite_realloc(memory, 5000);
    memory = arenite_reallocarray(memory, 100, 100);
    assert_true(arenite_malloc_usable_size(memory) >= 10000);
    arenite_free_sized(memory, 10000);
    arenite_free_aligned_sized(arenite_aligned_alloc(64, 100), 64, 100);
    arenite_cfree(arenite_memalign(256, 100));
    arenite_free(arenite_valloc(10));
    arenite_free(arenite_pvalloc(10));
    assert_int_equal(arenite_posix_memalign(&memory, 32, 10), 0);
    assert_int_equal((uintptr_t)memory % 32, 0);
    arenite_free(memory);
}

/* What one allocator takes the other does not see. */
static void test_apart(void **state) {
    (void)state;
    size_t before = mallinfo2().uordblks;
    void *memory = arenite_malloc(50000);
    assert_int_equal(mallinfo2().uordblks, before);
    arenite_free(memory);
}

static void test_failure(void **state) {
    (void)state;
    volatile size_t too_much = SIZE_MAX;
    errno = 0;
    assert_null(arenite_malloc(too_much));
    assert_int_equal(errno, ENOMEM);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_serve),
        cmocka_unit_test(test_all_names),
        cmocka_unit_test(test_apart),
        cmocka_unit_test(test_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
