/* medium.h - a thread's quick lists for medium chunks: exact sizes, bounded together in bytes.
 * Layer: chunk (includes base, os).
 *
 * Above the slabs' classes chunks keep their 16-byte granularity, which wastes little, and their
 * engine, which costs a lock, a search and a merge. Programs ask for few medium sizes again and
 * again, so a freed chunk waits in a list of its very size. A size finds its list by a hash; it is
 * remembered there when it is freed first and kept from the second time on, and when another size
 * comes to the same place, the former one's chunks go home to the arenas. When all
 * lists together hold more than the thread's share, everything goes home at once, and sizes that
 * are not asked for any more do not keep their place.
 *
 * Chunks in a list count as in use for their arena. Slots are those of quick.h: masked links, a
 * secret key against double frees; behind them the link once more, as there is room.
 *
 * I1: every chunk in a list has its size, which hashes to the list; held_bytes is the sum of all.
 * Only the owning thread touches it. */
#ifndef ARENITE_CHUNK_MEDIUM_H
#define ARENITE_CHUNK_MEDIUM_H

#include "chunk/quick.h"

#define MEDIUM_MIN_BYTES ((size_t)1024)
#define MEDIUM_MAX_BYTES ((size_t)1024 * 1024)
#define MEDIUM_LISTS_SHIFT 6
#define MEDIUM_LISTS (1 << MEDIUM_LISTS_SHIFT)

/* What all threads together may hold, and what each may hold anyway. */
#define MEDIUM_ALL_BYTES ((size_t)1536 * 1024)
#define MEDIUM_SHARE_MIN_BYTES ((size_t)64 * 1024)

struct medium_list {
    size_t bytes; /* of each chunk */
    struct quick_slot *head;
};

struct medium_lists {
    size_t held_bytes;
    size_t most_bytes; /* its share, as it was when it was last full */
    struct medium_list lists[MEDIUM_LISTS];
};

INLINE bool medium_serves(size_t bytes) {
    return bytes - MEDIUM_MIN_BYTES <= MEDIUM_MAX_BYTES - MEDIUM_MIN_BYTES;
}

/* Where chunks of a size wait. By a multiplicative hash (Knuth, volume 3, section 6.4), so that
 * neither neighbouring sizes nor powers of two meet. */
INLINE struct medium_list *medium_list_of(struct medium_lists *lists, size_t bytes) {
    uint32_t hash = (uint32_t)(bytes / CHUNK_ALIGNMENT) * UINT32_C(0x9e3779b1);
    return &lists->lists[hash >> (32 - MEDIUM_LISTS_SHIFT)];
}

/* A link was overwritten: reports the chunk, and gives what all lists hold up. */
COLD void medium_abandon(struct medium_lists *lists, const struct quick_slot *slot);

/* Behind a slot's words its link stands once more, under the secret: what was written over either
 * is not followed. */
INLINE uintptr_t *medium_link_again(struct quick_slot *slot) {
    return (uintptr_t *)(slot + 1);
}

/* Takes the newest chunk's memory from a list that is not empty; NULL when it is damaged. */
INLINE void *medium_pop(struct medium_lists *lists, struct medium_list *list) {
    struct quick_slot *slot = list->head;
    struct quick_slot *next = quick_slot_next(slot);
    if (UNLIKELY((slot->next ^ quick_secret) != *medium_link_again(slot) ||
                 !quick_looks_freed(slot))) {
        medium_abandon(lists, slot);
        return NULL;
    }
    list->head = next;
    compiler_fence();
    lists->held_bytes -= list->bytes;
    slot->key = 0;
    return slot;
}

/* Puts a chunk's memory into a list of its size. It does not look freed (quick_looks_freed). */
INLINE void medium_push(struct medium_lists *lists, struct medium_list *list, void *memory) {
    struct quick_slot *slot = memory;
    slot->key = quick_secret;
    slot->next = (uintptr_t)list->head ^ quick_mask(slot);
    *medium_link_again(slot) = slot->next ^ quick_secret;
    compiler_fence();
    list->head = slot;
    lists->held_bytes += list->bytes;
}

/* Whether the memory of a chunk of a size lies in its list, as far as that can be followed. Only
 * the owner. */
bool medium_holds(struct medium_lists *lists, size_t bytes, const struct quick_slot *slot);

/* Adds up what the lists hold, after a step of theirs was left half done. Only the owner. */
void medium_recount(struct medium_lists *lists);

/* NULL when I1 holds, else the first broken invariant. */
const char *medium_audit(struct medium_lists *lists);

#endif
