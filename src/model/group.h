/* group.h - a memory control group around all processes of the machine.
 * Layer: model (includes base and the buddy core).
 *
 * Counted as the kernel charges it: user pages, page tables, and of the kernel's objects VMAs,
 * anon_vmas and what links the two, by their bytes. Pages that were there when the limit was set
 * are another group's. A page that does not fit is reclaimed for; when nothing comes free, a
 * process is killed, though the machine has memory left. */
#ifndef ARENITE_MODEL_GROUP_H
#define ARENITE_MODEL_GROUP_H

#include "base/compiler.h"

struct machine;

struct group {
    uint64_t limit_pages; /* 0: no limit */
    uint64_t other_pages; /* charged elsewhere */
    uint64_t other_bytes; /* of objects */
};

/* From now on no more than that; 0: no limit any more. */
void group_limit(struct machine *machine, uint64_t pages);

/* Whether so many pages more fit. */
bool group_admits(const struct machine *machine, uint64_t pages);

#endif
