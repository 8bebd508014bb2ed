/* page_heap_record.c - heap records and the lists they stand on.
 * Layer: pages (includes base, os). Everything here runs under LOCK_RANK_PAGE_HEAP.
 *
 * A live heap with a free block stands on the list of its largest one: a run is looked for in the
 * heaps whose largest block is just large enough first, so that whole blocks stay whole and heaps
 * get a chance to become empty. */
#include "base/bits.h"
#include "base/check.h"
#include "pages/meta.h"
#include "pages/page_heap_internal.h"

#include <string.h>

struct page_heap_set page_heaps;

static struct page_heap *make_record(void) {
    size_t bytes = sizeof(struct page_heap) + buddy_metadata_bytes(PAGE_HEAP_MAX_UNITS);
    struct page_heap *heap = meta_alloc(bytes, CACHE_LINE_BYTES);
    if (heap != NULL) {
        heap->next = page_heaps.all;
        compiler_fence();
        page_heaps.all = heap;
    }
    return heap;
}

struct page_heap *page_heap_take_record(void) {
    struct list_link *link = page_heaps.spare.first;
    if (link == NULL) {
        return make_record();
    }
    list_take(link);
    return LIST_ELEMENT(link, struct page_heap, spare);
}

void page_heap_put_record(struct page_heap *heap) {
    heap->state = HEAP_UNUSED;
    list_put_first(&page_heaps.spare, &heap->spare);
}

void page_heap_reset_buddy(struct page_heap *heap) {
    _Static_assert(sizeof(struct page_heap) % sizeof(struct buddy_links) == 0,
                   "the buddy's metadata follows the record");
    buddy_init(&heap->buddy, heap->units, heap + 1);
}

static void leave_order_list(struct page_heap *heap) {
    if (heap->largest_order < 0) {
        return;
    }
    list_take(&heap->by_order);
    if (list_is_empty(&page_heaps.by_order[heap->largest_order])) {
        page_heaps.orders &= ~((uint32_t)1 << heap->largest_order);
    }
    heap->largest_order = -1;
}

void page_heap_reclass(struct page_heap *heap) {
    int largest = buddy_largest_order(&heap->buddy);
    if (largest == heap->largest_order) {
        return;
    }
    leave_order_list(heap);
    if (largest >= 0) {
        list_put_first(&page_heaps.by_order[largest], &heap->by_order);
        page_heaps.orders |= (uint32_t)1 << largest;
    }
    heap->largest_order = largest;
}

/* Under the lock; page_heap_has_dirty looks without it. */
static void change_dirty(size_t added, size_t removed) {
    size_t units = page_heaps.dirty_units + added - removed;
    __atomic_store_n(&page_heaps.dirty_units, units, __ATOMIC_RELAXED);
}

void page_heap_count_dirty(struct page_heap *heap, uint32_t added, uint32_t removed) {
    DEBUG_CHECK(heap->state == HEAP_LIVE && removed <= heap->dirty_units + added);
    heap->dirty_units += added - removed;
    change_dirty(added, removed);
}

void page_heaps_note_level(void) {
    retention_note(&page_heaps.retention,
                   units_bytes(page_heaps.dirty_units + page_heaps.purged_units));
}

void page_heap_relist(struct page_heap *heap) {
    heap->largest_order = -1;
    page_heap_reclass(heap);
    if (heap->committed_units < heap->units) {
        list_put_first(&page_heaps.growing, &heap->growing);
    }
    change_dirty(heap->dirty_units, 0);
    heap->state = HEAP_LIVE;
}

void page_heap_delist(struct page_heap *heap) {
    heap->state = HEAP_LEAVING;
    change_dirty(0, heap->dirty_units);
    if (list_holds(&heap->growing)) {
        list_take(&heap->growing);
    }
    leave_order_list(heap);
}

/* `state` is written last: a forked child believes only live records. */
void page_heap_enlist(struct page_heap *heap, const struct heap_mapping *mapping) {
    heap->mapping = *mapping;
    heap->units = (uint32_t)(mapping->bytes >> GRANULE_SHIFT);
    heap->committed_units = 0;
    heap->dirty_units = 0;
    heap->purging_units = 0;
    memset(heap->purging, 0, sizeof heap->purging);
    for (uint32_t unit = 0; unit < heap->units; unit++) {
        heap_unit_mark_zero(heap, unit, true);
        heap->touched[unit] = 0;
    }
    for (size_t i = 0; i < sizeof heap->dirty / sizeof heap->dirty[0]; i++) {
        heap->dirty[i] = 0;
    }
    page_heap_reset_buddy(heap);
    page_heaps.newest_start = mapping->start;
    compiler_fence();
    page_heap_relist(heap);
}
