/* quick.h - a thread's quick lists: a few freed chunks of each small size, without a lock.
 * Layer: chunk (includes base). Also known as glibc's thread cache; its rules are kept.
 *
 * 64 lists by chunk size, last in first out, each with room for a bounded number of chunks. A
 * chunk in a list counts as in use for its arena. Its first user word links to the next, masked
 * (an overwritten link then leads to a misaligned address, which is noticed); its second holds a
 * secret key while it lies in a list, so that a double free is seen at once and confirmed by a
 * walk.
 *
 * I1: room[i] + length of list i = the capacity given to quick_open; both 0 before that.
 * I2: every chunk in list i has chunk size quick_chunk_bytes(i).
 * An all-zero structure takes nothing and gives nothing: it is the state of a thread not yet
 * attached, of one that has gone, and of one that is being watched.
 *
 * Only the owning thread touches it. Stores keep an order in which every prefix is valid or loses
 * one chunk, for forked children. */
#ifndef ARENITE_CHUNK_QUICK_H
#define ARENITE_CHUNK_QUICK_H

#include "chunk/chunk.h"

#define QUICK_LISTS 64
#define QUICK_COUNT_DEFAULT 7
#define QUICK_COUNT_MAX 65535
/* Largest chunk size of the last list. */
#define QUICK_MAX_BYTES (CHUNK_MIN_BYTES + (QUICK_LISTS - 1) * CHUNK_ALIGNMENT)
_Static_assert(UINTPTR_MAX == 0xffffffffu || QUICK_MAX_BYTES == 1040, "64-bit limit");

/* What a chunk's user memory holds while it lies in a list. */
struct quick_slot {
    uintptr_t next; /* masked with quick_mask of this slot */
    uintptr_t key;  /* quick_secret */
};

struct quick_lists {
    struct quick_slot *head[QUICK_LISTS];
    uint16_t room[QUICK_LISTS];
};

/* Lists that take nothing and give nothing. */
extern struct quick_lists quick_closed;

/* Set once at start, before the first chunk enters a list; never 0 afterwards. */
extern uintptr_t quick_secret;

/* List for a chunk size, QUICK_LISTS or more when none serves it. */
INLINE size_t quick_index(size_t bytes) {
    return (bytes - CHUNK_MIN_BYTES) / CHUNK_ALIGNMENT;
}

/* Requests up to this need the smallest chunk and no rounding further up. */
#define QUICK_FLOOR_BYTES (CHUNK_MIN_BYTES - SIZE_BYTES - (CHUNK_ALIGNMENT - 1))

/* List for a request, QUICK_LISTS or more when none serves it; any size_t is safe. */
INLINE size_t quick_index_for(size_t request_bytes) {
    size_t request = request_bytes < QUICK_FLOOR_BYTES ? QUICK_FLOOR_BYTES : request_bytes;
    return (request - QUICK_FLOOR_BYTES) / CHUNK_ALIGNMENT;
}

INLINE size_t quick_chunk_bytes(size_t index) {
    return CHUNK_MIN_BYTES + index * CHUNK_ALIGNMENT;
}

/* Links differ by their place, so that a leaked link does not reveal a usable one. */
INLINE uintptr_t quick_mask(const struct quick_slot *slot) {
    return (uintptr_t)slot >> 12;
}

INLINE struct quick_slot *quick_slot_next(const struct quick_slot *slot) {
    return (struct quick_slot *)(slot->next ^ quick_mask(slot));
}

/* How damage to a list of freed chunks is reported. */
#define QUICK_DAMAGE "corrupted free list: the chunk was written to after it was freed"

/* Whether a chunk's memory lies in its list, as far as that can be followed. Only the owner. */
bool quick_holds(const struct quick_lists *lists, size_t index, const struct quick_slot *slot);

/* A link was overwritten: reports the chunk, and gives what the list holds up. */
COLD void quick_abandon(struct quick_lists *lists, size_t index);

/* The key stands in the block: it lies in a list already, or held these bits by chance. */
INLINE bool quick_looks_freed(const struct quick_slot *slot) {
    return slot->key == quick_secret;
}

/* Takes the newest chunk's memory from a list, NULL when there is none. */
INLINE void *quick_pop(struct quick_lists *lists, size_t index) {
    struct quick_slot *slot = lists->head[index];
    if (UNLIKELY(slot == NULL)) {
        return NULL;
    }
    struct quick_slot *next = quick_slot_next(slot);
    if (UNLIKELY(!is_aligned((uintptr_t)next, CHUNK_ALIGNMENT) || !quick_looks_freed(slot))) {
        quick_abandon(lists, index);
        return NULL;
    }
    lists->head[index] = next;
    compiler_fence();
    lists->room[index]++;
    slot->key = 0;
    return slot;
}

INLINE bool quick_link(struct quick_lists *lists, size_t index, struct quick_slot *slot) {
    if (UNLIKELY(lists->room[index] == 0)) {
        return false;
    }
    slot->key = quick_secret;
    slot->next = (uintptr_t)lists->head[index] ^ quick_mask(slot);
    compiler_fence();
    lists->head[index] = slot;
    lists->room[index]--;
    return true;
}

/* Puts a live chunk's memory into a list; false when it is full. */
INLINE bool quick_push(struct quick_lists *lists, size_t index, void *memory) {
    return quick_link(lists, index, memory);
}

/* Gives every list room for `count` chunks, up to the chunk size limit. The lists are empty. */
void quick_open(struct quick_lists *lists, size_t count, size_t limit_bytes);

/* The same for lists that hold chunks, after a step of theirs was left half done. */
void quick_recount(struct quick_lists *lists, size_t count, size_t limit_bytes);

/* Takes one chunk's memory out of any list and closes its room; NULL when all are empty. After
 * the last one the structure is all zero. */
void *quick_drain(struct quick_lists *lists);

/* NULL when the lists keep their invariants, else the first broken one. */
const char *quick_audit(const struct quick_lists *lists, size_t count);

#endif
