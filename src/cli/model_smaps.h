/* model_smaps.h - reads a process's mappings from /proc.
 * Layer: cli (may use libc). */
#ifndef ARENITE_CLI_MODEL_SMAPS_H
#define ARENITE_CLI_MODEL_SMAPS_H

#include "cli/model_state.h"

#include <sys/types.h>

struct smaps {
    int smaps_fd;
    int status_fd;
    char *text;
    size_t room;
};

/* Opens the files of a process; false when it cannot. */
bool smaps_open(struct smaps *smaps, pid_t pid);
void smaps_close(struct smaps *smaps);

/* Calls visit for every VMA, in the order of addresses; false when the file cannot be read. */
bool smaps_visit(struct smaps *smaps, void (*visit)(void *context, const struct model_view *view),
                 void *context);

/* VmPTE; -1 when it cannot be read. */
int64_t smaps_vmpte_kb(struct smaps *smaps);

#endif
