/* page_heap_audit.c - counting and recounting.
 * Layer: pages (includes base, os).
 *
 * The page map is the witness: it is written beside the buddy, never derived from it, and the audit
 * holds the one against the other. */
#include "pages/page_heap_internal.h"

/* ---- statistics ------------------------------------------------------------------------------ */

static void count_heap(const struct page_heap *heap, struct page_heap_stats *stats) {
    size_t free_units = heap->buddy.free_units;
    stats->heaps++;
    stats->reserved_bytes += heap->mapping.bytes;
    stats->committed_bytes += units_bytes(heap->committed_units);
    stats->in_use_bytes += units_bytes(heap->committed_units - free_units - heap->purging_units);
    stats->free_dirty_bytes += units_bytes(heap->dirty_units);
    stats->free_zero_bytes += units_bytes(free_units - heap->dirty_units);
    stats->purging_bytes += units_bytes(heap->purging_units);
    stats->annex_bytes += heap_annex_bytes(heap, heap->committed_units);
}

struct page_heap_stats page_heap_statistics(void) {
    struct page_heap_stats stats = {0};
    page_heaps_take();
    for (const struct page_heap *heap = page_heaps.all; heap != NULL; heap = heap->next) {
        if (heap->state == HEAP_LIVE) {
            count_heap(heap, &stats);
        }
    }
    page_heaps_drop();
    return stats;
}

/* ---- audit ----------------------------------------------------------------------------------- */

/* One granule: in use, free, or neither (being purged); a zero mark on free ones only (I1, I2). */
static const char *audit_unit(const struct page_heap *heap, uint32_t unit) {
    bool in_use = heap_unit_is_in_use(heap, unit), is_free = heap_unit_is_free(heap, unit);
    if (unit >= heap->committed_units) {
        return in_use || is_free ? "page heap: a granule not committed is used or free" : NULL;
    }
    if (in_use && is_free) {
        return "page heap: a granule in use is in the buddy";
    }
    if (heap_unit_is_dirty(heap, unit) != (is_free && !heap_unit_is_zero(heap, unit))) {
        return "page heap: a granule's mark of being dirty is wrong";
    }
    if (heap_unit_is_zero(heap, unit) && heap->touched[unit] != 0) {
        return "page heap: a granule known zero counts as touched";
    }
    return !is_free && heap_unit_is_zero(heap, unit)
               ? "page heap: a granule that is not free is marked known zero"
               : NULL;
}

static const char *audit_counts(const struct page_heap *heap) {
    uint32_t dirty_units = 0, missing_units = 0;
    for (uint32_t unit = 0; unit < heap->committed_units; unit++) {
        bool is_free = heap_unit_is_free(heap, unit);
        dirty_units += is_free && !heap_unit_is_zero(heap, unit);
        missing_units += !is_free && !heap_unit_is_in_use(heap, unit);
    }
    if (dirty_units != heap->dirty_units) {
        return "page heap: the count of dirty granules is wrong";
    }
    if (missing_units != heap->purging_units) {
        return "page heap: granules are neither free nor in use";
    }
    return heap->buddy.added_units == heap->committed_units
               ? NULL
               : "page heap: the buddy does not manage what is committed";
}

static const char *audit_heap(const struct page_heap *heap) {
    const char *broken = buddy_audit(&heap->buddy);
    for (uint32_t unit = 0; broken == NULL && unit < heap->units; unit++) {
        broken = audit_unit(heap, unit);
    }
    if (broken == NULL) {
        broken = audit_counts(heap);
    }
    if (broken == NULL && heap->largest_order != buddy_largest_order(&heap->buddy)) {
        broken = "page heap: a heap stands on the wrong list";
    }
    if (broken == NULL && list_holds(&heap->growing) != (heap->committed_units < heap->units)) {
        broken = "page heap: the list of growing heaps is wrong";
    }
    return broken;
}

/* Every list holds only heaps that belong there, and the mask says which are empty. */
static const char *audit_order_lists(void) {
    for (int order = 0; order < BUDDY_ORDERS; order++) {
        const struct list *list = &page_heaps.by_order[order];
        for (const struct list_link *link = list->first; link != NULL; link = link->next) {
            const struct page_heap *heap = LIST_ELEMENT(link, struct page_heap, by_order);
            if (heap->state != HEAP_LIVE || heap->largest_order != order) {
                return "page heap: a list holds a heap of another order";
            }
        }
        if (list_is_empty(list) != ((page_heaps.orders >> order & 1) == 0)) {
            return "page heap: the mask of orders is wrong";
        }
    }
    return NULL;
}

static const char *audit_locked(void) {
    const char *broken = audit_order_lists();
    size_t dirty_units = 0;
    for (const struct page_heap *heap = page_heaps.all; heap != NULL; heap = heap->next) {
        if (broken == NULL && heap->state == HEAP_LIVE) {
            broken = audit_heap(heap);
            dirty_units += heap->dirty_units;
        }
    }
    if (broken == NULL && dirty_units != page_heaps.dirty_units) {
        broken = "page heap: the total of dirty granules is wrong";
    }
    return broken;
}

const char *page_heap_audit(void) {
    page_heaps_take();
    const char *broken = audit_locked();
    page_heaps_drop();
    return broken;
}
