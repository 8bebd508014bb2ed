/* page_heap_internal.h - what the page_heap_*.c files share.
 * Layer: pages, private to page_heap*.c.
 *
 * Heap records are type-stable: made once, kept on `all` for ever, reused when their heap has been
 * unmapped. A walk over `all` may therefore drop the lock between two records. */
#ifndef ARENITE_PAGES_PAGE_HEAP_INTERNAL_H
#define ARENITE_PAGES_PAGE_HEAP_INTERNAL_H

#include "base/list.h"
#include "os/lock.h"
#include "pages/page_heap.h"
#include "pages/retention.h"

/* Address space as it was mapped: the heap, and what could not be trimmed off around it. */
struct heap_mapping {
    uintptr_t start; /* of the heap */
    size_t bytes;
    uintptr_t mapped_start;
    size_t mapped_bytes;
    uintptr_t annex; /* a mapping of its own; 0: none */
    size_t annex_bytes;
};

enum heap_state {
    HEAP_UNUSED, /* a record without a heap: spare, or about to get one */
    HEAP_LIVE,
    HEAP_LEAVING, /* being unmapped: off all lists, nothing of it counts */
};

/* What a thread does to a heap without the lock: it purges units (count is not 0), or fills or
 * empties the record. */
struct heap_work {
    uint32_t tag; /* of the thread (os/lock.h); 0: nothing */
    uint32_t first;
    uint32_t count;
};

struct page_heap {
    /* Aligned, so that what follows the record is. */
    _Alignas(16) struct page_heap *next; /* on `all`; written once */
    struct list_link by_order; /* on the list of its largest free order, when anything is free */
    struct list_link growing;  /* while not all is committed */
    struct list_link spare;    /* while unused */
    struct heap_mapping mapping;
    enum heap_state state;
    int largest_order; /* as by_order has it; -1: nothing free */
    uint32_t units;
    uint32_t committed_units;
    uint32_t dirty_units; /* free, not known zero */
    uint32_t purging_units;
    struct buddy buddy; /* its metadata follows this struct */
    uint64_t known_zero[(PAGE_HEAP_MAX_UNITS + 63) / 64];
    uint64_t dirty[(PAGE_HEAP_MAX_UNITS + 63) / 64]; /* free, not known zero */
    struct heap_work work;
    uint64_t purging[(PAGE_HEAP_MAX_UNITS + 63) / 64];
    uint8_t touched[PAGE_HEAP_MAX_UNITS]; /* since the last purge, in sixteenths */
    uint8_t use[PAGE_HEAP_MAX_UNITS];     /* what it was used for last */
};

#define UNIT_TOUCHED_ALL 16u

struct page_heap_set {
    struct lock lock;
    struct page_heap *all;
    struct list spare;
    struct list growing;
    struct list by_order[BUDDY_ORDERS];
    uint32_t orders;     /* bit k: by_order[k] is not empty */
    size_t dirty_units;  /* over all live heaps */
    size_t purged_units; /* given back, and not handed out since */
    struct retention retention;
    uintptr_t newest_start; /* below here the next heap is tried; 0: no heap yet */
};

extern struct page_heap_set page_heaps;

/* Under the lock: the calling thread begins, or has ended, something that it does without it. A
 * second thread that purges the same heap meanwhile is not noted. */
INLINE void page_heap_begin_work(struct page_heap *heap, uint32_t first, uint32_t count) {
    if (heap->work.tag == 0) {
        heap->work = (struct heap_work){lock_own_tag(), first, count};
    }
}
INLINE bool page_heap_is_my_work(const struct page_heap *heap) {
    return heap->work.tag != 0 && heap->work.tag == lock_tag;
}
INLINE void page_heap_end_work(struct page_heap *heap) {
    if (page_heap_is_my_work(heap)) {
        heap->work.tag = 0;
    }
}

INLINE void page_heaps_take(void) {
    lock_take(&page_heaps.lock, LOCK_RANK_PAGE_HEAP);
}

INLINE void page_heaps_drop(void) {
    lock_drop(&page_heaps.lock, LOCK_RANK_PAGE_HEAP);
}

/* ---- page_heap_dirty.c: under the lock ------------------------------------------------------- */

/* A heap and the first of the free units with touched pages that suit the wish best; NULL: there
 * are none. */
struct page_heap *page_heap_find_dirty(const struct page_wish *wish, uint32_t *first);

