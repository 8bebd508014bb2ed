/* reclaim.c - frames run short: which pages go, and where.
 * Layer: model (includes base and the buddy core).
 *
 *   one pass, by priority 12 (a 4096th of each list) down to 0 (all of it):
 *     active lists   the end becomes inactive, when too few are
 *     inactive lists the end is looked at: used since? it stays, used twice? it becomes active;
 *                    else anonymous pages and shared memory go to swap, clean pages of files are
 *                    dropped, those of MADV_FREE that nobody wrote to are forgotten
 *
 * "Used" is the accessed bit of the entries, which looking clears. A page that went to swap stays
 * in memory, at the end of its list, until the next look takes its frame.
 *
 * Against the kernel: no clock, so that transfers are over at once; one zone; no record of pages
 * that came back soon after they left (workingset); anonymous pages and files share the work by
 * swappiness 60 alone. Source: mm/vmscan.c of Linux 6.x (the lists, not multi-generational LRU). */
#include "base/check.h"
#include "model/file.h"
#include "model/rmap.h"

#define LOWEST_PRIORITY 12
#define SWAPPINESS 60
#define SWAPPINESS_WHOLE 200

/* ---- what the entries say ------------------------------------------------------------------ */

struct look {
    uint32_t referenced;
    bool locked;
    bool executable;
    bool dirty;
};

static void look_at(const struct mapping *mapping, void *context) {
    struct look *look = context;
    look->referenced += (*mapping->entry & PTE_ACCESSED) != 0;
    look->dirty |= (*mapping->entry & PTE_DIRTY) != 0;
    look->locked |= (mapping->vma->flags & VMF_LOCKED) != 0;
    look->executable |= (mapping->vma->flags & VMF_EXEC) != 0;
    *mapping->entry &= ~PTE_ACCESSED;
}

static bool is_file_list(enum lru_list list) {
    return list == LRU_INACTIVE_FILE || list == LRU_ACTIVE_FILE;
}

/* ---- taking a page away -------------------------------------------------------------------- */

struct unmap {
    struct machine *machine;
    page_entry replacement; /* without PTE_EXCLUSIVE, which stays what it was */
};

static void unmap_one(const struct mapping *mapping, void *context) {
    const struct unmap *unmap = context;
    struct mm *mm = mapping->mm;
    page_entry old = *mapping->entry;
    page_entry new = unmap->replacement;
    if ((new &PTE_SWAP) != 0) {
        swap_share(&unmap->machine->ram.swap, entry_slot(new));
        mm->swap_pages++;
        new |= old &PTE_EXCLUSIVE;
    }
    *mapping->entry = new;
    if ((old & PTE_ANON) != 0) {
        mm->anon_pages--;
    } else {
        mm->file_pages--;
    }
    unmap->machine->ram.mappings[entry_frame(old).number]--;
}

/* All entries that lead to a single page become something else. */
static void unmap_page(struct machine *machine, struct pfn frame, page_entry replacement) {
    struct unmap unmap = {machine, replacement};
    rmap_walk(machine, frame, unmap_one, &unmap);
}

enum outcome {
    PAGE_KEPT,
    PAGE_ACTIVATED,
    PAGE_LOCKED,
    PAGE_LEAVING,
    PAGE_FREED,
    PAGE_PLACED /* it is on the list where it belongs already */
};

/* A slot for a page, written unless what is in it already is still the same. */
static swap_slot write_out(struct ram *ram, struct pfn frame, bool dirty) {
    swap_slot slot = swap_slot_of(&ram->swap, frame);
    bool has_copy = slot != 0 && !dirty;
    slot = slot == 0 ? swap_take(&ram->swap, frame) : slot;
    if (slot != 0 && !has_copy) {
        ram->swap.pages_out++;
        ram->swap.written[slot] = ram_is_written(ram, frame);
    }
    return slot;
}

static enum outcome swap_out(struct machine *machine, struct pfn frame, bool dirty) {
    swap_slot slot = write_out(&machine->ram, frame, dirty);
    if (slot == 0) {
        return PAGE_ACTIVATED;
    }
    unmap_page(machine, frame, entry_of_slot(slot, PTE_ANON));
    return PAGE_LEAVING;
}

