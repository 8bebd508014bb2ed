/* registry.h - this process's own registry: begun at start, read safely by walks.
 * Layer: api (includes thread and below). The record itself: include/arenite/registry.h. */
#ifndef ARENITE_API_REGISTRY_H
#define ARENITE_API_REGISTRY_H

#include "api/walk.h"

/* Fills in what is known only at run time. Once, before the first allocation. */
void registry_init(void);

/* What a walk over this process has learnt about where it may read. */
struct own_memory {
    uintptr_t leaf;                 /* of the page map */
    const struct meta_block *block; /* of records, that was read from last; NULL: none */
};

/* A walk over this process: reads are copies, and only of memory that is ours (heaps, roots,
 * mapped table), so that a damaged pointer ends the walk and not the process. False: the walk's
 * error says why. */
bool registry_walk(struct walk *walk, struct own_memory *own);

#endif
