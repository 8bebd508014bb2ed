/* frames.c - taking and giving frames; see frames.h.
 * Layer: model (includes base and the buddy core). */
#include "model/frames.h"

#include "base/check.h"

#define HUGE_LISTS (FRAME_LIST_ORDERS * FRAME_TYPES)
#define NO_LIST FRAME_LISTS

/* Where a type looks when it has nothing left, the nearest kind first. */
static const enum frame_type fallback_types[FRAME_TYPES][FRAME_TYPES - 1] = {
    [FRAME_UNMOVABLE] = {FRAME_RECLAIMABLE, FRAME_MOVABLE},
    [FRAME_MOVABLE] = {FRAME_RECLAIMABLE, FRAME_UNMOVABLE},
    [FRAME_RECLAIMABLE] = {FRAME_UNMOVABLE, FRAME_MOVABLE},
};

static uint32_t blocks_of(uint32_t pages) {
    return (pages + FRAME_BLOCK_PAGES - 1) / FRAME_BLOCK_PAGES;
}

static size_t buddy_bytes(uint32_t pages) {
    return (buddy_metadata_bytes(pages) + 7) & ~(size_t)7;
}

size_t frames_metadata_bytes(uint32_t pages, unsigned processors) {
    return FRAME_TYPES * buddy_bytes(pages) + processors * sizeof(struct frame_processor) +
           blocks_of(pages);
}

void frames_set_min(struct frames *frames, uint64_t min_pages) {
    uint64_t quarter = min_pages / 4;
    frames->marks = (struct frame_marks){
        .min_pages = min_pages,
        .low_pages = min_pages + quarter,
        .high_pages = min_pages + 2 * quarter,
        .promo_pages = min_pages + 3 * quarter,
    };
}

/* The root of 16 times the memory in KiB: what the kernel reserves by default. */
static uint64_t default_min_pages(uint32_t pages) {
    uint64_t wanted = (uint64_t)pages * (MODEL_PAGE_BYTES / 1024) * 16;
    uint64_t root = 0;
    for (uint64_t bit = (uint64_t)1 << 31; bit > 0; bit >>= 1) {
        root += (root + bit) * (root + bit) <= wanted ? bit : 0;
    }
    uint64_t kib = root < 128 ? 128 : root;
    kib = kib > 262144 ? 262144 : kib;
    uint64_t min_pages = kib / (MODEL_PAGE_BYTES / 1024);
    return min_pages < pages / 8 ? min_pages : pages / 8;
}

void frames_init(struct frames *frames, uint32_t pages, unsigned processors, void *metadata) {
    DEBUG_CHECK(pages > 1 && processors > 0);
    char *rest = metadata;
    *frames = (struct frames){.pages = pages, .processors = processors};
    for (unsigned type = 0; type < FRAME_TYPES; type++) {
        buddy_init(&frames->buddies[type], pages, rest);
        rest += buddy_bytes(pages);
    }
    frames->on_processor = (struct frame_processor *)(void *)rest;
    frames->block_types = (uint8_t *)(frames->on_processor + processors);
    for (uint32_t block = 0; block < blocks_of(pages); block++) {
        frames->block_types[block] = FRAME_MOVABLE;
    }
    buddy_add(&frames->buddies[FRAME_MOVABLE], 1, pages - 1);
    frames_set_min(frames, default_min_pages(pages));
}

/* ---- fallback ------------------------------------------------------------------------------ */

static enum frame_type type_of(const struct frames *frames, uint32_t frame) {
    return (enum frame_type)frames->block_types[frame >> FRAME_BLOCK_ORDER];
}

