/* ram.h - the frames that user pages lie in, and how many mappings each has.
 * Layer: model (includes base).
 *
 * Frames come from the page allocator (frames.h), movable ones, in orders 0 (a page) and HUGE_ORDER
 * (a huge page). A folio is what was taken at once; it is counted at its head, once per page-table
 * entry that leads to any part of it, and goes back whole when the count reaches 0: so a huge page
 * of which half is unmapped keeps all its frames, as in the kernel until it splits them. A page in
 * the swap cache stays without mappings as long as entries lead to its slot.
 *
 * Every folio is on a list of least recently used ones (lru.h), and knows what it is a page of.
 *
 * Frame 0 is nobody's: the zero pages are marked in their entries and never counted. */
#ifndef ARENITE_MODEL_RAM_H
#define ARENITE_MODEL_RAM_H

#include "model/frames.h"
#include "model/lru.h"
#include "model/memory.h"
#include "model/swap.h"

#define HUGE_ORDER 9
#define HUGE_PAGES ((uint64_t)1 << HUGE_ORDER)
#define HUGE_BYTES (HUGE_PAGES << MODEL_PAGE_SHIFT)

struct model_file;

/* What a folio is a page of. */
struct frame_owner {
    struct model_file *file; /* NULL: anonymous memory */
    uint64_t index;          /* page in the file, or of anonymous memory as VMAs count (pgoff) */
};

struct ram {
    struct frames *frames;
    uint32_t *mappings; /* per frame, counted at the head of its folio */
    uint8_t *huge;      /* per HUGE_PAGES frames: they are one folio */
    uint8_t *middle;    /* per frame: order of the folio between that it is a part of, 0: of none */
    uint8_t *state;     /* per frame: FRAME_* bits */
    struct frame_owner *owners;
    struct lru lru;
    struct swap swap;
};

#define FRAME_WRITTEN 1    /* it holds something else than zeros */
#define FRAME_REFERENCED 2 /* was found used when reclaim looked at it */
#define FRAME_LAZY 4       /* MADV_FREE: may be dropped as long as nobody writes to it */
#define FRAME_DIRTY 8      /* of a file or shared memory: a write was asked for */

/* -ENOMEM when the pool cannot hold the records (36 bytes a frame, touched as frames are used). */
int ram_init(struct ram *ram, struct frames *frames, uint64_t swap_slots,
             struct model_memory *memory);

/* Takes a folio of order 0 or HUGE_ORDER with one mapping, and puts it on a list of inactive ones;
 * its first frame, or 0: none left. */
struct pfn ram_take(struct ram *ram, unsigned order, struct frame_owner owner, enum lru_list list);

/* Takes a folio of an order between: its frames count, age and go as single ones do, and only
 * madvise and copying ask which of them belong together. None of them has a mapping yet. */
struct pfn ram_take_middle(struct ram *ram, unsigned order, struct frame_owner owner,
                           enum lru_list list);

/* Gives a folio back that nothing leads to any more. */
void ram_give(struct ram *ram, struct pfn head);

/* Adds or drops a mapping of the folio that holds a frame. */
void ram_share(struct ram *ram, struct pfn frame);
void ram_drop(struct ram *ram, struct pfn frame);

/* How many entries lead to the folio that holds a frame. */
uint32_t ram_mappings(const struct ram *ram, struct pfn frame);

/* Whether a frame belongs to a folio of HUGE_ORDER, and which frame that folio begins at. */
bool ram_is_huge(const struct ram *ram, struct pfn frame);
struct pfn ram_head(const struct ram *ram, struct pfn frame);

/* Any folio: frames [head, head + pages). Of one of an order between, frames may be gone already,
 * the first too, and be used for something else. */
struct folio {
    struct pfn head;
    uint64_t pages;
    uint8_t middle; /* what ram->middle holds for its frames */
};

struct folio ram_folio_of(const struct ram *ram, struct pfn frame);
bool ram_folio_has(const struct ram *ram, const struct folio *folio, struct pfn frame);

/* How many entries lead to any part of it. */
uint32_t ram_folio_mappings(const struct ram *ram, const struct folio *folio);

/* The frames of a folio of an order between no longer belong together. */
void ram_part(struct ram *ram, const struct folio *folio);

/* Makes single frames of a huge folio: mappings[i] entries lead to its i-th frame; those without
 * one are free then, the others go to the end of the folio's list. */
void ram_split(struct ram *ram, struct pfn head, const uint32_t mappings[HUGE_PAGES]);

INLINE uint64_t ram_pages(const struct ram *ram, struct pfn head) {
    return ram_is_huge(ram, head) ? HUGE_PAGES : 1;
}

/* Moves a folio to the front of a list, or to its end. */
void ram_move_first(struct ram *ram, struct pfn head, enum lru_list list);
void ram_move_last(struct ram *ram, struct pfn head, enum lru_list list);

INLINE bool ram_has(const struct ram *ram, struct pfn frame, uint8_t bits) {
    return (ram->state[frame.number] & bits) != 0;
}

INLINE void ram_set(struct ram *ram, struct pfn frame, uint8_t bits) {
    ram->state[frame.number] |= bits;
}

INLINE void ram_clear(struct ram *ram, struct pfn frame, uint8_t bits) {
    ram->state[frame.number] &= (uint8_t)~bits;
}

INLINE bool ram_is_written(const struct ram *ram, struct pfn frame) {
    return ram_has(ram, frame, FRAME_WRITTEN);
}

INLINE void ram_write(struct ram *ram, struct pfn frame) {
    ram_set(ram, frame, FRAME_WRITTEN);
}

/* An entry less leads to a slot; a copy in the cache that nobody maps goes with the last one. */
void ram_drop_slot(struct ram *ram, swap_slot slot);

uint64_t ram_free_pages(const struct ram *ram);

#endif
