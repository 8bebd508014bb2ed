/* swap.h - the swap area: slots of a page each, and the swap cache.
 * Layer: model (includes base).
 *
 *   page-table entry --(present)--> frame --slot_of--> slot        the page is in the swap cache:
 *   page-table entry --(swapped)--> slot  --frame_of-> frame       in memory and in its slot
 *
 * A slot is in use as long as entries lead to it or a frame holds a copy of it. A page on its way
 * out is in the cache until its frame is taken, and one that was read in until somebody writes to
 * it: then reading or writing it a second time costs no transfer.
 *
 * Free slots are handed out one after the other, those that were used before again in the order in
 * which they came back: pages that leave together lie together, and come back together.
 *
 * I1: slot_of[f] = s exactly when frame_of[s] = f, for f and s above 0.
 * I2: used = slots with entries or a frame. Units: slots, which are pages.
 * Source: mm/swapfile.c and swap_state.c of Linux 6.x, re-told and much simplified. */
#ifndef ARENITE_MODEL_SWAP_H
#define ARENITE_MODEL_SWAP_H

#include "model/address.h"
#include "model/memory.h"

/* A slot of the swap area, counted from 1; 0: none. */
typedef uint32_t swap_slot;

/* Pages that one read brings in, aligned (vm.page-cluster = 3). */
#define SWAP_CLUSTER_SLOTS 8

struct swap {
    uint32_t slots;
    uint32_t used;
    uint32_t fresh;       /* slots from here on were never used */
    uint32_t first_freed; /* free slots in the order in which they were freed */
    uint32_t last_freed;
    uint32_t *next_freed; /* per slot */
    uint32_t *entries;    /* per slot: page-table and cache entries that lead to it */
    uint32_t *frame_of;   /* per slot: the frame that holds a copy */
    uint8_t *written;     /* per slot: it holds something else than zeros */
    swap_slot *slot_of;   /* per frame */
    uint64_t pages_out;   /* transfers so far (pswpout, pswpin) */
    uint64_t pages_in;
    uint64_t cached_pages;
};

/* -ENOMEM when the pool cannot hold the records. slots may be 0. */
int swap_init(struct swap *swap, uint64_t slots, size_t frames, struct model_memory *memory);

/* Takes a slot for a frame, which is in the cache then; 0: the area is full. No entry leads to it
 * yet. */
swap_slot swap_take(struct swap *swap, struct pfn frame);

/* A frame takes a copy of a slot that entries lead to. */
void swap_cache(struct swap *swap, swap_slot slot, struct pfn frame);

/* The frame no longer has a copy; a slot without entries is free then. */
void swap_uncache(struct swap *swap, struct pfn frame);

/* An entry more, or one less; a slot without entries and frame is free. */
void swap_share(struct swap *swap, swap_slot slot);
void swap_drop(struct swap *swap, swap_slot slot);

INLINE swap_slot swap_slot_of(const struct swap *swap, struct pfn frame) {
    return swap->slot_of[frame.number];
}

INLINE struct pfn swap_frame_of(const struct swap *swap, swap_slot slot) {
    return (struct pfn){swap->frame_of[slot]};
}

INLINE uint32_t swap_entries(const struct swap *swap, swap_slot slot) {
    return swap->entries[slot];
}

INLINE uint64_t swap_free_slots(const struct swap *swap) {
    return swap->slots - swap->used;
}

/* More than half used: pages that come in do not keep their slots. */
INLINE bool swap_is_scarce(const struct swap *swap) {
    return (uint64_t)swap->used * 2 >= swap->slots;
}

/* NULL, or the first broken invariant. */
const char *swap_audit(const struct swap *swap, size_t frames);

#endif
