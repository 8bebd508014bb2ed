/* page_heap_dirty.c - which free granules to hand out again: those with the most of their pages.
 * Layer: pages (includes base, os).
 *
 * A slab touches its span from the front as it is needed, so the last slab of every class leaves
 * some of its pages untouched. Whoever takes such a span and needs all of it faults, while another
 * takes a span with all pages and needs few. So the spans with the most pages go first: those who
 * come last, and will not fill what they take, get what is left.
 *
 *      touched, in sixteenths    | 16 | 16 | 5 | 16 | 0 | 2 |
 *      handed out in this order    1    2    4   3    6   5
 *
 * The lowest address goes first among equals, so that a heap fills from one end. */
#include "base/bits.h"
#include "pages/page_heap_internal.h"

/* Spans whose pages are counted for one choice. */
#define LOOKS_MAX 64u
/* Longer runs are rare, and found by the buddy. */
#define SPAN_MAX_UNITS 64u
#define PART_BYTES (GRANULE_BYTES / UNIT_TOUCHED_ALL)

struct choice {
    struct page_heap *heap;
    uint32_t first;
    uint32_t score; /* sixteenths of granules that are touched */
};

static uint32_t score_of(const struct page_heap *heap, uint32_t first, uint32_t count) {
    uint32_t score = 0;
    for (uint32_t unit = first; unit < first + count; unit++) {
        score += heap_unit_is_dirty(heap, unit) ? heap->touched[unit] : 0;
    }
    return score;
}

static uint64_t span_mask(uint32_t count) {
    return count == 64 ? UINT64_MAX : ((uint64_t)1 << count) - 1;
}

/* The first span of so many units from `first` on that holds a dirty one; the heap's end: none. */
static uint32_t next_dirty_span(const struct page_heap *heap, uint32_t first, uint32_t count) {
    while (first < heap->committed_units) {
        uint64_t word = heap->dirty[first / 64] >> first % 64;
        if ((word & span_mask(count)) != 0) {
            return first;
        }
        first = word == 0 ? (first | 63) + 1 : first + count;
    }
    return heap->committed_units;
}

/* Adds what the heap has to the choice; the number of spans looked at. */
static uint32_t look_through(struct page_heap *heap, uint32_t count, struct choice *choice) {
    uint32_t looks = 0, most = count * UNIT_TOUCHED_ALL;
    uint32_t best = 0; /* of this heap */
    for (uint32_t first = next_dirty_span(heap, 0, count);
         first + count <= heap->committed_units && best < most && looks < LOOKS_MAX; looks++) {
        uint32_t score = score_of(heap, first, count);
        best = score > best ? score : best;
        if (score > choice->score && buddy_is_free(&heap->buddy, first, count)) {
            *choice = (struct choice){heap, first, score};
        }
        first = next_dirty_span(heap, first + count, count);
    }
    return looks;
}

struct page_heap *page_heap_find_dirty(uint32_t count, size_t least_bytes, uint32_t *first) {
    struct choice choice = {NULL, 0, (uint32_t)(least_bytes / PART_BYTES)};
    uint32_t looks = 0, most = count * UNIT_TOUCHED_ALL;
    if (count > SPAN_MAX_UNITS || (count & (count - 1)) != 0) {
        return NULL;
    }
    for (struct page_heap *heap = page_heaps.all;
         heap != NULL && looks < LOOKS_MAX && choice.score < most; heap = heap->next) {
        if (heap->state == HEAP_LIVE && heap->dirty_units != 0) {
            looks += look_through(heap, count, &choice);
        }
    }
    *first = choice.first;
    return choice.heap;
}

void page_heap_note_touched(struct page_heap *heap, uint32_t first, uint32_t count,
                            size_t touched_bytes) {
    size_t bytes = touched_bytes != 0 ? touched_bytes : units_bytes(count);
    size_t parts = (bytes + PART_BYTES - 1) / PART_BYTES;
    for (uint32_t unit = first; unit < first + count; unit++) {
        size_t here = parts < UNIT_TOUCHED_ALL ? parts : UNIT_TOUCHED_ALL;
        heap->touched[unit] = (uint8_t)(heap->touched[unit] > here ? heap->touched[unit] : here);
        parts -= here;
    }
}

void page_heap_mark_dirty(struct page_heap *heap, uint32_t first, uint32_t count, bool is_dirty) {
    uint32_t changed = 0;
    for (uint32_t unit = first; unit < first + count; unit++) {
        if (heap_unit_is_dirty(heap, unit) != is_dirty) {
            heap->dirty[unit / 64] ^= (uint64_t)1 << unit % 64;
            changed++;
        }
    }
    page_heap_count_dirty(heap, is_dirty ? changed : 0, is_dirty ? 0 : changed);
}

size_t page_heap_touched_bytes(const struct page_heap *heap, uint32_t first, uint32_t count) {
    size_t parts = 0;
    for (uint32_t unit = first; unit < first + count; unit++) {
        parts += heap->touched[unit];
    }
    return parts * PART_BYTES;
}
