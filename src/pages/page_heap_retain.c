/* page_heap_retain.c - giving free memory back: the contents of granules, whole heaps.
 * Layer: pages (includes base, os).
 *
 * No kernel call here is made under the lock. What is being given back is first taken out of reach
 * (granules out of the buddy, a heap off the lists), then the lock is dropped for the call, then
 * the result is put back under it. */
#include "os/os.h"
#include "pages/page_heap_internal.h"

/* Granules out of reach at a time: others would commit fresh memory in their stead. */
#define PURGE_BATCH_BYTES ((size_t)4 << 20)
#define PURGE_BATCH_UNITS ((uint32_t)(PURGE_BATCH_BYTES >> GRANULE_SHIFT))

/* A walk over all granules, and the dirty free ones found there. */
struct purge_walk {
    struct page_heap *heap;
    uint32_t first;
    uint32_t count;
};

static bool is_dirty(const struct page_heap *heap, uint32_t unit) {
    return !heap_unit_is_zero(heap, unit) && heap_unit_is_free(heap, unit);
}

/* Finds dirty free granules from `first` on in the walk's heap, at most limit of them. */
static bool find_dirty_in_heap(struct purge_walk *walk, uint32_t limit) {
    const struct page_heap *heap = walk->heap;
    if (heap->state != HEAP_LIVE || heap->dirty_units == 0) {
        return false;
    }
    while (walk->first < heap->committed_units && !is_dirty(heap, walk->first)) {
        walk->first++;
    }
    uint32_t end = walk->first;
    while (end < heap->committed_units && end - walk->first < limit && is_dirty(heap, end)) {
        end++;
    }
    walk->count = end - walk->first;
    return walk->count > 0;
}

static bool find_dirty(struct purge_walk *walk, uint32_t limit) {
    while (walk->heap != NULL) {
        if (find_dirty_in_heap(walk, limit)) {
            return true;
        }
        *walk = (struct purge_walk){.heap = walk->heap->next};
    }
    return false;
}

/* Their records go, too; that these stay costs nobody anything but memory. */
static bool purge_units(const struct page_heap *heap, uint32_t first, uint32_t count) {
    uintptr_t annex = heap_annex_address(heap, first);
    if (annex != 0) {
        (void)os_purge((void *)annex, heap_annex_bytes(heap, count));
    }
    return os_purge((void *)heap_address(heap, first), units_bytes(count)) == 0;
}

/* Purges what the walk has found and moves it on; false when the kernel refused. */
static bool purge_found(struct purge_walk *walk) {
    struct page_heap *heap = walk->heap;
    uint32_t first = walk->first, count = walk->count;
    buddy_claim(&heap->buddy, first, count);
    page_heap_mark_dirty(heap, first, count, false);
    page_heap_reclass(heap);
    heap->purging_units += count;
    heap_mark_purging(heap, first, count, true);
    page_heap_begin_work(heap, first, count);
    page_heaps_drop();
    bool purged = purge_units(heap, first, count);
    page_heaps_take();
    heap->purging_units -= count;
    heap_mark_purging(heap, first, count, false);
    page_heap_end_work(heap);
    for (uint32_t unit = first; purged && unit < first + count; unit++) {
        heap_unit_mark_zero(heap, unit, true);
        heap->touched[unit] = 0;
    }
    buddy_free_range(&heap->buddy, first, count);
    if (!purged) {
        page_heap_mark_dirty(heap, first, count, true);
    }
    page_heaps.purged_units += purged ? count : 0;
    page_heap_reclass(heap);
    walk->first += count;
    return purged;
}

size_t page_heap_purge(size_t max_dirty_bytes) {
    size_t max_units = max_dirty_bytes >> GRANULE_SHIFT;
    size_t purged_units = 0;
    page_heaps_take();
    struct purge_walk walk = {.heap = page_heaps.all};
    while (page_heaps.dirty_units > max_units) {
        size_t surplus = page_heaps.dirty_units - max_units;
        uint32_t limit = surplus < PURGE_BATCH_UNITS ? (uint32_t)surplus : PURGE_BATCH_UNITS;
        if (!find_dirty(&walk, limit)) {
            break;
        }
        purged_units += purge_found(&walk) ? walk.count : 0;
    }
    page_heaps_drop();
    return units_bytes(purged_units);
}

size_t page_heap_limit(void) {
    struct retention *retention = &page_heaps.retention;
    page_heaps_take();
    size_t dirty = units_bytes(page_heaps.dirty_units);
    if (retention_tick(retention)) {
        retention_look(retention, dirty + units_bytes(page_heaps.purged_units), os_clock_ns());
    }
    size_t surplus = retention_surplus(retention, dirty);
    page_heaps_drop();
    return surplus != 0 ? page_heap_purge(dirty - surplus) : 0;
}

size_t page_heap_earned(void) {
    page_heaps_take();
    size_t earned = retention_earned(&page_heaps.retention);
    page_heaps_drop();
    return earned;
}

/* ---- empty heaps ----------------------------------------------------------------------------- */

static bool is_empty(const struct page_heap *heap) {
    return heap->state == HEAP_LIVE && heap->buddy.free_units == heap->committed_units;
}

/* Bytes of address space that went; 0 when the kernel refused and the heap is back in service. */
static size_t release_heap(struct page_heap *heap) {
    size_t bytes = heap->mapping.bytes;
    page_heap_delist(heap);
    page_heap_begin_work(heap, 0, 0);
    page_heaps_drop();
    int status = heap_mapping_release(&heap->mapping);
    page_heaps_take();
    page_heap_end_work(heap);
    if (status < 0) {
        page_heap_relist(heap);
        return 0;
    }
    /* The next heap may have this place again: addresses must not wander off downward. */
    if (page_heaps.newest_start == heap->mapping.start) {
        page_heaps.newest_start += bytes;
    }
    page_heap_put_record(heap);
    return bytes;
}

size_t page_heap_release_empty(void) {
    size_t released_bytes = 0;
    bool kept_one = false;
    page_heaps_take();
    for (struct page_heap *heap = page_heaps.all; heap != NULL; heap = heap->next) {
        if (!is_empty(heap)) {
            continue;
        }
        if (!kept_one) {
            kept_one = true;
            continue;
        }
        released_bytes += release_heap(heap);
    }
    page_heaps_drop();
    return released_bytes;
}
