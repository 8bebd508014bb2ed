/* region.h - a thread's few large blocks: mappings that it freed and may ask for again.
 * Layer: chunk (includes base, os, pages).
 *
 * A program that takes a large buffer for every request, and touches little of it, would map,
 * fault, unmap each time. So a thread remembers the mappings of its latest large blocks in a few
 * slots, live and freed ones, and takes a freed one again without a lock, an atomic operation or a
 * look into the table of mapped blocks: there the block stays all the time, and names the slot.
 *
 *      EMPTY --- associated ---> LIVE  --- freed by the owner --->  CACHED
 *        ^                        | ^----- asked for again -----------|
 *        '-- freed or resized ----'                                   |
 *        |   by another thread                                        |
 *        '-------------------------- released ------------------------'
 *
 * What stays resident of the cached ones is bounded as all free memory is (pages/retention.h). What
 * a block holds is counted when it is freed for the 1st, 2nd, 4th, 8th ... time: so a sparse one
 * stays from its first free on, and a large one that was touched all over is given back once and
 * stays when it comes the second time.
 *
 * A block takes just the size it had: requests of all sizes are better served by heaps, which can
 * split and merge, and get to them because unmapping a block raises the dynamic threshold, and
 * because a thread whose blocks were of no use again maps no more of its own accord. Only beyond
 * what the threshold can reach an eighth may be wasted.
 *
 * I1: a slot that is not empty is named by the table's entry of its memory, and by no other.
 * I2: dirty_bytes, level_bytes and gone_bytes are the sums over the cached slots.
 * I3: only the owner changes a slot, inside an operation; but another thread may, under the lock of
 *     the mapped blocks, make a live slot empty. */
#ifndef ARENITE_CHUNK_REGION_H
#define ARENITE_CHUNK_REGION_H

#include "chunk/chunk.h"
#include "pages/retention.h"

#define REGION_SLOTS 8
/* Smaller mapped blocks are not worth a slot. */
#define REGION_MIN_BYTES ((size_t)128 * 1024)
/* Requests in a row that fit none of the cached ones. */
#define REGION_SEEKS 64

enum region_state { REGION_EMPTY, REGION_LIVE, REGION_CACHED };

struct region {
    uint32_t state; /* enum region_state */
    uint32_t frees;
    uint32_t purges;  /* since it was last taken with its pages in place */
    uint32_t uses;    /* how often that was */
    bool is_gone;     /* given back for the budget's sake: counted in gone_bytes */
    uintptr_t memory; /* the user's address */
    size_t usable_bytes;
    size_t slack_bytes;  /* a request may be smaller by less than this */
    uintptr_t end;       /* of the mapping */
    size_t request;      /* bytes its seal stands behind (mapped_seal.h), 0: none any more */
    size_t weight_bytes; /* resident when last counted */
    size_t dirty_bytes;  /* of that, not given back: 0 unless cached */
};

struct regions {
    struct region slots[REGION_SLOTS];
    uint32_t latest;  /* slot used last */
    uint32_t useless; /* cached ones that were given back twice without having been of use */
    uint32_t misses;  /* blocks that left without having been of use, less uses by no chance */
    uint32_t seeks;   /* requests since a cached one was found */
    size_t cached_count;
    size_t cached_bytes; /* mappings */
    size_t dirty_bytes;
    size_t level_bytes; /* weight of the cached ones */
    size_t gone_bytes;  /* weight of those whose pages the budget did not allow */
    size_t told_bytes;  /* of that, what the thread's arena knows of */
    size_t most_bytes;  /* that cached ones may hold, whatever was earned */
    struct retention retention;
};

INLINE uint32_t region_state(const struct region *region) {
    return __atomic_load_n(&region->state, __ATOMIC_RELAXED);
}

INLINE void region_set_state(struct region *region, enum region_state state) {
    __atomic_store_n(&region->state, (uint32_t)state, __ATOMIC_RELAXED);
}

/* The pages of a cached block may be gone, and the seal with them. */
INLINE bool region_has_seal(const struct region *region) {
    return region_state(region) != REGION_CACHED;
}

/* A block that a thread keeps in a slot leaves it; NULL: it is in none. */
INLINE void region_leave(struct region *region) {
    if (region != NULL) {
        region_set_state(region, REGION_EMPTY);
    }
}

/* A cached region that serves the request; NULL. */
INLINE struct region *region_find_fit(struct regions *regions, size_t request_bytes) {
    for (uint32_t i = 0; i < REGION_SLOTS; i++) {
        struct region *region = &regions->slots[(regions->latest + i) % REGION_SLOTS];
        if (region->usable_bytes - request_bytes < region->slack_bytes &&
            region_state(region) == REGION_CACHED) {
            return region;
        }
    }
    return NULL;
}

/* The slot of a block, NULL when it has none here. */
INLINE struct region *region_find(struct regions *regions, uintptr_t memory) {
    for (uint32_t i = 0; i < REGION_SLOTS; i++) {
        struct region *region = &regions->slots[(regions->latest + i) % REGION_SLOTS];
        if (region->memory == memory && region_state(region) != REGION_EMPTY) {
            return region;
        }
    }
    return NULL;
}

/* Makes an empty slot that of a live block, which ends with its mapping. */
void region_open(struct region *region, uintptr_t memory, uintptr_t end, size_t request);

/* Slots that are not empty. */
size_t region_count(const struct regions *regions);
/* An empty slot, else NULL. */
struct region *region_find_empty(struct regions *regions);
/* The cached region not used for longest, NULL when there is none. */
struct region *region_find_oldest(struct regions *regions);

/* Makes a cached region live. zeroed: and all its memory zero; false when that cannot be had. */
bool region_take(struct regions *regions, struct region *region, bool zeroed);

/* Makes a live region cached, and gives back what is too much. The caller then releases those that
 * are useless, if there are any. */
void region_put(struct regions *regions, struct region *region);

/* Given back again and again: a heap will serve its size better. */
INLINE bool region_is_useless(const struct region *region) {
    return region->purges >= 2 && region->slack_bytes <= region->usable_bytes / 16 &&
           region_state(region) == REGION_CACHED;
}

/* Sizes come again: it is worth while to map more than the thresholds ask for. */
INLINE bool region_pays(const struct regions *regions) {
    return regions->misses < REGION_SLOTS / 2;
}

/* Of a request that found none: the cached ones without pages are in the way by now, since a chance
 * fit faults where a heap has pages. */
INLINE bool region_note_seek(struct regions *regions) {
    return ++regions->seeks % REGION_SEEKS == 0;
}

/* A cached region is about to leave its slot for good: it counts no more. */
void region_forget(struct regions *regions, struct region *region);

/* NULL when I2 holds, else what is broken. */
const char *region_audit(const struct regions *regions);

#endif
