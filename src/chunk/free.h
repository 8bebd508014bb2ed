/* free.h - giving a chunk back to its arena: merging both ways, trimming when much came together.
 * Layer: chunk (includes base, os, pages).
 *
 * The order is ptmalloc's: quick list, fast bin, else merge backward, forward or into top; a
 * merged chunk of 64 KiB or more consolidates the fast bins and lets top shrink. All functions:
 * under the arena's lock. A chunk that cannot be in use, or whose neighbours are damaged,
 * is reported and left alone.
 *
 * I1: a header that merging makes part of a free chunk is cleared: what a heap's memory holds of
 *     sizes is chunks' or the program's. */
#ifndef ARENITE_CHUNK_FREE_H
#define ARENITE_CHUNK_FREE_H

#include "chunk/arena.h"
#include "chunk/keep.h"

/* Frees a chunk in use. Its header was checked against its heap (free_check_header). */
void arena_free(const struct chunk_caller *caller, struct chunk *chunk);

/* The same for what is left of an old top while the arena grows: nothing is trimmed, or the memory
 * just got for a large request would go back before the request is served. True when so much came
 * together that top should be looked at. */
bool arena_free_old_top(const struct chunk_caller *caller, struct chunk *chunk);

/* The same for a chunk that its quick list has no room for. When much came together: the free
 * chunk that was made, for sweep_choose (top has been trimmed already under ptmalloc's rules);
 * else NULL. */
struct chunk *arena_free_past_quick(struct arena *arena, struct chunk *chunk);

/* The part without any list: merges the chunk with free neighbours and puts the result into the
 * unsorted bin or top. */
void free_merge(struct arena *arena, struct chunk *chunk);
/* The same, and some of the chunk's pages are not resident. */
void free_merge_clean(struct arena *arena, struct chunk *chunk, struct clean_range clean);

/* Whether the header of an allegedly live chunk can be true within its heap: a live chunk is never
 * the last one, top or a fence follows. Reads the header, so the address must lie in a heap of
 * ours. */
INLINE bool free_header_is_plausible(const struct chunk *chunk, uintptr_t heap_end_address,
                                     size_t flags_expected) {
    size_t bytes = chunk_bytes(chunk);
    return (((uintptr_t)chunk | bytes) & (CHUNK_ALIGNMENT - 1)) == 0 && bytes >= CHUNK_MIN_BYTES &&
           bytes < heap_end_address - (uintptr_t)chunk &&
           (chunk_head(chunk) & (CHUNK_MMAPPED | CHUNK_NON_MAIN)) == flags_expected;
}

/* Whether what stands behind a chunk with a plausible header can be there while the chunk is in
 * use: it says so, and ends within the heap. */
INLINE bool free_neighbour_is_plausible(const struct chunk *chunk, uintptr_t heap_end_address) {
    const struct chunk *next = chunk_next(chunk);
    size_t head = chunk_head(next);
    return (head & (CHUNK_ALIGNMENT - 1) & ~CHUNK_NON_MAIN) == CHUNK_PREV_IN_USE &&
           head <= heap_end_address - (uintptr_t)next + CHUNK_FLAGS;
}

/* Whether an implausible header is that of a chunk that has become top. */
INLINE bool free_is_top(const struct chunk *chunk, uintptr_t heap_end_address) {
    return is_aligned((uintptr_t)chunk, CHUNK_ALIGNMENT) &&
           chunk_bytes(chunk) == heap_end_address - (uintptr_t)chunk;
}

/* What is wrong with any other, in words. */
const char *free_explain_header(const struct chunk *chunk, uintptr_t heap_end_address);

#endif
