/* model_moment.h - what the machine does beside a script: what may change the kernel's answers.
 * Layer: cli (may use libc).
 *
 * Settings that a personality depends on, and counters of the kernel for what it does to a process
 * unasked: huge pages made behind its back, or not to be had; pages taken away. All are the whole
 * machine's, so a change says that an answer may have been disturbed, and none that it was not. */
#ifndef ARENITE_CLI_MODEL_MOMENT_H
#define ARENITE_CLI_MODEL_MOMENT_H

#include "cli/model.h"

#define MOMENT_COUNTS 7

struct moment {
    struct personality settings;
    uint64_t counts[MOMENT_COUNTS]; /* 0 where the kernel does not count it */
};

void moment_read(struct moment *moment);

/* Whether the settings are those that the personality was made from. */
bool moment_fits(const struct moment *moment, const struct personality *personality);

/* Names what has changed since, as a text to be freed; NULL: nothing has. */
char *moment_changes(const struct moment *since);

#endif
