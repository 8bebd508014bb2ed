/* trail.h - the dynamic linker's own log of a run: was the library really loaded?
 * Layer: cli (may use libc).
 *
 * Asking /proc/PID/maps would come too late for a short-lived process and ptrace would disturb it.
 * With LD_DEBUG=files and LD_DEBUG_OUTPUT=PREFIX every process writes PREFIX.PID before its main
 * begins; a statically linked one, a setuid one, or one of another libc writes nothing, and that
 * is an answer as well. */
#ifndef ARENITE_CLI_TRAIL_H
#define ARENITE_CLI_TRAIL_H

#include "cli/environment.h"

#include <stdbool.h>
#include <sys/types.h>

struct trail {
    char *directory; /* a temporary one; NULL: not open */
};

/* 0 or a negative errno. */
int trail_init(struct trail *trail);

/* Takes the directory and the logs away. */
void trail_destroy(struct trail *trail);

/* Makes a program that is started with this environment leave its log. */
void trail_request(const struct trail *trail, struct environment *environment);

/* True when every program image that the process executed had the library initialised in it. */
bool trail_shows_loaded(const struct trail *trail, pid_t pid, const char *library);

#endif
