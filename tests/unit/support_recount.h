/* support_recount.h - the whole-arena audit of the tests: walks every heap and believes nothing.
 * Layer: tests (includes chunk and below).
 *
 * It recounts from the chunks themselves: that they tile every piece of memory from start to top or
 * fence, that P bits and repeated sizes agree, that no two free chunks are neighbours, that A bits
 * name the arena, that the free chunks are exactly those in the bins, and that the pieces add up to
 * system_bytes. */
#ifndef ARENITE_TESTS_UNIT_SUPPORT_RECOUNT_H
#define ARENITE_TESTS_UNIT_SUPPORT_RECOUNT_H

#include "chunk/arena.h"

#include <stddef.h>

struct recount {
    size_t heaps;
    size_t heap_bytes; /* sum over the pieces */
    size_t used_count, used_bytes;
    size_t free_count, free_bytes; /* in bins, without top */
    size_t fast_count, fast_bytes; /* part of used */
    size_t top_bytes;
};

/* NULL when the arena keeps its invariants, else the first broken one. Nobody else may be in the
 * arena. `counts` may be NULL. */
const char *recount_arena(struct arena *arena, struct recount *counts);

/* The same for every arena of the ring and for the mapped chunks. */
const char *recount_all(void);

#endif
