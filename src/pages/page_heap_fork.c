/* page_heap_fork.c - page heaps in a forked child.
 * Layer: pages (includes base, os).
 *
 * Threads of the parent that were inside the module do not exist here, but what they had stored by
 * then does: buddies and lists may be half changed. The page map is not, since its entries are
 * single words, and it says what is in use; committed ends and zero marks are stored in an order
 * that makes every prefix true. All else is made anew from these three. */
#include "pages/page_heap_internal.h"

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
        if (heap_unit_is_in_use(heap, unit)) {
            buddy_claim(&heap->buddy, unit, 1);
        } else if (!heap_unit_is_zero(heap, unit)) {
            heap->dirty[unit / 64] |= (uint64_t)1 << unit % 64;
            heap->dirty_units++;
        }
    }
    heap->growing.pointed_by = NULL;
    page_heap_relist(heap);
}

/* A heap that was being unmapped may be there or not: it is given up, and its record kept. */
void page_heap_fork_child(void) {
    struct page_heap *all = page_heaps.all;
    uintptr_t newest_start = page_heaps.newest_start;
    page_heaps = (struct page_heap_set){.all = all, .newest_start = newest_start};
    for (struct page_heap *heap = all; heap != NULL; heap = heap->next) {
        if (heap->state == HEAP_LIVE) {
            rebuild_heap(heap);
        } else {
            page_heap_put_record(heap);
        }
    }
}
