/* mark.h - what is known of each slot, out of line: whether it is in use, since when, by whom.
 * Layer: slab (includes base, os, pages).
 *
 * Slots have marks under profile=hardened only: an array by slot index for each slab, in the annex
 * of its page heap (pages/page_heap.h), out of reach of whoever writes beside a block.
 *
 *      page heap  | slab, 64 KiB        | slab ...
 *      annex      | a mark a slot  |    | ...
 *
 * I1: of a slot that was never handed out since its slab was laid out, all of the mark is 0.
 * I2: MARK_LIVE from when a slot is handed out to when the program frees it; MARK_FREED from then
 *     on, be it in quarantine, in any list, or on its way to one.
 * Written by whoever holds the slot; read by anybody, for diagnosis. */
#ifndef ARENITE_SLAB_MARK_H
#define ARENITE_SLAB_MARK_H

#include "slab/slab.h"

enum mark_state { MARK_NONE, MARK_LIVE, MARK_FREED };

/* Which family of functions a block is from, as bits: ANY fits all. */
enum mark_origin {
    ORIGIN_MALLOC = 1,
    ORIGIN_NEW = 2,
    ORIGIN_NEW_ARRAY = 4,
    ORIGIN_ANY = ORIGIN_MALLOC | ORIGIN_NEW | ORIGIN_NEW_ARRAY,
};

struct slot_mark {
    uint32_t allocated_at; /* sites (hardened/site.h), 0: not known */
    uint32_t freed_at;
    uint16_t slack; /* bytes of the slot behind what was asked for */
    uint8_t state;  /* enum mark_state */
    uint8_t origin; /* enum mark_origin */
};
_Static_assert(sizeof(struct slot_mark) == 12, "all slots of a granule have room in its annex");

/* No slot that has a mark is smaller: there are words of it that no list writes to. */
#define MARKED_LEAST_BYTES (2 * SLAB_STEP_BYTES)
/* For a granule of the smallest ones. */
#define MARKS_GRANULE_BYTES (GRANULE_BYTES / MARKED_LEAST_BYTES * sizeof(struct slot_mark))

INLINE bool slab_has_marks(const struct slab *slab) {
    return slab->marks_distance != 0;
}

INLINE struct slot_mark *slab_marks(const struct slab *slab) {
    return (struct slot_mark *)(slab->start +
                                (uintptr_t)(slab->marks_distance * (intptr_t)SLAB_TOUCHED_BYTES));
}

/* Notes where a slab's marks lie; false when that is too far away to be noted. */
INLINE bool slab_set_marks(struct slab *slab, uintptr_t annex) {
    intptr_t distance = (intptr_t)(annex - slab->start) / (intptr_t)SLAB_TOUCHED_BYTES;
    slab->marks_distance = annex != 0 ? (int32_t)distance : 0;
    return annex == 0 || slab->marks_distance == distance;
}

/* Of a carved slot. The upper half of the inverse, plus one, is a little more than 2^32 divided by
 * the slots' size: enough for offsets below 2^20. */
INLINE size_t slab_index_of(const struct slab *slab, const void *slot) {
    uint64_t offset = (uintptr_t)slot - slab->origin;
    return (size_t)(offset * ((slab->inverse >> 32) + 1) >> 32);
}
_Static_assert(SLAB_SPAN_MAX_BYTES <= (size_t)1 << 20 || GRANULE_SHIFT > 16,
               "offsets are small beside the inverse");

/* Of a slab that has marks. */
INLINE struct slot_mark *slab_mark_of(const struct slab *slab, const void *slot) {
    return &slab_marks(slab)[slab_index_of(slab, slot)];
}

/* The same for diagnosis; NULL: there is none. */
INLINE const struct slot_mark *slab_find_mark(const struct slab *slab, const void *slot) {
    return slab_has_marks(slab) ? slab_mark_of(slab, slot) : NULL;
}

/* What the user of a slot may write: what was asked for, where that is known. */
INLINE size_t slab_usable_bytes(const struct slab *slab, const void *slot) {
    const struct slot_mark *mark = slab_find_mark(slab, slot);
    return slab->slot_bytes - (mark != NULL ? mark->slack : 0u);
}

INLINE enum mark_state mark_state(const struct slot_mark *mark) {
    return (enum mark_state)__atomic_load_n(&mark->state, __ATOMIC_ACQUIRE);
}

#endif
