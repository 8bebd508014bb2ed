/* child.h - runs a piece of a test in a child process and keeps what it said.
 * Layer: tests (includes libc only).
 *
 * For what ends a process: aborts, limits. The child is forked, so that it has the test's state;
 * its stderr is caught, its stdout stays the test's. */
#ifndef ARENITE_TESTS_SUPPORT_CHILD_H
#define ARENITE_TESTS_SUPPORT_CHILD_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct child {
    int status; /* as from waitpid */
    int process;
    char said[16 * 1024]; /* the start of its stderr, NUL-terminated */
};

/* The child ends with 0 when the action returns. The result must fit the test's needs: nothing is
 * checked here but that the child could be run. */
void test_run_child(struct child *child, void (*action)(void *argument), void *argument);

/* True when the child ended by itself with 0. */
bool test_child_passed(const struct child *child);

/* True when it was aborted, and one line of what it said begins with "arenite: " and names the
 * pointer. */
bool test_child_aborted_over(const struct child *child, const void *pointer);

#ifdef __cplusplus
}
#endif

#endif