/* Shared memory: the entry of the cache leads to the slot, those of the tables are empty. */
static enum outcome swap_out_shared(struct machine *machine, struct pfn frame, bool dirty) {
    struct ram *ram = &machine->ram;
    const struct frame_owner *owner = &ram->owners[frame.number];
    unmap_page(machine, frame, 0);
    swap_slot slot = write_out(ram, frame, dirty);
    if (slot == 0) {
        return PAGE_ACTIVATED; /* in the cache still */
    }
    *file_entry(owner->file, owner->index) = entry_of_slot(slot, 0);
    swap_share(&ram->swap, slot);
    ram->mappings[frame.number]--;
    return PAGE_LEAVING;
}

/* What nobody wrote to is zeros, and comes back as such. */
static enum outcome drop_clean_shared(struct machine *machine, struct pfn frame) {
    const struct frame_owner *owner = &machine->ram.owners[frame.number];
    unmap_page(machine, frame, 0);
    *file_entry(owner->file, owner->index) = 0;
    ram_drop(&machine->ram, frame);
    return PAGE_FREED;
}

static enum outcome drop_file_page(struct machine *machine, struct pfn frame) {
    const struct frame_owner *owner = &machine->ram.owners[frame.number];
    unmap_page(machine, frame, 0);
    *file_entry(owner->file, owner->index) = PTE_COLD;
    machine->reclaim.file_dropped++;
    ram_drop(&machine->ram, frame);
    return PAGE_FREED;
}

static enum outcome forget_lazy_page(struct machine *machine, struct pfn frame) {
    unmap_page(machine, frame, 0);
    machine->reclaim.lazy_dropped++;
    ram_give(&machine->ram, frame);
    return PAGE_FREED;
}

/* ---- huge pages become small ones first ---------------------------------------------------- */

static void split_pmd(const struct mapping *mapping, void *context) {
    (void)context;
    if ((*mapping->entry & PTE_HUGE) != 0) {
        mm_split_pmd(mapping->mm, mapping->entry);
    }
}

struct parts {
    uint64_t head;
    bool still_huge; /* no frame was left for a table */
    uint32_t mappings[HUGE_PAGES];
};

static void count_part(const struct mapping *mapping, void *context) {
    struct parts *parts = context;
    parts->still_huge |= (*mapping->entry & PTE_HUGE) != 0;
    parts->mappings[entry_frame(*mapping->entry).number - parts->head]++;
}

static enum outcome split_huge(struct machine *machine, struct pfn head) {
    struct parts parts = {.head = head.number};
    rmap_walk(machine, head, split_pmd, NULL);
    rmap_walk(machine, head, count_part, &parts);
    if (parts.still_huge) {
        return PAGE_KEPT;
    }
    ram_split(&machine->ram, head, parts.mappings);
    for (uint64_t i = 0; i < HUGE_PAGES; i++) {
        struct pfn frame = {head.number + i};
        if (parts.mappings[i] > 0 && !ram_is_written(&machine->ram, frame)) {
            unmap_page(machine, frame, PTE_PRESENT | PTE_ZERO); /* nothing but zeros was in it */
            ram_give(&machine->ram, frame);
        }
    }
    return PAGE_PLACED;
}

/* ---- one folio ----------------------------------------------------------------------------- */

static enum outcome judge(struct machine *machine, struct pfn head, struct look *look) {
    struct ram *ram = &machine->ram;
    bool file = is_file_list(lru_list_of(&ram->lru, head));
    uint32_t found = rmap_walk(machine, head, look_at, look);
    uint32_t held = ram->owners[head.number].file != NULL; /* by the cache */
    bool was_referenced = ram_has(ram, head, FRAME_REFERENCED);
    ram_clear(ram, head, FRAME_REFERENCED);
    if (look->locked) {
        return PAGE_LOCKED;
    }
    if (found + held < ram_mappings(ram, head)) {
        return PAGE_KEPT; /* somebody works on it */
    }
    if (look->referenced > 0) {
        ram_set(ram, head, FRAME_REFERENCED);
        bool activate = was_referenced || look->referenced > 1 || (file && look->executable);
        return activate ? PAGE_ACTIVATED : PAGE_KEPT;
    }
    return PAGE_LEAVING;
}

