/* fault_swap.c - faults on pages that went to swap.
 * Layer: model (includes base and the buddy core).
 *
 * A page that is still, or again, in the swap cache costs a minor fault. One that must be read
 * costs a major one, and brings the pages of the 8 slots around its own along into the cache. */
#include "model/mm_internal.h"

/* Reads one slot into the cache; false when there is no frame for it. */
static bool read_slot(struct mm *mm, swap_slot slot, uint64_t index) {
    struct ram *ram = &mm->machine->ram;
    const struct frame_owner owner = {NULL, index};
    swap_share(&ram->swap, slot); /* what reclaim does meanwhile must not free it */
    struct pfn frame = mm_take_page(mm, owner);
    bool still_needed = frame.number != 0 && swap_entries(&ram->swap, slot) > 1;
    if (still_needed) {
        swap_cache(&ram->swap, slot, frame);
        ram->mappings[frame.number] = 0;
        ram_clear(ram, frame, FRAME_WRITTEN);
        ram_set(ram, frame, ram->swap.written[slot] ? FRAME_WRITTEN : 0);
        ram->swap.pages_in++;
    } else if (frame.number != 0) {
        ram_give(ram, frame);
    }
    swap_drop(&ram->swap, slot);
    return still_needed;
}

/* The others of the cluster: what of them is in use and not here. Their owners are found when they
 * are mapped; until then they are pages that reclaim may take first. */
static void read_around(struct mm *mm, swap_slot slot) {
    const struct swap *swap = &mm->machine->ram.swap;
    swap_slot first = slot & ~(swap_slot)(SWAP_CLUSTER_SLOTS - 1);
    for (swap_slot at = first; at < first + SWAP_CLUSTER_SLOTS; at++) {
        bool wanted = at != 0 && at != slot && at < swap->fresh && swap_entries(swap, at) > 0 &&
                      swap_frame_of(swap, at).number == 0;
        if (wanted && !frames_are_low(&mm->machine->frames)) {
            read_slot(mm, at, 0);
        }
    }
}

bool swap_read_in(struct mm *mm, swap_slot slot, uint64_t index) {
    read_around(mm, slot);
    return swap_frame_of(&mm->machine->ram.swap, slot).number != 0 || read_slot(mm, slot, index);
}

/* Puts the page of the cache under the entry that led to its slot. */
static void map_cached(struct fault *fault, struct pfn frame) {
    struct ram *ram = &fault->mm->machine->ram;
    page_entry old = *fault->pte;
    swap_slot slot = entry_slot(old);
    bool alone = swap_entries(&ram->swap, slot) == 1 && ram_mappings(ram, frame) == 0;
    bool own = (old & PTE_EXCLUSIVE) != 0 || alone;
    page_entry flags = PTE_PRESENT | PTE_ANON | PTE_ACCESSED | (own ? PTE_EXCLUSIVE : 0);
    flags |= own && (fault->vma->flags & VMF_WRITE) != 0 ? PTE_WRITE : 0;
    ram->owners[frame.number] = (struct frame_owner){
        NULL, fault->vma->pgoff + pages_of(fault->address - fault->vma->start)};
    ram->mappings[frame.number]++;
    *fault->pte = entry_of(frame, flags);
    fault->mm->anon_pages++;
    fault->mm->swap_pages--;
    swap_drop(&ram->swap, slot);
    if (own && (fault->write || swap_is_scarce(&ram->swap))) {
        swap_uncache(&ram->swap,
                     frame); /* the copy in the slot is no longer, or soon not, wanted */
    }
}

enum fault_signal do_swap_page(struct fault *fault) {
    struct mm *mm = fault->mm;
    const struct swap *swap = &mm->machine->ram.swap;
    swap_slot slot = entry_slot(*fault->pte);
    if (swap_frame_of(swap, slot).number == 0) {
        uint64_t index = fault->vma->pgoff + pages_of(fault->address - fault->vma->start);
        if (!swap_read_in(mm, slot, index)) {
            return FAULT_OOM;
        }
        fault->is_major = true;
    }
    map_cached(fault, swap_frame_of(swap, slot));
    bool needs_copy = fault->write && (*fault->pte & PTE_WRITE) == 0;
    return needs_copy ? do_wp_page(fault) : FAULT_NO_SIGNAL;
}
