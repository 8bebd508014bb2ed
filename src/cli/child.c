/* child.c - starting one program and collecting what is left of it.
 * Layer: cli (may use libc).
 *
 * fork and not vfork or posix_spawn: a process takes its peak RSS over an exec, and after vfork
 * that would be the tool's. A forked child holds only the pages it has written, some hundred KiB,
 * which every program exceeds by its own start.
 *
 * Whether exec worked is learned from a pipe that closes at exec: an errno in it says no. */
#include "cli/child.h"

#include "cli/cli.h"
#include "cli/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- in the child -------------------------------------------------------------------------- */

static bool redirect(const int fds[3]) {
    for (int target = 0; target < 3; target++) {
        if (fds[target] >= 0 && dup2(fds[target], target) < 0) {
            return false;
        }
    }
    return true;
}

static _Noreturn void become(const struct child_spec *spec, int error_fd) {
    signals_release();
    if (redirect(spec->fds)) {
        execvpe(spec->argv[0], spec->argv, spec->envp);
    }
    int error = errno;
    ssize_t written = write(error_fd, &error, sizeof error);
    (void)written; /* the tool then sees an early exit, which is true as well */
    _exit(CLI_NOT_FOUND);
}

/* ---- in the tool --------------------------------------------------------------------------- */

/* The errno that exec failed with, or 0 when the pipe closed without one. */
static int read_exec_error(int fd) {
    int error = 0;
    ssize_t got;
    do {
        got = read(fd, &error, sizeof error);
    } while (got < 0 && errno == EINTR);
    return got == sizeof error ? error : 0;
}

static int fork_and_exec(const struct child_spec *spec, struct child *child, int error_pipe[2]) {
    child->start_ns = now_ns();
    child->pid = fork();
    if (child->pid < 0) {
        return errno;
    }
    if (child->pid == 0) {
        become(spec, error_pipe[1]);
    }
    close(error_pipe[1]);
    error_pipe[1] = -1;
    int error = read_exec_error(error_pipe[0]);
    if (error != 0) {
        waitpid(child->pid, NULL, 0);
    }
    return error;
}

int child_start(const struct child_spec *spec, struct child *child) {
    int error_pipe[2];
    if (pipe2(error_pipe, O_CLOEXEC) < 0) {
        return -errno;
    }
    int error = fork_and_exec(spec, child, error_pipe);
    close(error_pipe[0]);
    if (error_pipe[1] >= 0) {
        close(error_pipe[1]);
    }
    return -error;
}

bool child_reap(struct child *child) {
    int status;
    if (wait4(child->pid, &status, WNOHANG, &child->usage) != child->pid) {
        return false;
    }
    child->end_ns = now_ns();
    child->signal_number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    child->exit_status =
        WIFSIGNALED(status) ? CLI_SIGNAL_BASE + WTERMSIG(status) : WEXITSTATUS(status);
    return true;
}