/* What becomes of a folio that nobody used. */
static enum outcome take_away(struct machine *machine, struct pfn head, const struct look *look) {
    struct ram *ram = &machine->ram;
    if (ram_is_huge(ram, head)) {
        return split_huge(machine, head);
    }
    const struct model_file *file = ram->owners[head.number].file;
    bool was_written = look->dirty || ram_has(ram, head, FRAME_WRITTEN | FRAME_DIRTY);
    if (file != NULL && file->is_shared_memory) {
        return was_written ? swap_out_shared(machine, head, look->dirty)
                           : drop_clean_shared(machine, head);
    }
    if (file != NULL) {
        return drop_file_page(machine, head);
    }
    if (!ram_has(ram, head, FRAME_LAZY)) {
        return swap_out(machine, head, look->dirty);
    }
    if (!look->dirty) {
        return forget_lazy_page(machine, head);
    }
    ram_clear(ram, head, FRAME_LAZY); /* written since: memory like any other */
    ram_move_first(ram, head, LRU_ACTIVE_ANON);
    return PAGE_PLACED;
}

/* A page that only the swap cache holds. */
static bool has_left(const struct ram *ram, struct pfn head) {
    return ram_mappings(ram, head) == 0;
}

static enum lru_list active_of(enum lru_list list) {
    return is_file_list(list) ? LRU_ACTIVE_FILE : LRU_ACTIVE_ANON;
}

static enum lru_list inactive_of(enum lru_list list) {
    return is_file_list(list) ? LRU_INACTIVE_FILE : LRU_INACTIVE_ANON;
}

static void place(struct machine *machine, struct pfn head, enum outcome outcome) {
    struct ram *ram = &machine->ram;
    enum lru_list list = lru_list_of(&ram->lru, head);
    switch (outcome) {
    case PAGE_KEPT:
        ram_move_first(ram, head, inactive_of(list));
        break;
    case PAGE_ACTIVATED:
        ram_move_first(ram, head, active_of(list));
        machine->reclaim.activated += ram_pages(ram, head);
        break;
    case PAGE_LOCKED:
        ram_move_first(ram, head, LRU_UNEVICTABLE);
        break;
    case PAGE_LEAVING:
        ram_move_last(ram, head, inactive_of(list));
        break;
    case PAGE_FREED:
    case PAGE_PLACED:
        break;
    }
}

/* Looks at an inactive folio; returns the pages that came free. */
static uint64_t shrink_folio(struct machine *machine, struct pfn head) {
    if (has_left(&machine->ram, head)) {
        ram_give(&machine->ram, head);
        return 1;
    }
    struct look look = {0};
    enum outcome outcome = judge(machine, head, &look);
    if (outcome == PAGE_LEAVING) {
        outcome = take_away(machine, head, &look);
    }
    place(machine, head, outcome);
    return outcome == PAGE_FREED ? 1 : 0;
}

/* ---- lists --------------------------------------------------------------------------------- */

static uint64_t shrink_inactive(struct machine *machine, enum lru_list list, uint64_t count) {
    uint64_t freed = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct pfn head = lru_last(&machine->ram.lru, list);
        if (head.number == 0) {
            break;
        }
        machine->reclaim.scanned += ram_pages(&machine->ram, head);
        freed += shrink_folio(machine, head);
    }
    machine->reclaim.reclaimed += freed;
    return freed;
}

/* Active folios grow old whether used or not; programs' code gets another turn. */
static void shrink_active(struct machine *machine, enum lru_list list, uint64_t count) {
    struct ram *ram = &machine->ram;
    for (uint64_t i = 0; i < count; i++) {
        struct pfn head = lru_last(&ram->lru, list);
        if (head.number == 0) {
            break;
        }
        struct look look = {0};
        rmap_walk(machine, head, look_at, &look);
        if (look.referenced > 0 && look.executable && is_file_list(list)) {
            ram_move_first(ram, head, list);
        } else {
            ram_move_first(ram, head, inactive_of(list));
            machine->reclaim.deactivated += ram_pages(ram, head);
        }
    }
}

/* The more memory, the smaller the inactive share may be: 1:1 below 1 GiB, 3:1 at 1 GiB, ... */
static bool inactive_is_low(const struct lru *lru, enum lru_list inactive, enum lru_list active) {
    uint64_t gib = (lru_pages(lru, inactive) + lru_pages(lru, active)) >> (30 - MODEL_PAGE_SHIFT);
    uint64_t ratio = 1;
    while (gib > 0 && (ratio + 1) * (ratio + 1) <= 10 * gib) {
        ratio++;
    }
    return lru_pages(lru, inactive) * ratio < lru_pages(lru, active);
}

