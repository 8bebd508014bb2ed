/* test_child.h - runs a piece of a test in a forked child, for what ends a process or limits it.
 * Layer: tests (includes libc only).
 *
 * A child reports by its exit status (CHILD_EXPECT leaves with the line that failed) and by what it
 * writes to stderr, which the parent may collect. */
#ifndef ARENITE_TESTS_SUPPORT_TEST_CHILD_H
#define ARENITE_TESTS_SUPPORT_TEST_CHILD_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_EXPECT(condition)                                         \
    do {                                                                \
        if (!(condition)) {                                             \
            fprintf(stderr, "line %d: not %s\n", __LINE__, #condition); \
            fflush(stderr);                                             \
            _exit(1);                                                   \
        }                                                               \
    } while (0)

struct child_result {
    int exit_status; /* or -1 */
    int signal;      /* or 0 */
    char text[2048]; /* stderr */
};

static inline size_t child_read_all(int descriptor, char *text, size_t size) {
    size_t length = 0;
    ssize_t got;
    while (length + 1 < size && (got = read(descriptor, text + length, size - 1 - length)) > 0) {
        length += (size_t)got;
    }
    text[length] = '\0';
    return length;
}

static inline struct child_result child_run(void (*body)(void)) {
    struct child_result result = {.exit_status = -1};
    int ends[2];
    if (pipe(ends) != 0) {
        return result;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        body();
        _exit(0);
    }
    close(ends[1]);
    child_read_all(ends[0], result.text, sizeof result.text);
    close(ends[0]);
    int status = 0;
    if (pid > 0 && waitpid(pid, &status, 0) == pid) {
        result.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        result.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }
    return result;
}

/* For a child that must get through. */
#define assert_child_passes(body)                                                        \
    do {                                                                                 \
        struct child_result child = child_run(body);                                     \
        if (child.exit_status != 0) {                                                    \
            fail_msg("child: status %d, signal %d: %s", child.exit_status, child.signal, \
                     child.text);                                                        \
        }                                                                                \
    } while (0)

#endif
