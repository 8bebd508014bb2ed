/* child.c - see child.h.
 * Layer: tests (includes libc only). */
#include "child.h"

#include "support.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void be_child(int stderr_descriptor, void (*action)(void *), void *argument) {
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(stderr_descriptor, STDERR_FILENO);
    action(argument);
    fflush(stdout);
    _exit(0);
}

/* Reads to the end, keeps what fits: a child that says more must not wait for us. */
static void listen_to(struct child *child, int descriptor) {
    char piece[512];
    size_t length = 0;
    ssize_t got;
    while ((got = read(descriptor, piece, sizeof piece)) > 0) {
        size_t room = sizeof child->said - 1 - length;
        size_t kept = (size_t)got < room ? (size_t)got : room;
        memcpy(child->said + length, piece, kept);
        length += kept;
    }
    child->said[length] = '\0';
}

void test_run_child(struct child *child, void (*action)(void *argument), void *argument) {
    int ends[2];
    fflush(stdout);
    TEST_CHECK(pipe(ends) == 0);
    pid_t id = fork();
    TEST_CHECK(id >= 0);
    if (id == 0) {
        close(ends[0]);
        be_child(ends[1], action, argument);
    }
    close(ends[1]);
    child->process = (int)id;
    listen_to(child, ends[0]);
    close(ends[0]);
    TEST_CHECK(waitpid(id, &child->status, 0) == id);
}

bool test_child_passed(const struct child *child) {
    bool passed = WIFEXITED(child->status) && WEXITSTATUS(child->status) == 0;
    if (!passed) {
        fprintf(stderr, "child: status %#x, stderr: %s\n", (unsigned)child->status, child->said);
    }
    return passed;
}

static bool line_names(const char *line, size_t length, const char *name) {
    const char *at = strstr(line, name);
    return strncmp(line, "arenite: ", strlen("arenite: ")) == 0 && at != NULL && at < line + length;
}

bool test_child_aborted_over(const struct child *child, const void *pointer) {
    char name[32];
    snprintf(name, sizeof name, "%p", pointer);
    bool named = false;
    for (const char *line = child->said; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        named = named || line_names(line, length, name);
        line += length + (line[length] == '\n');
    }
    bool aborted = WIFSIGNALED(child->status) && WTERMSIG(child->status) == SIGABRT;
    if (!aborted || !named) {
        fprintf(stderr, "child: status %#x, %s not named in: %s\n", (unsigned)child->status, name,
                child->said);
    }
    return aborted && named;
}
