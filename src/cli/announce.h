/* announce.h - the tool's side of <arenite/announce.h>: hears that the library is loaded in CMD.
 * Layer: cli (may use libc and the public headers). */
#ifndef ARENITE_CLI_ANNOUNCE_H
#define ARENITE_CLI_ANNOUNCE_H

#include "cli/environment.h"

#include <arenite/announce.h>

#include <stdbool.h>
#include <sys/types.h>

struct announce {
    int reader_fd; /* -1: not open; poll for input */
    int writer_fd; /* inherited by CMD, closed here once CMD runs */
};

/* Opens both ends and names the writer's in the environment. 0 or a negative errno. */
int announce_init(struct announce *announce, struct environment *environment);
void announce_destroy(struct announce *announce);

/* To be called when CMD has been started: from here on only CMD holds the writer's end. */
void announce_close_writer(struct announce *announce);

/* Takes the next valid announcement that the process itself made; false: none is there. */
bool announce_take(const struct announce *announce, pid_t pid,
                   struct arenite_announcement *announcement);

#endif
