/* page_heap.c - handing out runs and taking them back (contract and picture in page_heap.h).
 * Layer: pages (includes base, os).
 *
 * A run is looked for in four places, in this order: where free granules have their pages; among
 * the free blocks, fullest heaps first; at the committed end of a heap that can grow; in a new
 * heap. A refused commit ends the search, since a new heap would be refused the same. */
#include "pages/page_heap.h"

#include "base/bits.h"
#include "base/check.h"
#include "os/os.h"
#include "os/report.h"
#include "pages/page_heap_internal.h"

#include <errno.h>

#define COMMIT_STEP_MIN_BYTES ((size_t)256 << 10)
#define COMMIT_STEP_MAX_BYTES ((size_t)1 << 20)
#define COMMIT_STEP_SHARE 32

/* Units taken out of a heap's buddy. */
struct placement {
    struct page_heap *heap;
    uint32_t first;
    uint32_t count;
    const struct page_wish *wish;
};

/* ---- committing ------------------------------------------------------------------------------ */

/* A heap that has grown large is likely to go on: the step follows what is committed already. A
 * small share of it, since fresh granules may be handed out where dirty ones would do. */
static uint32_t commit_step_units(const struct page_heap *heap) {
    size_t bytes = units_bytes(heap->committed_units) / COMMIT_STEP_SHARE;
    bytes = bytes > COMMIT_STEP_MIN_BYTES ? bytes : COMMIT_STEP_MIN_BYTES;
    bytes = bytes < COMMIT_STEP_MAX_BYTES ? bytes : COMMIT_STEP_MAX_BYTES;
    return (uint32_t)1 << log2_ceil(bytes >> GRANULE_SHIFT); /* whole blocks of the buddy */
}

/* The annex first: what of it stays committed when the heap's own pages are refused is asked for
 * again next time. */
static int commit_units(struct page_heap *heap, uint32_t first, uint32_t count) {
    uintptr_t annex = heap_annex_address(heap, first);
    int status = annex != 0 ? os_commit((void *)annex, heap_annex_bytes(heap, count)) : 0;
    return status < 0 ? status : os_commit((void *)heap_address(heap, first), units_bytes(count));
}

static int commit_until(struct page_heap *heap, uint32_t past) {
    uint32_t first = heap->committed_units;
    int status = commit_units(heap, first, past - first);
    if (status < 0) {
        return status;
    }
    heap->committed_units = past;
    buddy_add(&heap->buddy, first, past - first);
    if (past == heap->units) {
        list_take(&heap->growing);
    }
    page_heap_reclass(heap);
    return 0;
}

/* Commits at least up to `past`, a whole step when the kernel grants it. */
static int commit_step(struct page_heap *heap, uint32_t past) {
    if (past <= heap->committed_units) {
        return 0;
    }
    uint32_t wanted = heap->committed_units + commit_step_units(heap);
    wanted = wanted < heap->units ? wanted : heap->units;
    if (wanted > past && commit_until(heap, wanted) == 0) {
        return 0;
    }
    return commit_until(heap, past);
}

/* ---- finding units --------------------------------------------------------------------------- */

static bool place_in_dirty(struct placement *placement) {
    placement->heap = page_heap_find_dirty(placement->wish, &placement->first);
    if (placement->heap == NULL) {
        return false;
    }
    bool claimed = buddy_claim(&placement->heap->buddy, placement->first, placement->count);
    DEBUG_CHECK(claimed);
    return claimed;
}

static bool place_in_free_blocks(struct placement *placement) {
    unsigned order = log2_ceil(placement->count);
    uint32_t candidates = page_heaps.orders >> order;
    if (candidates == 0) {
        return false;
    }
    struct list_link *link = page_heaps.by_order[order + lowest_set_bit(candidates)].first;
    placement->heap = LIST_ELEMENT(link, struct page_heap, by_order);
    placement->first = buddy_alloc_count(&placement->heap->buddy, placement->count);
    return true;
}

/* Where count units would begin that end beyond the committed part: the aligned block that the
 * committed end lies in, when its committed part is free, else the next one. */
static uint32_t growth_first(const struct page_heap *heap, uint32_t count) {
    size_t block_units = (size_t)1 << log2_ceil(count);
    uint32_t first = (uint32_t)align_down(heap->committed_units, block_units);
    if (buddy_is_free(&heap->buddy, first, heap->committed_units - first)) {
        return first;
    }
    return (uint32_t)align_up(heap->committed_units, block_units);
}

/* -ENOSPC: does not fit into what the heap has left. */
static int place_by_growing(struct page_heap *heap, struct placement *placement) {
    uint32_t first = growth_first(heap, placement->count);
    if (first > heap->units || placement->count > heap->units - first) {
        return -ENOSPC;
    }
    int status = commit_step(heap, first + placement->count);
    if (status < 0) {
        return status;
    }
    bool claimed = buddy_claim(&heap->buddy, first, placement->count);
    DEBUG_CHECK(claimed);
    (void)claimed;
    placement->heap = heap;
    placement->first = first;
    return 0;
}

/* 0; -ENOSPC when no heap has room; -ENOMEM when the kernel refuses to commit; -ENOENT when the
 * pages wanted are not there. */