/* Makes blocks that hold `frame` another type's, free frames and others. */
static void convert(struct frames *frames, uint32_t frame, unsigned order, enum frame_type to) {
    uint32_t first = frame & ~(FRAME_BLOCK_PAGES - 1);
    uint32_t end = first + FRAME_BLOCK_PAGES;
    end = order > FRAME_BLOCK_ORDER ? first + ((uint32_t)1 << order) : end;
    end = end < frames->pages ? end : frames->pages;
    enum frame_type from = type_of(frames, frame);
    uint32_t managed = first == 0 ? 1 : first;
    buddy_pass(&frames->buddies[from], &frames->buddies[to], managed, end - managed);
    for (uint32_t block = first; block < end; block += FRAME_BLOCK_PAGES) {
        frames->block_types[block >> FRAME_BLOCK_ORDER] = (uint8_t)to;
        frames->conversions++;
    }
}

/* Whether at least half of the block around a frame is free. */
static bool block_is_half_free(const struct frames *frames, uint32_t frame) {
    const struct buddy *buddy = &frames->buddies[type_of(frames, frame)];
    uint32_t first = frame & ~(FRAME_BLOCK_PAGES - 1);
    uint32_t end = first + FRAME_BLOCK_PAGES;
    uint32_t count = 0;
    for (uint32_t at = first; at < end && at < frames->pages;) {
        unsigned order = 0;
        bool is_free = buddy_find(buddy, at, &order) != BUDDY_NONE;
        count += is_free ? (uint32_t)1 << order : 0;
        at += is_free ? (uint32_t)1 << order : 1;
    }
    return count >= FRAME_BLOCK_PAGES / 2;
}

/* Takes from the largest free block of one other type; BUDDY_NONE when it has none of the order. */
static uint32_t take_from(struct frames *frames, enum frame_type from, unsigned order,
                          enum frame_type type) {
    struct buddy *other = &frames->buddies[from];
    int largest = buddy_largest_order(other);
    if (largest < (int)order) {
        return BUDDY_NONE;
    }
    unsigned found = (unsigned)largest;
    uint32_t frame = buddy_alloc(other, found);
    buddy_free(other, frame, found);
    frames->fallbacks++;
    /* What can be moved later may lie anywhere, so it changes a block for large requests only. */
    bool may_convert = found >= FRAME_BLOCK_ORDER / 2 || type != FRAME_MOVABLE;
    if (found >= FRAME_BLOCK_ORDER || (may_convert && block_is_half_free(frames, frame))) {
        convert(frames, frame, found, type);
        return buddy_alloc(&frames->buddies[type], order);
    }
    return buddy_alloc(other, order);
}

static uint32_t take_from_buddies(struct frames *frames, unsigned order, enum frame_type type) {
    uint32_t frame = buddy_alloc(&frames->buddies[type], order);
    for (unsigned i = 0; i < FRAME_TYPES - 1 && frame == BUDDY_NONE; i++) {
        frame = take_from(frames, fallback_types[type][i], order, type);
    }
    return frame;
}

static void give_to_buddies(struct frames *frames, uint32_t frame, unsigned order) {
    buddy_free(&frames->buddies[type_of(frames, frame)], frame, order);
}

/* ---- lists of processors ------------------------------------------------------------------- */

static unsigned list_of(unsigned order, enum frame_type type) {
    if (order < FRAME_LIST_ORDERS) {
        return order * FRAME_TYPES + type;
    }
    return order == FRAME_BLOCK_ORDER ? HUGE_LISTS + (type == FRAME_MOVABLE ? 0 : 1) : NO_LIST;
}

static unsigned order_of_list(unsigned list) {
    return list < HUGE_LISTS ? list / FRAME_TYPES : FRAME_BLOCK_ORDER;
}

static uint32_t batch_of(unsigned order) {
    uint32_t batch = FRAME_LIST_BATCH_PAGES >> order;
    return batch > 0 ? batch : 1;
}

static bool marks_allow(const struct frames *frames, unsigned order, enum frame_urgency urgency) {
    uint64_t reserve = frames->marks.min_pages;
    reserve = urgency == FRAME_URGENT ? reserve / 2 : reserve;
    reserve = urgency == FRAME_NO_LIMIT ? 0 : reserve;
    return frames_buddy_pages(frames) >= reserve + ((uint64_t)1 << order);
}

