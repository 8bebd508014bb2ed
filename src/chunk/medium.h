/* medium.h - a thread's quick lists for medium chunks: exact sizes, bounded together in bytes.
 * Layer: chunk (includes base, os).
 *
 * Above the slabs' classes chunks keep their 16-byte granularity, which wastes little, and their
 * engine, which costs a lock, a search and a merge. Programs ask for few medium sizes again and
 * again, so each freed chunk waits in a list of its very size; when all lists together hold more
 * than the thread's share, everything goes home to the arenas at once, and sizes that are not
 * asked for any more do not keep their place.
 *
 * Chunks in a list count as in use for their arena. Slots are those of quick.h: masked links, a
 * secret key against double frees.
 *
 * I1: every chunk in list i has the size medium_bytes(i); held_bytes is the sum of all.
 * Only the owning thread touches it. */
#ifndef ARENITE_CHUNK_MEDIUM_H
#define ARENITE_CHUNK_MEDIUM_H

#include "chunk/quick.h"

#define MEDIUM_MIN_BYTES ((size_t)1024)
#define MEDIUM_LISTS 2048

/* What all threads together may hold, and what each may hold anyway. */
#define MEDIUM_ALL_BYTES ((size_t)1536 * 1024)
#define MEDIUM_SHARE_MIN_BYTES ((size_t)64 * 1024)

struct medium_lists {
    size_t held_bytes;
    struct quick_slot *head[MEDIUM_LISTS];
};

/* List for a chunk size, MEDIUM_LISTS or more when none serves it. */
INLINE size_t medium_index(size_t bytes) {
    return (bytes - MEDIUM_MIN_BYTES) / CHUNK_ALIGNMENT;
}

INLINE size_t medium_bytes(size_t index) {
    return MEDIUM_MIN_BYTES + index * CHUNK_ALIGNMENT;
}

/* A link was overwritten: reports the chunk, and gives what all lists hold up. */
COLD void medium_abandon(struct medium_lists *lists, const struct quick_slot *slot);

/* Takes the newest chunk's memory of a size, NULL when there is none. */
INLINE void *medium_pop(struct medium_lists *lists, size_t index) {
    struct quick_slot *slot = lists->head[index];
    if (slot == NULL) {
        return NULL;
    }
    struct quick_slot *next = quick_slot_next(slot);
    if (UNLIKELY(!is_aligned((uintptr_t)next, CHUNK_ALIGNMENT) || !quick_looks_freed(slot))) {
        medium_abandon(lists, slot);
        return NULL;
    }
    lists->head[index] = next;
    lists->held_bytes -= medium_bytes(index);
    slot->key = 0;
    return slot;
}

/* Puts a chunk's memory into its list. It does not look freed (quick_looks_freed). */
INLINE void medium_push(struct medium_lists *lists, size_t index, void *memory) {
    struct quick_slot *slot = memory;
    slot->key = quick_secret;
    slot->next = (uintptr_t)lists->head[index] ^ quick_mask(slot);
    compiler_fence();
    lists->head[index] = slot;
    lists->held_bytes += medium_bytes(index);
}

/* Whether a chunk's memory lies in its list, as far as that can be followed. Only the owner. */
bool medium_holds(const struct medium_lists *lists, size_t index, const struct quick_slot *slot);

/* NULL when I1 holds, else the first broken invariant. */
const char *medium_audit(const struct medium_lists *lists);

#endif
