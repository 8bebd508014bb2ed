/* page_heap_dirty.c - which free granules to hand out again: those with the most of their pages.
 * Layer: pages (includes base, os).
 *
 * A slab touches its span from the front as it is needed, so the last slab of every class leaves
 * some of its pages untouched. Whoever takes such a span and needs all of it faults, while another
 * takes a span with all pages and needs few. A program that repeats itself needs of each class what
 * it needed before, so a span goes to its former use if that asks for one. Then the spans with the
 * most pages go first: those who come last, and will not fill what they take, get what is left.
 *
 *      used for             | a  | a | b | a  | b  |  c |
 *      touched, sixteenths  | 16 | 5 | 2 | 16 | 16 | 14 |
 *      handed out to a in     1    3   6   2    4     5     this order
 *
 * The lowest address goes first among equals, so that a heap fills from one end. */
#include "base/bits.h"
#include "pages/page_heap_internal.h"

/* Spans whose pages are counted for one choice. */
#define LOOKS_MAX 64u
/* Longer runs are rare, and found by the buddy. */
#define SPAN_MAX_UNITS 64u
#define PART_BYTES (GRANULE_BYTES / UNIT_TOUCHED_ALL)

/* What a span is worth: all of its pages so much, the use wished for as much again. */
#define WORTH_FULL 64u
#define WORTH_USE WORTH_FULL

struct choice {
    struct page_heap *heap;
    uint32_t first;
    uint32_t worth;
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

/* 0: not what is wished for. */
static uint32_t worth_of(const struct page_heap *heap, uint32_t first,
                         const struct page_wish *wish) {
    uint32_t count = (uint32_t)wish->granules;
    bool is_use = heap->use[first] == wish->use;
    uint32_t score = score_of(heap, first, count);
    if (score <= wish->least_bytes / PART_BYTES) {
        return 0;
    }
    return 1 + score * WORTH_FULL / (count * UNIT_TOUCHED_ALL) + (is_use ? WORTH_USE : 0);
}

/* Adds what the heap has to the choice; the number of spans looked at. */
static uint32_t look_through(struct page_heap *heap, const struct page_wish *wish,
                             struct choice *choice) {
    uint32_t looks = 0, count = (uint32_t)wish->granules;
    for (uint32_t first = next_dirty_span(heap, 0, count);
         first + count <= heap->committed_units && looks < LOOKS_MAX &&
         choice->worth <= WORTH_FULL + WORTH_USE;
         looks++) {
        uint32_t worth = worth_of(heap, first, wish);
        if (worth > choice->worth && buddy_is_free(&heap->buddy, first, count)) {
            *choice = (struct choice){heap, first, worth};
        }
        first = next_dirty_span(heap, first + count, count);
    }
    return looks;
}

struct page_heap *page_heap_find_dirty(const struct page_wish *wish, uint32_t *first) {
    struct choice choice = {NULL, 0, 0};
    uint32_t looks = 0;
    if (wish->granules > SPAN_MAX_UNITS || !is_power_of_two(wish->granules)) {
        return NULL;
    }
    for (struct page_heap *heap = page_heaps.all; heap != NULL && looks < LOOKS_MAX;
         heap = heap->next) {
        if (heap->state == HEAP_LIVE && heap->dirty_units != 0) {
            looks += look_through(heap, wish, &choice);
        }
    }
    *first = choice.first;
    return choice.heap;
}

void page_heap_note_user(struct page_heap *heap, uint32_t first, const struct page_run *run) {
    size_t bytes = run->touched_bytes != 0 ? run->touched_bytes : run->bytes;
    size_t parts = (bytes + PART_BYTES - 1) / PART_BYTES;
    for (uint32_t unit = first; unit < first + (run->bytes >> GRANULE_SHIFT); unit++) {
        size_t here = parts < UNIT_TOUCHED_ALL ? parts : UNIT_TOUCHED_ALL;
        heap->touched[unit] = (uint8_t)(heap->touched[unit] > here ? heap->touched[unit] : here);
        heap->use[unit] = run->use;
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