static int place(struct placement *placement) {
    if (place_in_dirty(placement)) {
        return 0;
    }
    if (placement->wish->least_bytes != 0) {
        return -ENOENT;
    }
    if (place_in_free_blocks(placement)) {
        return 0;
    }
    for (struct list_link *link = page_heaps.growing.first; link != NULL; link = link->next) {
        int status = place_by_growing(LIST_ELEMENT(link, struct page_heap, growing), placement);
        if (status != -ENOSPC) {
            return status;
        }
    }
    return -ENOSPC;
}

/* Called and left with the lock held; reserves without it. Others may take what is added. */
static int add_heap(size_t min_bytes) {
    struct page_heap *heap = page_heap_take_record();
    if (heap == NULL) {
        return -ENOMEM;
    }
    uintptr_t above = page_heaps.newest_start;
    page_heap_begin_work(heap, 0, 0);
    page_heaps_drop();
    struct heap_mapping mapping;
    int status = heap_mapping_reserve(min_bytes, above, &mapping);
    page_heaps_take();
    page_heap_end_work(heap);
    if (status < 0) {
        page_heap_put_record(heap);
        return status;
    }
    page_heap_enlist(heap, &mapping);
    return 0;
}

/* ---- handing out ----------------------------------------------------------------------------- */

/* Clears the zero marks of units that leave the buddy; returns how many there were. */
static uint32_t take_zero_marks(const struct placement *placement) {
    uint32_t zero_units = 0;
    for (uint32_t unit = placement->first; unit < placement->first + placement->count; unit++) {
        zero_units += heap_unit_is_zero(placement->heap, unit);
        heap_unit_mark_zero(placement->heap, unit, false);
    }
    return zero_units;
}

static void hand_out(const struct placement *placement, void *record, struct page_run *run) {
    struct page_heap *heap = placement->heap;
    uint32_t zero_units = take_zero_marks(placement);
    page_heap_mark_dirty(heap, placement->first, placement->count, false);
    uint32_t again_units =
        zero_units < page_heaps.purged_units ? zero_units : (uint32_t)page_heaps.purged_units;
    page_heaps.purged_units -= again_units;
    retention_note_again(&page_heaps.retention, units_bytes(again_units));
    page_heaps_note_level();
    page_heap_reclass(heap);
    *run = (struct page_run){.start = (void *)heap_address(heap, placement->first),
                             .bytes = units_bytes(placement->count),
                             .is_zero = zero_units == placement->count,
                             .annex = heap_annex_address(heap, placement->first),
                             .touched_bytes =
                                 page_heap_touched_bytes(heap, placement->first, placement->count),
                             .heap = heap};
    /* A forked child takes whatever the page map does not name for free: the zero marks must be
     * gone before it says "in use". */
    compiler_fence();
    uintptr_t start = (uintptr_t)run->start;
    int status = page_map_set(start, start + run->bytes, record, PAGE_RUN);
    DEBUG_CHECK(status == 0);
    (void)status;
}

int page_run_alloc(size_t granules, void *record, struct page_run *run) {
    const struct page_wish wish = {.granules = granules};
    return page_run_alloc_wish(&wish, record, run);
}

int page_run_alloc_wish(const struct page_wish *wish, void *record, struct page_run *run) {
    if (wish->granules == 0 || wish->granules > PAGE_RUN_MAX_GRANULES) {
        return -ENOMEM;
    }
    struct placement placement = {.count = (uint32_t)wish->granules, .wish = wish};
    page_heaps_take();
    int status = place(&placement);
    while (status == -ENOSPC) {
        status = add_heap(units_bytes(wish->granules));
        if (status == 0) {
            status = place(&placement);
        }
    }
    if (status == 0) {
        hand_out(&placement, record, run);
    }
    page_heaps_drop();
    return status;
}

bool page_heap_has_dirty(void) {
    return __atomic_load_n(&page_heaps.dirty_units, __ATOMIC_RELAXED) != 0;
}

/* ---- taking back ----------------------------------------------------------------------------- */

/* Both ends of the run must still be the owner's, or it is freed twice or was never handed out. */
static void check_is_out(const struct page_run *run, const void *record) {
    const char *start = run->start;
    page_entry expected = page_entry_of(record, PAGE_RUN);
    if (UNLIKELY(page_map_get(start) != expected ||
                 page_map_get(start + run->bytes - 1) != expected)) {
        report_corruption("page run is not in use", start);
    }
}

void page_run_free(const struct page_run *run, const void *record) {
    check_is_out(run, record);
    struct page_heap *heap = run->heap;
    uintptr_t start = (uintptr_t)run->start;
    DEBUG_CHECK(start - heap->mapping.start < heap->mapping.bytes);
    uint32_t first = (uint32_t)((start - heap->mapping.start) >> GRANULE_SHIFT);
    uint32_t count = (uint32_t)(run->bytes >> GRANULE_SHIFT);
    page_heaps_take();
    page_map_clear(start, start + run->bytes, record);
    buddy_free_range(&heap->buddy, first, count);
    page_heap_note_user(heap, first, run);
    page_heap_mark_dirty(heap, first, count, true);
    page_heap_reclass(heap);
    page_heaps_note_level();
    page_heaps_drop();
}
