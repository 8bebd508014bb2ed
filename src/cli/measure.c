/* measure.c - one measured run of a program with nothing on its stdin and its output taken away.
 * Layer: cli (may use libc).
 *
 * The run ends when the program ends, not when its pipes close: a daemon that it leaves behind may
 * hold them for ever. What is in the pipes at that moment is still read.
 *
 * Source of the hash: Fowler, Noll, Vo, "The FNV Non-Cryptographic Hash Algorithm" (FNV-1a). */
#include "cli/measure.h"

#include "cli/child.h"
#include "cli/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- what becomes of the output ------------------------------------------------------------ */

static const uint64_t fnv_offset_basis = 0xcbf29ce484222325u;
static const uint64_t fnv_prime = 0x100000001b3u;

static void digest_add(struct digest *digest, const char *data, size_t bytes) {
    uint64_t hash = digest->hash;
    for (size_t i = 0; i < bytes; i++) {
        hash = (hash ^ (unsigned char)data[i]) * fnv_prime;
    }
    digest->hash = hash;
    digest->length_bytes += bytes;
}

static void tail_add(struct tail *tail, const char *data, size_t bytes) {
    if (bytes > TAIL_BYTES) {
        data += bytes - TAIL_BYTES;
        bytes = TAIL_BYTES;
        tail->is_cut = true;
    }
    if (tail->length_bytes + bytes > TAIL_BYTES) {
        size_t kept = TAIL_BYTES - bytes;
        memmove(tail->text, tail->text + tail->length_bytes - kept, kept);
        tail->length_bytes = kept;
        tail->is_cut = true;
    }
    memcpy(tail->text + tail->length_bytes, data, bytes);
    tail->length_bytes += bytes;
    tail->text[tail->length_bytes] = '\0';
}

/* ---- the pipes ----------------------------------------------------------------------------- */

enum { OUTPUT, ERRORS, STREAM_COUNT };

struct measuring {
    struct child child;
    struct measurement *result;
    int null_fd;                         /* the program's stdin */
    int write_fds[STREAM_COUNT];         /* the program's ends */
    struct pollfd readers[STREAM_COUNT]; /* ours; fd -1 once at the end */
};

static void close_fd(int *fd) {
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

/* With stdin, stdout or stderr closed, a pipe could get a number below 3, and dup2 onto itself
 * would leave it to be closed at exec. */
static void keep_standard_descriptors_taken(void) {
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    close_fd(&fd);
}

static int open_pipes(struct measuring *run) {
    run->null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (run->null_fd < 0) {
        return -errno;
    }
    for (int stream = 0; stream < STREAM_COUNT; stream++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) < 0) {
            return -errno;
        }
        run->readers[stream] = (struct pollfd){.fd = ends[0], .events = POLLIN};
        run->write_fds[stream] = ends[1];
    }
    return 0;
}

static void close_program_ends(struct measuring *run) {
    close_fd(&run->null_fd);
    for (int stream = 0; stream < STREAM_COUNT; stream++) {
        close_fd(&run->write_fds[stream]);
    }
}

static void close_pipes(struct measuring *run) {
    close_program_ends(run);
    for (int stream = 0; stream < STREAM_COUNT; stream++) {
        close_fd(&run->readers[stream].fd);
    }
}

/* Takes what is there; false when nothing is, and then the stream may be at its end. */
static bool drain_once(struct measuring *run, int stream) {
    static char buffer[1 << 16];
    ssize_t got = read(run->readers[stream].fd, buffer, sizeof buffer);
    if (got < 0) {
        return false;
    }
    if (got == 0) {
        close_fd(&run->readers[stream].fd);
        return false;
    }
    if (stream == OUTPUT) {
        digest_add(&run->result->output, buffer, (size_t)got);
    } else {
        tail_add(&run->result->errors, buffer, (size_t)got);
    }
    return true;
}

/* The rest after the program's end: no more than a pipe holds, in case somebody still writes. */
static void drain_rest(struct measuring *run) {
    for (int stream = 0; stream < STREAM_COUNT; stream++) {
        int rounds = 32; /* of 64 KiB, the largest pipe an ordinary user can ask for is 1 MiB */
        while (rounds-- > 0 && run->readers[stream].fd >= 0) {
            if (!drain_once(run, stream)) {
                break;
            }
        }
    }
}

/* ---- the run ------------------------------------------------------------------------------- */

static void wait_for_end(struct measuring *run) {
    while (!child_reap(&run->child)) {
        if (signals_poll(run->readers, STREAM_COUNT, -1) <= 0) {
            continue;
        }
        for (int stream = 0; stream < STREAM_COUNT; stream++) {
            if (run->readers[stream].revents != 0) {
                drain_once(run, stream);
            }
        }
    }
}

static double seconds(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void take_figures(const struct child *child, struct measurement *result) {
    const struct rusage *usage = &child->usage;
    double *of = result->figures.of;
    of[FIGURE_WALL_S] = (double)(child->end_ns - child->start_ns) / 1e9;
    of[FIGURE_USER_S] = seconds(usage->ru_utime);
    of[FIGURE_SYS_S] = seconds(usage->ru_stime);
    of[FIGURE_MAXRSS_KB] = (double)usage->ru_maxrss;
    of[FIGURE_MINFLT] = (double)usage->ru_minflt;
    result->pid = child->pid;
    result->exit_status = child->exit_status;
}

static int start(struct measuring *run, const struct measure_spec *spec) {
    int error = open_pipes(run);
    if (error != 0) {
        return error;
    }
    struct child_spec child_spec = {
        .argv = spec->argv,
        .envp = spec->envp,
        .fds = {run->null_fd, run->write_fds[OUTPUT], run->write_fds[ERRORS]},
    };
    error = child_start(&child_spec, &run->child);
    close_program_ends(run);
    return error;
}

int measure_run(const struct measure_spec *spec, struct measurement *result) {
    *result = (struct measurement){.output.hash = fnv_offset_basis};
    struct measuring run = {
        .result = result,
        .null_fd = -1,
        .write_fds = {-1, -1},
        .readers = {{.fd = -1}, {.fd = -1}},
    };
    keep_standard_descriptors_taken();
    int error = start(&run, spec);
    if (error == 0) {
        signals_forward_to(run.child.pid);
        wait_for_end(&run);
        drain_rest(&run);
        take_figures(&run.child, result);
    }
    close_pipes(&run);
    return error;
}
