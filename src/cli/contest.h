/* contest.h - the allocators that `arenite compare` lets compete, and what each run gave.
 * Layer: cli (may use libc).
 *
 * I1: contestants[0] is glibc (path ""), contestants[1] is Arenite.
 * I2: names differ.
 * I3: between two rounds every contestant has the same number of results. */
#ifndef ARENITE_CLI_CONTEST_H
#define ARENITE_CLI_CONTEST_H

#include "cli/measure.h"

#include <stdbool.h>
#include <stddef.h>

struct contestant {
    char *name;
    char *path;              /* "" for glibc: nothing is preloaded */
    struct figures *results; /* of the counted rounds; small, because children inherit the pages */
    size_t result_count;
    struct digest first_output; /* of the first counted run */
    bool has_run;               /* counted or not */
    bool varies;                /* its own runs did not all print the same */
    int exit_status;            /* the first that was not 0, else 0 */
    struct tail errors;         /* the stderr of that run */
};

struct contest {
    struct contestant *contestants;
    size_t count;
};

/* Enters glibc, and Arenite's library by its path. */
void contest_init(struct contest *contest, const char *arenite_path);
void contest_destroy(struct contest *contest);

/* Enters one more; a name that is there already gets the new path. */
void contest_put(struct contest *contest, const char *name, const char *path);

/* Enters jemalloc, tcmalloc and mimalloc where they are installed; says which are not. */
void contest_put_installed(struct contest *contest);

/* Takes a run into account; is_counted: its figures and output too, and not only its failure. */
void contestant_add(struct contestant *contestant, const struct measurement *result,
                    bool is_counted);

/* What its row shows: medians over its results. */
struct figures contestant_figures(const struct contestant *contestant);

/* Every counted run of it printed exactly what glibc's first counted run printed. */
bool contest_output_is_same(const struct contest *contest, const struct contestant *contestant);

#endif
