/* page_heap_fork.c - page heaps after somebody inside the module was never heard of again: threads
 * of a forked child's parent, or an operation of this thread that a signal handler left by
 * siglongjmp.
 * Layer: pages (includes base, os).
 *
 * What they had stored by then is there: buddies and lists may be half changed. The page map is
 * not, since its entries are single words, and it says what is in use; committed ends and zero
 * marks are stored in an order that makes every prefix true, and what is being purged is marked
 * under the lock. All else is made anew from these four. */
#include "pages/page_heap_internal.h"

static void rebuild_unit(struct page_heap *heap, uint32_t unit) {
    bool is_zero = heap_unit_is_zero(heap, unit);
    heap->touched[unit] = is_zero ? 0 : heap->touched[unit];
    if (heap_unit_is_purging(heap, unit)) {
        heap->purging_units++;
        buddy_claim(&heap->buddy, unit, 1);
    } else if (heap_unit_is_in_use(heap, unit)) {
        buddy_claim(&heap->buddy, unit, 1);
    } else if (!is_zero) {
        heap->dirty[unit / 64] |= (uint64_t)1 << unit % 64;
        heap->dirty_units++;
    }
}

/* What the page map does not name is free; zero marks are cleared before it names anything, so
 * those that stand are true. */
static void rebuild_heap(struct page_heap *heap) {
    page_heap_reset_buddy(heap);
    buddy_add(&heap->buddy, 0, heap->committed_units);
    heap->purging_units = 0;
    heap->dirty_units = 0;
    for (size_t i = 0; i < sizeof heap->dirty / sizeof heap->dirty[0]; i++) {
        heap->dirty[i] = 0;
    }
    for (uint32_t unit = 0; unit < heap->committed_units; unit++) {
        rebuild_unit(heap, unit);
    }
    heap->growing.pointed_by = NULL;
    page_heap_relist(heap);
}

static void forget_lists(void) {
    page_heaps.spare.first = NULL;
    page_heaps.growing.first = NULL;
    for (size_t order = 0; order < BUDDY_ORDERS; order++) {
        page_heaps.by_order[order].first = NULL;
    }
    page_heaps.orders = 0;
    page_heaps.dirty_units = 0;
}

/* ---- forked child ---------------------------------------------------------------------------- */

/* Only the forking thread, which may be in a handler, will go on with what it purges. */
static void end_purges_of_others(struct page_heap *heap) {
    for (size_t i = 0; i < sizeof heap->purging / sizeof heap->purging[0]; i++) {
        heap->purging[i] = 0;
    }
    if (page_heap_is_my_work(heap)) {
        heap_mark_purging(heap, heap->work.first, heap->work.count, true);
    } else {
        heap->work.tag = 0;
    }
}

/* A heap that was being unmapped may be there or not: it is given up, and its record kept. */
void page_heap_fork_child(void) {
    if (lock_is_mine(&page_heaps.lock)) {
        return;
    }
    struct page_heap *all = page_heaps.all;
    uintptr_t newest_start = page_heaps.newest_start;
    page_heaps = (struct page_heap_set){.all = all, .newest_start = newest_start};
    for (struct page_heap *heap = all; heap != NULL; heap = heap->next) {
        if (heap->state == HEAP_LIVE) {
            end_purges_of_others(heap);
            rebuild_heap(heap);
        } else if (!page_heap_is_my_work(heap)) {
            heap->work.tag = 0;
            page_heap_put_record(heap);
        }
    }
}

/* ---- an operation that was left ------------------------------------------------------------ */

/* Other threads are alive: what they purge stays theirs, and the records they fill or empty. */
static void rebuild_all(void) {
    forget_lists();
    for (struct page_heap *heap = page_heaps.all; heap != NULL; heap = heap->next) {
        if (heap->state == HEAP_LIVE) {
            rebuild_heap(heap);
        }
    }
}

/* Granules that the operation was purging are free again, and dirty for all that is known. A record
 * that it was filling is free. */
static void take_back(struct page_heap *heap, bool was_inside) {
    const struct heap_work work = heap->work;
    bool is_purging = work.count != 0 && heap_unit_is_purging(heap, work.first);
    if (is_purging) {
        heap_mark_purging(heap, work.first, work.count, false);
    }
    if (is_purging && !was_inside) {
        heap->purging_units -= work.count;
        buddy_free_range(&heap->buddy, work.first, work.count);
        page_heap_mark_dirty(heap, work.first, work.count, true);
        page_heap_reclass(heap);
    }
}

static void take_all_back(bool was_inside) {
    for (struct page_heap *heap = page_heaps.all; heap != NULL; heap = heap->next) {
        if (page_heap_is_my_work(heap)) {
            take_back(heap, was_inside);
        }
    }
}

static void end_all_work(void) {
    for (struct page_heap *heap = page_heaps.all; heap != NULL; heap = heap->next) {
        if (page_heap_is_my_work(heap) && heap->state == HEAP_UNUSED) {
            page_heap_put_record(heap);
        }
        page_heap_end_work(heap);
    }
}

void page_heap_recover(void) {
    bool was_inside = lock_inherit(&page_heaps.lock, LOCK_RANK_PAGE_HEAP);
    if (!was_inside) {
        page_heaps_take();
    }
    take_all_back(was_inside);
    if (was_inside) {
        rebuild_all();
    }
    end_all_work();
    page_heaps_drop();
}