/* A run is given back: what its user says of it. */
void page_heap_note_user(struct page_heap *heap, uint32_t first, const struct page_run *run);
/* Marks free units as dirty or not, and counts them. */
void page_heap_mark_dirty(struct page_heap *heap, uint32_t first, uint32_t count, bool is_dirty);
size_t page_heap_touched_bytes(const struct page_heap *heap, uint32_t first, uint32_t count);

/* ---- page_heap_reserve.c: no state, no lock -------------------------------------------------- */

/* Reserves a heap of at least min_bytes, just below `above` when that place is free (0: anywhere),
 * and prepares the page map for it. 0 or -ENOMEM. */
int heap_mapping_reserve(size_t min_bytes, uintptr_t above, struct heap_mapping *mapping);

/* 0 or a negative errno; the mapping then stays whole. */
int heap_mapping_release(const struct heap_mapping *mapping);

/* ---- page_heap_record.c: under the lock ------------------------------------------------------ */

/* A record without a heap, or NULL. */
struct page_heap *page_heap_take_record(void);
void page_heap_put_record(struct page_heap *heap);

/* Makes a record a live heap on a fresh mapping, or takes it out of service again. */
void page_heap_enlist(struct page_heap *heap, const struct heap_mapping *mapping);
void page_heap_delist(struct page_heap *heap);
/* Puts a heap that was taken out of service back, as it was. */
void page_heap_relist(struct page_heap *heap);
/* Empties a record's buddy: no unit added. */
void page_heap_reset_buddy(struct page_heap *heap);
/* Moves a heap to the list that its largest free block asks for. */
void page_heap_reclass(struct page_heap *heap);
/* Tells the retention how much is free, or was freed and given back. */
void page_heaps_note_level(void);
/* Adds to, or takes from, the dirty free units of a heap. */
void page_heap_count_dirty(struct page_heap *heap, uint32_t added, uint32_t removed);

/* ---- units ----------------------------------------------------------------------------------- */

INLINE uintptr_t heap_address(const struct page_heap *heap, uint32_t unit) {
    return heap->mapping.start + ((uintptr_t)unit << GRANULE_SHIFT);
}

INLINE size_t units_bytes(size_t units) {
    return units << GRANULE_SHIFT;
}

/* What a heap has beside so many of its units. */
INLINE size_t heap_annex_bytes(const struct page_heap *heap, size_t units) {
    return heap->mapping.annex_bytes / heap->units * units;
}

/* The records of a unit; 0: there are none. */
INLINE uintptr_t heap_annex_address(const struct page_heap *heap, uint32_t unit) {
    bool has_annex = heap->mapping.annex != 0;
    return has_annex ? heap->mapping.annex + heap_annex_bytes(heap, unit) : 0;
}

INLINE bool heap_unit_is_zero(const struct page_heap *heap, uint32_t unit) {
    return (heap->known_zero[unit / 64] >> unit % 64 & 1) != 0;
}

INLINE void heap_unit_mark_zero(struct page_heap *heap, uint32_t unit, bool is_zero) {
    uint64_t bit = (uint64_t)1 << unit % 64;
    if (is_zero) {
        heap->known_zero[unit / 64] |= bit;
    } else {
        heap->known_zero[unit / 64] &= ~bit;
    }
}

INLINE bool heap_unit_is_dirty(const struct page_heap *heap, uint32_t unit) {
    return (heap->dirty[unit / 64] >> unit % 64 & 1) != 0;
}

INLINE bool heap_unit_is_purging(const struct page_heap *heap, uint32_t unit) {
    return (heap->purging[unit / 64] >> unit % 64 & 1) != 0;
}

INLINE void heap_mark_purging(struct page_heap *heap, uint32_t first, uint32_t count, bool is) {
    for (uint32_t unit = first; unit < first + count; unit++) {
        uint64_t bit = (uint64_t)1 << unit % 64;
        heap->purging[unit / 64] =
            is ? heap->purging[unit / 64] | bit : heap->purging[unit / 64] & ~bit;
    }
}

/* The page map's word, which the buddy has no part in. */
INLINE bool heap_unit_is_in_use(const struct page_heap *heap, uint32_t unit) {
    page_entry entry = page_map_get((const void *)heap_address(heap, unit));
    return page_entry_kind(entry) == PAGE_RUN;
}

INLINE bool heap_unit_is_free(const struct page_heap *heap, uint32_t unit) {
    unsigned order = 0;
    return buddy_find(&heap->buddy, unit, &order) != BUDDY_NONE;
}

#endif
