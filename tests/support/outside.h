/* outside.h - what a plain program asks of the library under test and of the kernel.
 * Layer: tests (includes libc only). */
#ifndef ARENITE_TESTS_SUPPORT_OUTSIDE_H
#define ARENITE_TESTS_SUPPORT_OUTSIDE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How long a child may take before an alarm ends it: so long that only one which waits for ever is
 * ended, on the slowest and busiest machine, and less than ctest's own limit. */
#define TEST_CHILD_SECONDS 300

/* Resident memory of this process that is no file's, counted page by page: what the kernel keeps
 * of libraries and programs comes and goes, and its quick counters lag behind on every processor.
 * Allocates nothing. */
size_t test_resident_bytes(void);

/* arenite_option_set of the preloaded library; it must accept the value. */
void test_set_option(const char *name, const char *value);

/* What programs have shown that they take again is kept for twenty seconds: for tests of that, on a
 * machine that may take as long for one step, for an hour. */
void test_stop_decay(void);

#ifdef __cplusplus
}
#endif

#endif