static void push(struct frames *frames, struct frame_list *list, uint32_t frame, unsigned order) {
    list->first[list->count++] = frame;
    frames->listed_pages += (uint64_t)1 << order;
}

static uint32_t pop(struct frames *frames, struct frame_list *list, unsigned order) {
    frames->listed_pages -= (uint64_t)1 << order;
    return list->first[--list->count];
}

/* Gets a batch, as far as the marks and the memory allow. */
static void fill(struct frames *frames, struct frame_list *list, unsigned order,
                 enum frame_type type, enum frame_urgency urgency) {
    for (uint32_t i = 0; i < batch_of(order) && marks_allow(frames, order, urgency); i++) {
        uint32_t frame = take_from_buddies(frames, order, type);
        if (frame == BUDDY_NONE) {
            break;
        }
        push(frames, list, frame, order);
    }
}

/* Gives the frames that lie longest back until so many are left. */
static void flush(struct frames *frames, struct frame_list *list, unsigned order, uint32_t left) {
    uint32_t going = list->count > left ? list->count - left : 0;
    for (uint32_t i = 0; i < going; i++) {
        give_to_buddies(frames, list->first[i], order);
        frames->listed_pages -= (uint64_t)1 << order;
    }
    for (uint32_t i = 0; i < list->count - going; i++) {
        list->first[i] = list->first[i + going];
    }
    list->count -= going;
}

void frames_drain(struct frames *frames) {
    for (unsigned processor = 0; processor < frames->processors; processor++) {
        for (unsigned list = 0; list < FRAME_LISTS; list++) {
            flush(frames, &frames->on_processor[processor].lists[list], order_of_list(list), 0);
        }
    }
}

/* ---- taking and giving --------------------------------------------------------------------- */

struct pfn frames_take(struct frames *frames, unsigned processor, unsigned order,
                       enum frame_type type, enum frame_urgency urgency) {
    DEBUG_CHECK(processor < frames->processors && order <= BUDDY_MAX_ORDER);
    unsigned number = list_of(order, type);
    uint32_t frame = BUDDY_NONE;
    if (number != NO_LIST) {
        struct frame_list *list = &frames->on_processor[processor].lists[number];
        if (list->count == 0) {
            fill(frames, list, order, type, urgency);
        }
        frame = list->count > 0 ? pop(frames, list, order) : BUDDY_NONE;
    } else if (marks_allow(frames, order, urgency)) {
        frame = take_from_buddies(frames, order, type);
    }
    return (struct pfn){frame != BUDDY_NONE ? frame : 0};
}

void frames_give(struct frames *frames, unsigned processor, struct pfn frame, unsigned order) {
    uint32_t first = (uint32_t)frame.number;
    DEBUG_CHECK(processor < frames->processors && frame.number != 0 && first < frames->pages);
    unsigned number = list_of(order, type_of(frames, first));
    if (number == NO_LIST) {
        give_to_buddies(frames, first, order);
        return;
    }
    struct frame_list *list = &frames->on_processor[processor].lists[number];
    uint32_t batch = batch_of(order);
    if (list->count == FRAME_LIST_HIGH_BATCHES * batch) {
        flush(frames, list, order, list->count - batch);
    }
    push(frames, list, first, order);
}

/* ---- asking -------------------------------------------------------------------------------- */

uint64_t frames_buddy_pages(const struct frames *frames) {
    uint64_t pages = 0;
    for (unsigned type = 0; type < FRAME_TYPES; type++) {
        pages += frames->buddies[type].free_units;
    }
    return pages;
}

uint64_t frames_free_pages(const struct frames *frames) {
    return frames_buddy_pages(frames) + frames->listed_pages;
}

bool frames_are_low(const struct frames *frames) {
    return frames_buddy_pages(frames) < frames->marks.low_pages;
}

bool frames_are_high(const struct frames *frames) {
    return frames_buddy_pages(frames) >= frames->marks.high_pages;
}
