/* ram.h - the frames that user pages lie in, and how many mappings each has.
 * Layer: model (includes base).
 *
 * Frames come from the page allocator (frames.h), movable ones, in orders 0 (a page) and HUGE_ORDER
 * (a huge page). A folio is what was taken at once; it is counted at its head, once per page-table
 * entry that leads to any part of it, and goes back whole when the count reaches 0: so a huge page
 * of which half is unmapped keeps all its frames, as in the kernel until it splits them.
 *
 * Frame 0 is nobody's: the zero pages are marked in their entries and never counted. */
#ifndef ARENITE_MODEL_RAM_H
#define ARENITE_MODEL_RAM_H

#include "model/frames.h"
#include "model/memory.h"

#define HUGE_ORDER 9
#define HUGE_PAGES ((uint64_t)1 << HUGE_ORDER)
#define HUGE_BYTES (HUGE_PAGES << MODEL_PAGE_SHIFT)

struct ram {
    struct frames *frames;
    uint32_t *mappings; /* per frame, counted at the head of its folio */
    uint8_t *huge;      /* per HUGE_PAGES frames: they are one folio */
    uint8_t *written;   /* per frame: it holds something else than zeros */
};

/* -ENOMEM when the pool cannot hold the records (5 bytes a frame, touched as frames are used). */
int ram_init(struct ram *ram, struct frames *frames, struct model_memory *memory);

/* Takes a folio of order 0 or HUGE_ORDER with one mapping; its first frame, or 0: none left. */
struct pfn ram_take(struct ram *ram, unsigned order);

/* Adds or drops a mapping of the folio that holds a frame. */
void ram_share(struct ram *ram, struct pfn frame);
void ram_drop(struct ram *ram, struct pfn frame);

/* How many entries lead to the folio that holds a frame. */
uint32_t ram_mappings(const struct ram *ram, struct pfn frame);

/* Whether a frame belongs to a folio of HUGE_ORDER, and which frame that folio begins at. */
bool ram_is_huge(const struct ram *ram, struct pfn frame);
struct pfn ram_head(const struct ram *ram, struct pfn frame);

/* Makes single frames of a huge folio: mapped[i] tells whether an entry leads to its i-th frame;
 * those without one are free then. */
void ram_split(struct ram *ram, struct pfn head, const bool mapped[HUGE_PAGES]);

/* Whether something was ever written to a frame, and what is noted when it is. */
INLINE bool ram_is_written(const struct ram *ram, struct pfn frame) {
    return ram->written[frame.number] != 0;
}

INLINE void ram_write(struct ram *ram, struct pfn frame) {
    ram->written[frame.number] = 1;
}

uint64_t ram_free_pages(const struct ram *ram);

#endif
