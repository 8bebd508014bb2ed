/* holes.h - pages of a slab that went back to the kernel between slots in use.
 * Layer: slab (includes base, os, pages).
 *
 * A page that only free slots lie on can go back, but the words that link these slots go with it.
 * So the slab's list is made anew without the slots that begin on such a page: they are *hidden*,
 * and the record of the slab's holes says where. Before the slab serves anybody again they are
 * linked in once more.
 *
 *      | guard, live | free | free | live, free | free | ...      pages of the slab
 *                    |<-- hole --->|            |<hole>|          free slots there are hidden
 *
 * A slab can be looked through again: what has become free meanwhile is added to its holes.
 *
 * Hidden slots do not carry the tag that tells a second free of them, so a slab with holes belongs
 * to the depot, where every free takes the long way and looks here.
 *
 * I1: live + listed + hidden slots = carved slots.
 * I2: no slot in use lies on a page of a hole, not even in part. */
#ifndef ARENITE_SLAB_HOLES_H
#define ARENITE_SLAB_HOLES_H

#include "slab/slab.h"

#define HOLES_PAGES_MAX (SLAB_SPAN_MAX_BYTES / 4096)
#define HOLES_WORDS ((HOLES_PAGES_MAX + 63) / 64)

struct slab_holes {
    struct slab_holes *next; /* unused records */
    uint32_t hidden;         /* slots */
    uint32_t page_count;     /* given back */
    uint64_t pages[HOLES_WORDS];
};

/* Gives back the pages of a slab without anything in use on them, and notes them in `holes`: an
 * unused record, or the slab's own. Returns how many there were; 0, with nothing changed, when
 * there would be fewer than least_pages. By the owner. */
size_t slab_make_holes(struct slab *slab, struct slab_holes *holes, size_t least_pages);

/* Pages that slab_make_holes would give back. By the owner. */
size_t slab_count_holes(const struct slab *slab);

/* Links the hidden slots in again. By the owner. */
void slab_fill_holes(struct slab *slab);

/* NULL when the record says what it should: its sums, no listed slot on its pages. Owner only. */
const char *slab_audit_holes(const struct slab *slab);

/* Whether a slot is hidden. Any thread; the slab may change hands meanwhile. */
bool slab_is_hidden(const struct slab *slab, const struct slot *slot);

INLINE uint32_t slab_hidden(const struct slab *slab) {
    const struct slab_holes *holes = __atomic_load_n(&slab->holes, __ATOMIC_RELAXED);
    return holes != NULL ? holes->hidden : 0;
}

#endif