/* How many folios of a list a pass at this priority looks at. */
static uint64_t share(const struct machine *machine, enum lru_list list, unsigned priority) {
    const struct lru *lru = &machine->ram.lru;
    const struct swap *swap = &machine->ram.swap;
    bool file = is_file_list(list);
    bool can_swap = swap_free_slots(swap) > 0 || swap->cached_pages > 0;
    bool trims_cache = lru_pages(lru, LRU_INACTIVE_FILE) >> priority > 0 &&
                       !inactive_is_low(lru, LRU_INACTIVE_FILE, LRU_ACTIVE_FILE);
    if (!file && (!can_swap || trims_cache)) {
        return 0;
    }
    uint64_t pages = lru_pages(lru, list) >> priority;
    bool alone = priority == 0 || trims_cache || !can_swap;
    uint64_t part = file ? SWAPPINESS_WHOLE - SWAPPINESS : SWAPPINESS;
    return alone ? pages : (pages * part + SWAPPINESS_WHOLE - 1) / SWAPPINESS_WHOLE;
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* Anonymous pages of MADV_FREE lie at the end of the files' list, as in the kernel. */
static uint64_t shrink_pair(struct machine *machine, enum lru_list inactive, enum lru_list active,
                            unsigned priority, uint64_t wanted) {
    uint64_t freed = 0;
    uint64_t left = share(machine, inactive, priority);
    uint64_t aging = share(machine, active, priority);
    while ((left > 0 || aging > 0) && freed < wanted) {
        if (aging > 0 && inactive_is_low(&machine->ram.lru, inactive, active)) {
            shrink_active(machine, active, least(aging, RECLAIM_BATCH));
        }
        aging -= least(aging, RECLAIM_BATCH);
        freed += shrink_inactive(machine, inactive, least(left, RECLAIM_BATCH));
        left -= least(left, RECLAIM_BATCH);
    }
    return freed;
}

uint64_t machine_reclaim(struct machine *machine, uint64_t pages) {
    uint64_t freed = 0;
    for (unsigned priority = LOWEST_PRIORITY + 1; priority-- > 0 && freed < pages;) {
        freed += shrink_pair(machine, LRU_INACTIVE_FILE, LRU_ACTIVE_FILE, priority, pages - freed);
        if (freed < pages) {
            freed +=
                shrink_pair(machine, LRU_INACTIVE_ANON, LRU_ACTIVE_ANON, priority, pages - freed);
        }
    }
    frames_drain(&machine->frames);
    return freed;
}

enum lru_list mm_first_list(const struct model_file *file) {
    return file == NULL || file->is_shared_memory ? LRU_INACTIVE_ANON : LRU_INACTIVE_FILE;
}

/* ---- advice -------------------------------------------------------------------------------- */

void mm_page_out(struct machine *machine, struct pfn frame) {
    const struct ram *ram = &machine->ram;
    struct look look = {0};
    bool alone = !ram_is_huge(ram, frame) && rmap_walk(machine, frame, look_at, &look) == 1;
    if (alone && !look.locked) {
        place(machine, frame, take_away(machine, frame, &look));
    }
}

void mm_deactivate(struct machine *machine, struct pfn frame) {
    struct ram *ram = &machine->ram;
    struct pfn head = ram_head(ram, frame);
    enum lru_list list = lru_list_of(&ram->lru, head);
    if (list == LRU_ACTIVE_ANON || list == LRU_ACTIVE_FILE) {
        ram_move_first(ram, head, inactive_of(list));
    }
    ram_clear(ram, head, FRAME_REFERENCED);
}

void mm_free_lazily(struct machine *machine, struct pfn frame) {
    struct ram *ram = &machine->ram;
    struct pfn head = ram_head(ram, frame);
    if (!ram_is_huge(ram, head) || ram_mappings(ram, head) == 1) {
        ram_set(ram, head, FRAME_LAZY);
        ram_clear(ram, head, FRAME_REFERENCED);
        ram_move_first(ram, head, LRU_INACTIVE_FILE);
    }
}

void mm_make_evictable(struct machine *machine, struct pfn frame) {
    struct ram *ram = &machine->ram;
    struct pfn head = ram_head(ram, frame);
    if (lru_list_of(&ram->lru, head) == LRU_UNEVICTABLE) {
        const struct model_file *file = ram->owners[head.number].file;
        ram_move_first(ram, head, mm_first_list(file));
    }
}
