/* measure.h - one measured run of a program with nothing on its stdin and its output taken away.
 * Layer: cli (may use libc).
 *
 * stdout is reduced to its length and a hash while it streams by, so that output of any size can
 * be compared; of stderr the last few KiB are kept for the case that the program fails. */
#ifndef ARENITE_CLI_MEASURE_H
#define ARENITE_CLI_MEASURE_H

#include "cli/environment.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Output as it is compared: equal streams have equal digests. */
struct digest {
    uint64_t length_bytes;
    uint64_t hash; /* FNV-1a, 64 bits */
};

enum { TAIL_BYTES = 4096 };

/* The last TAIL_BYTES of a stream, ending in a NUL. */
struct tail {
    char text[TAIL_BYTES + 1];
    size_t length_bytes;
    bool is_cut; /* something came before it */
};

struct measure_spec {
    char **argv;
    char **envp;
};

/* What is measured of a run: of the program and all descendants that were waited for. */
enum figure {
    FIGURE_WALL_S,
    FIGURE_USER_S,
    FIGURE_SYS_S,
    FIGURE_MAXRSS_KB, /* of the largest process, not the sum */
    FIGURE_MINFLT,
    FIGURE_COUNT,
};

struct figures {
    double of[FIGURE_COUNT]; /* indexed by enum figure */
};

struct measurement {
    pid_t pid;
    struct figures figures;
    int exit_status;
    struct digest output;
    struct tail errors;
};

/* Runs the program to its end. 0, or the negative errno with which it could not be started.
 * Valid only between signals_hold and signals_release. */
int measure_run(const struct measure_spec *spec, struct measurement *result);

static inline bool digest_equal(struct digest a, struct digest b) {
    return a.length_bytes == b.length_bytes && a.hash == b.hash;
}

#endif
