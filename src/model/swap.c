/* swap.c - slots of the swap area, and the swap cache.
 * Layer: model (includes base). */
#include "model/swap.h"

#include "base/check.h"

#include <errno.h>

int swap_init(struct swap *swap, uint64_t slots, size_t frames, struct model_memory *memory) {
    size_t records = (size_t)slots + 1;
    if (slots >= UINT32_MAX) {
        return -ENOMEM;
    }
    *swap = (struct swap){
        .slots = (uint32_t)slots,
        .fresh = 1,
        .next_freed = model_alloc_range(memory, records * sizeof *swap->next_freed),
        .entries = model_alloc_range(memory, records * sizeof *swap->entries),
        .frame_of = model_alloc_range(memory, records * sizeof *swap->frame_of),
        .written = model_alloc_range(memory, records),
        .slot_of = model_alloc_range(memory, frames * sizeof *swap->slot_of),
    };
    bool made = swap->next_freed != NULL && swap->entries != NULL && swap->frame_of != NULL &&
                swap->written != NULL && swap->slot_of != NULL;
    return made ? 0 : -ENOMEM;
}

static swap_slot take_slot(struct swap *swap) {
    if (swap->fresh <= swap->slots) {
        return swap->fresh++;
    }
    swap_slot slot = swap->first_freed;
    if (slot != 0) {
        swap->first_freed = swap->next_freed[slot];
        swap->last_freed = swap->first_freed == 0 ? 0 : swap->last_freed;
    }
    return slot;
}

static void free_if_unused(struct swap *swap, swap_slot slot) {
    if (swap->entries[slot] != 0 || swap->frame_of[slot] != 0) {
        return;
    }
    *(swap->last_freed == 0 ? &swap->first_freed : &swap->next_freed[swap->last_freed]) = slot;
    swap->last_freed = slot;
    swap->next_freed[slot] = 0;
    swap->used--;
}

swap_slot swap_take(struct swap *swap, struct pfn frame) {
    swap_slot slot = take_slot(swap);
    if (slot != 0) {
        swap->used++;
        swap_cache(swap, slot, frame);
    }
    return slot;
}

void swap_cache(struct swap *swap, swap_slot slot, struct pfn frame) {
    DEBUG_CHECK(swap->frame_of[slot] == 0 && swap->slot_of[frame.number] == 0);
    swap->frame_of[slot] = (uint32_t)frame.number;
    swap->slot_of[frame.number] = slot;
    swap->cached_pages++;
}

void swap_uncache(struct swap *swap, struct pfn frame) {
    swap_slot slot = swap->slot_of[frame.number];
    DEBUG_CHECK(slot != 0);
    swap->frame_of[slot] = 0;
    swap->slot_of[frame.number] = 0;
    swap->cached_pages--;
    free_if_unused(swap, slot);
}

void swap_share(struct swap *swap, swap_slot slot) {
    swap->entries[slot]++;
}

void swap_drop(struct swap *swap, swap_slot slot) {
    DEBUG_CHECK(swap->entries[slot] > 0);
    swap->entries[slot]--;
    free_if_unused(swap, slot);
}

/* ---- audit --------------------------------------------------------------------------------- */

const char *swap_audit(const struct swap *swap, size_t frames) {
    uint64_t used = 0;
    uint64_t cached = 0;
    for (swap_slot slot = 1; slot < swap->fresh; slot++) {
        uint32_t frame = swap->frame_of[slot];
        used += swap->entries[slot] != 0 || frame != 0;
        cached += frame != 0;
        if (frame != 0 && swap->slot_of[frame] != slot) {
            return "swap I1: a slot's frame belongs to another slot";
        }
    }
    uint64_t holders = 0;
    for (size_t frame = 1; swap->slots > 0 && frame < frames; frame++) {
        holders += swap->slot_of[frame] != 0;
    }
    if (cached != swap->cached_pages || holders != cached) {
        return "swap I1: slots with frames and frames with slots differ in number";
    }
    return used == swap->used ? NULL : "swap I2: slots in use are miscounted";
}
