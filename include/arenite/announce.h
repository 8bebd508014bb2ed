/* announce.h - how the library tells `arenite run` that it is loaded: one record, written once.
 * Layer: include (shared by the library and the tool; includes libc headers only).
 *
 * The tool creates a pair of connected datagram sockets (AF_UNIX, SOCK_DGRAM), lets CMD inherit
 * one end, and names it in the environment:
 *
 *     ARENITE_ANNOUNCE=FD:DEV:INO     three decimal numbers: descriptor, st_dev, st_ino
 *
 * The library, in its constructor and only there:
 *   1. does nothing when the variable is missing or malformed, or the process is AT_SECURE;
 *   2. does nothing when fstat(FD) fails or finds another st_dev or st_ino: the descriptor was
 *      closed and its number may belong to a file of the program's own;
 *   3. writes one struct arenite_announcement with a single write(2), ignoring failure;
 *   4. closes FD. The variable stays (taking it out would be a write to the environment): step 2
 *      is what keeps later processes quiet.
 *
 * Why a datagram socket: the record arrives whole or not at all; the tool made the end
 * non-blocking, so that a full queue drops the record instead of stopping a program at start; and
 * a write after the tool is gone fails with an error and raises no SIGPIPE.
 *
 * I1: the record has no padding, so that no stale stack bytes leave the process. */
#ifndef ARENITE_ANNOUNCE_H
#define ARENITE_ANNOUNCE_H

#include <stdint.h>

#define ARENITE_ANNOUNCE_VARIABLE "ARENITE_ANNOUNCE"
#define ARENITE_ANNOUNCE_MAGIC 0x41524e41u /* "ARNA" */
#define ARENITE_ANNOUNCE_VERSION 1u

struct arenite_announcement {
    uint32_t magic;          /* ARENITE_ANNOUNCE_MAGIC */
    uint32_t version;        /* ARENITE_ANNOUNCE_VERSION */
    uint32_t pid;            /* getpid() of the process that loaded the library */
    uint32_t malloc_is_ours; /* 1: `malloc` resolves to the library; 0: a definition that the
                                program carries itself comes first (&malloc is not ours) */
};

_Static_assert(sizeof(struct arenite_announcement) == 4 * sizeof(uint32_t),
               "the announcement is four words without padding");

#endif
