/* sweep.h - giving back whole free pages wherever they lie, beyond what the arena may keep.
 * Layer: chunk (includes base, os, pages).
 *
 * After a free that made a large free chunk, and when many small ones have come together, the
 * arena's dirty bytes are compared with its budget (pages/retention.h). What is too much goes back,
 * in this order: the end of the newest heap; the chunk just freed, when it holds much by itself;
 * whatever a walk over the bins finds.
 *
 * Pages inside chunks are given back without the arena's lock: the chunks are taken out of their
 * bins and look in use (to the bins, to their neighbours, to audits) until they are freed again.
 *
 *   under the lock: sweep_choose    without: sweep_purge, which takes the lock for putting back
 *
 * A child forked in between by another thread does not see them again: they are lost to it. */
#ifndef ARENITE_CHUNK_SWEEP_H
#define ARENITE_CHUNK_SWEEP_H

#include "chunk/keep.h"

/* Chunks out of their bins, linked by fd; each holds what will be done to it. */
struct sweep {
    struct chunk *first; /* NULL: nothing to do */
    size_t given_bytes;  /* back to the kernel, set by sweep_purge */
};

/* What to give back now, after a free that made `chunk` (free, or top) what it is. */
struct sweep sweep_choose(struct arena *arena, struct chunk *chunk);

/* Everything there is, at most a batch of it: empty when nothing is left. */
struct sweep sweep_choose_all(struct arena *arena);

/* Gives the pages back and frees the chunks; not under the lock. */
void sweep_purge(struct arena *arena, struct sweep *sweep);

/* After an operation of this thread that was left: frees the chunks that it had out of an arena, if
 * that is whole. Not under a lock. */
void sweep_recover(struct arena *arena);

/* How much of it is resident: a kernel call for each chunk. */
size_t sweep_resident_bytes(const struct sweep *sweep);

/* True when small free chunks have come together to more than is looked at freeing by freeing. */
INLINE bool sweep_walk_is_due(const struct arena *arena) {
    return arena->keep != NULL && keep_dirty_bytes(arena) > arena->walk_at_bytes;
}

#endif
