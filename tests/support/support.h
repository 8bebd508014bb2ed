/* support.h - what tests of every kind share: knobs, content patterns, checks, skipping.
 * Layer: tests (includes libc only).
 *
 * Plain programs (preload, static) end with 0 passed, 1 failed, 77 skipped with the reason on
 * stdout. Knobs lengthen or shorten a test without editing it. Chance is in test_random.h. */
#ifndef ARENITE_TESTS_SUPPORT_SUPPORT_H
#define ARENITE_TESTS_SUPPORT_SUPPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The number in an environment variable, or fallback. */
unsigned long test_knob(const char *name, unsigned long fallback);

/* Fills memory with a pattern made from a tag, or tells whether it is still there. */
void test_pattern_fill(void *memory, size_t bytes, uint64_t tag);
bool test_pattern_holds(const void *memory, size_t bytes, uint64_t tag);

/* End a plain program. Not for cmocka tests. */
void test_skip(const char *reason) __attribute__((noreturn));
void test_failed(const char *what, const char *file, int line) __attribute__((noreturn));

/* For plain programs; cmocka tests have assert_*. */
#define TEST_CHECK(condition) ((condition) ? (void)0 : test_failed(#condition, __FILE__, __LINE__))

#ifdef __cplusplus
}
#endif

#endif
