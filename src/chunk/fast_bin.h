/* fast_bin.h - singly linked bins of small freed chunks that are not merged at once.
 * Layer: chunk (includes base, os).
 *
 * One bin per chunk size from 32 up to params.fast_max (default 128; 32-bit: 16 to 64), last in
 * first out. Their chunks keep looking "in use" to their neighbours, so freeing is a push; the
 * price is fragmentation, paid back when consolidation merges them all: when a large block is
 * asked for, when a merged chunk of 64 KiB or more appears, and before memory is trimmed.
 *
 * I1: a chunk in fast bin i has the size fast_bin_bytes(i), and the P bit of its successor is set.
 * I2: a chunk in a fast bin carries the key of a freed one (quick.h), so that a second free is
 *     noticed wherever in its list it lies.
 * I3: links are masked with their place (as quick lists'), so that an overwritten one is noticed.
 * All functions: under the arena's lock. Source: ptmalloc's fast bins. */
#ifndef ARENITE_CHUNK_FAST_BIN_H
#define ARENITE_CHUNK_FAST_BIN_H

#include "chunk/arena.h"
#include "chunk/heap.h"
#include "chunk/params.h"
#include "os/report.h"

INLINE bool fast_bin_serves(size_t bytes) {
    return bytes <= params.fast_max;
}

INLINE unsigned fast_bin_index(size_t bytes) {
    return (unsigned)(bytes / CHUNK_ALIGNMENT) - 2;
}

INLINE size_t fast_bin_bytes(unsigned index) {
    return (size_t)(index + 2) * CHUNK_ALIGNMENT;
}

/* The link of a fast chunk lies in its first user word, masked with the word's address. */
INLINE struct chunk *fast_bin_next(const struct chunk *chunk) {
    uintptr_t mask = (uintptr_t)&chunk->links.fd >> 12;
    return (struct chunk *)((uintptr_t)chunk->links.fd ^ mask);
}

INLINE void fast_bin_set_next(struct chunk *chunk, const struct chunk *next) {
    uintptr_t mask = (uintptr_t)&chunk->links.fd >> 12;
    chunk->links.fd = (struct links *)((uintptr_t)next ^ mask);
}

INLINE void fast_bin_check(const struct chunk *chunk, unsigned index) {
    if (UNLIKELY(!is_aligned((uintptr_t)chunk, CHUNK_ALIGNMENT) || heap_find(chunk) == NULL ||
                 chunk_bytes(chunk) != fast_bin_bytes(index) ||
                 !quick_looks_freed(chunk_memory(chunk)))) {
        report_corruption("corrupted fast bin: a freed chunk was written to", chunk_memory(chunk));
    }
}

/* The key stands where a quick list keeps it. */
INLINE void fast_bin_set_key(struct chunk *chunk, uintptr_t key) {
    ((struct quick_slot *)chunk_memory(chunk))->key = key;
}

/* Puts a chunk, still marked in use, into its bin. It is not there yet (its key would tell). */
INLINE void fast_bin_push(struct arena *arena, struct chunk *chunk) {
    unsigned index = fast_bin_index(chunk_bytes(chunk));
    fast_bin_set_next(chunk, arena->fast[index]);
    fast_bin_set_key(chunk, quick_secret);
    compiler_fence();
    arena->fast[index] = chunk;
    arena->flags |= ARENA_HAS_FAST;
}

/* Takes the newest chunk of a bin, NULL when it is empty. */
INLINE struct chunk *fast_bin_pop(struct arena *arena, unsigned index) {
    struct chunk *chunk = arena->fast[index];
    if (chunk == NULL) {
        return NULL;
    }
    fast_bin_check(chunk, index);
    arena->fast[index] = fast_bin_next(chunk);
    fast_bin_set_key(chunk, 0);
    return chunk;
}

/* Merges every fast chunk with its free neighbours, into the unsorted bin or top. */
void fast_bin_consolidate(struct arena *arena);

/* NULL when the bins keep their invariants, else the first broken one; sums the chunks up. */
const char *fast_bin_audit(const struct arena *arena, size_t *chunk_count, size_t *total_bytes);

#endif
