/* cmocka.h - the part of cmocka's interface that the unit tests use, for the 32-bit build.
 * Layer: tests (includes libc only).
 *
 * Debian has a 32-bit cmocka only under a second package architecture. This stand-in offers the
 * same names and meanings, so that one test source serves both; what it does not define, a unit
 * test does not use. A failed assertion prints where, leaves the test by longjmp, and the
 * remaining tests go on. Group functions return the number of failed tests. */
#ifndef ARENITE_TESTS_SUPPORT_SMALL_CMOCKA_CMOCKA_H
#define ARENITE_TESTS_SUPPORT_SMALL_CMOCKA_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

typedef void (*CMUnitTestFunction)(void **state);
typedef int (*CMFixtureFunction)(void **state);

struct CMUnitTest {
    const char *name;
    CMUnitTestFunction test_func;
    CMFixtureFunction setup_func;
    CMFixtureFunction teardown_func;
    void *initial_state;
};

#define cmocka_unit_test(function) \
    { #function, function, NULL, NULL, NULL }
#define cmocka_unit_test_setup(function, setup) \
    { #function, function, setup, NULL, NULL }
#define cmocka_unit_test_teardown(function, teardown) \
    { #function, function, NULL, teardown, NULL }
#define cmocka_unit_test_setup_teardown(function, setup, teardown) \
    { #function, function, setup, teardown, NULL }
#define cmocka_unit_test_prestate(function, state) \
    { #function, function, NULL, NULL, state }

enum small_cmocka_leave { SMALL_CMOCKA_RUN, SMALL_CMOCKA_FAILED, SMALL_CMOCKA_SKIPPED };

/* One test runs at a time, in one translation unit. */
static jmp_buf small_cmocka_exit;

__attribute__((format(printf, 1, 2))) static inline void print_message(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
}

#define print_error print_message

__attribute__((noreturn)) static inline void small_cmocka_fail(const char *what, const char *file,
                                                               int line) {
    printf("%s:%d: failed: %s\n", file, line, what);
    longjmp(small_cmocka_exit, SMALL_CMOCKA_FAILED);
}

static inline void small_cmocka_equal(uintmax_t a, uintmax_t b, int wanted, const char *what,
                                      const char *file, int line) {
    if ((a == b) != wanted) {
        printf("0x%jx %s 0x%jx\n", a, wanted ? "!=" : "==", b);
        small_cmocka_fail(what, file, line);
    }
}

#define small_cmocka_check(condition, what) \
    ((condition) ? (void)0 : small_cmocka_fail(what, __FILE__, __LINE__))
#define small_cmocka_integers(a, b, wanted, what) \
    small_cmocka_equal((uintmax_t)(a), (uintmax_t)(b), wanted, what, __FILE__, __LINE__)
#define small_cmocka_pointers(a, b, wanted, what) \
    small_cmocka_equal((uintptr_t)(a), (uintptr_t)(b), wanted, what, __FILE__, __LINE__)

#define assert_true(condition) small_cmocka_check((condition), #condition)
#define assert_false(condition) small_cmocka_check(!(condition), "not " #condition)
#define assert_null(pointer) small_cmocka_pointers(pointer, NULL, 1, #pointer " is NULL")
#define assert_non_null(pointer) small_cmocka_pointers(pointer, NULL, 0, #pointer " is not NULL")
#define assert_ptr_equal(a, b) small_cmocka_pointers(a, b, 1, #a " == " #b)
#define assert_ptr_not_equal(a, b) small_cmocka_pointers(a, b, 0, #a " != " #b)
#define assert_int_equal(a, b) small_cmocka_integers(a, b, 1, #a " == " #b)
#define assert_int_not_equal(a, b) small_cmocka_integers(a, b, 0, #a " != " #b)
#define assert_uint_equal assert_int_equal
#define assert_string_equal(a, b) small_cmocka_check(strcmp((a), (b)) == 0, #a " equals " #b)
#define assert_string_not_equal(a, b) small_cmocka_check(strcmp((a), (b)) != 0, #a " differs")
#define assert_memory_equal(a, b, size) \
    small_cmocka_check(memcmp((a), (b), (size)) == 0, #a " equals " #b)
#define assert_memory_not_equal(a, b, size) \
    small_cmocka_check(memcmp((a), (b), (size)) != 0, #a " differs from " #b)
#define assert_in_range(value, low, high)                           \
    small_cmocka_check((uintmax_t)(value) >= (uintmax_t)(low) &&    \
                           (uintmax_t)(value) <= (uintmax_t)(high), \
                       #value " in [" #low ", " #high "]")
#define assert_return_code(status, error) \
    small_cmocka_check((long)(status) >= 0, #status " is no error")
#define fail() small_cmocka_fail("fail()", __FILE__, __LINE__)
#define fail_msg(...) (print_message(__VA_ARGS__), small_cmocka_fail("", __FILE__, __LINE__))
#define skip() longjmp(small_cmocka_exit, SMALL_CMOCKA_SKIPPED)

/* Runs one test between its fixtures; the result is a small_cmocka_leave. */
static inline int small_cmocka_run_one(const struct CMUnitTest *test, void *group_state) {
    void *state = test->initial_state != NULL ? test->initial_state : group_state;
    if (test->setup_func != NULL && test->setup_func(&state) != 0) {
        return SMALL_CMOCKA_FAILED;
    }
    int left = setjmp(small_cmocka_exit);
    if (left == SMALL_CMOCKA_RUN) {
        test->test_func(&state);
    }
    if (test->teardown_func != NULL && test->teardown_func(&state) != 0) {
        return SMALL_CMOCKA_FAILED;
    }
    return left;
}

static inline int small_cmocka_run(const struct CMUnitTest *tests, size_t count,
                                   CMFixtureFunction setup, CMFixtureFunction teardown) {
    static const char *const words[] = {"OK", "FAILED", "SKIPPED"};
    void *state = NULL;
    int failed = 0;
    if (setup != NULL && setup(&state) != 0) {
        return (int)count;
    }
    for (size_t index = 0; index < count; index++) {
        int left = small_cmocka_run_one(&tests[index], state);
        failed += left == SMALL_CMOCKA_FAILED;
        printf("[ %8s ] %s\n", words[left], tests[index].name);
        fflush(stdout);
    }
    if (teardown != NULL && teardown(&state) != 0) {
        failed++;
    }
    return failed;
}

#define cmocka_run_group_tests(tests, setup, teardown) \
    small_cmocka_run(tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)
#define cmocka_run_group_tests_name(name, tests, setup, teardown) \
    cmocka_run_group_tests(tests, setup, teardown)

#endif
