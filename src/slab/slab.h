/* slab.h - one slab: a span of granules cut into equal slots, its record, its free list.
 * Layer: slab (includes base, os, pages).
 *
 * The record lies out of line; page map entries of kind PAGE_RUN lead to it. Slots are carved from
 * the front as they are needed, at most to the end of the page that is being filled, so that a
 * slab touches no page before it must. Free slots form a list within the slab (slot.h). In front of
 * the first slot lies a guard of zeros.
 *
 * Only the owner touches the list; other threads read the first line of the record.
 *
 * `own.until` counts down at every free and up at every allocation; at 0 the owner looks at the
 * slab. live = until + floor, so by choosing floor the owner chooses when to be told: for a full
 * slab after some frees, for a partial one when it falls into the next emptier group, for the
 * active one when it is empty and has touched more than a page, else never.
 *
 * I1: live slots + free slots = carved slots, with slots in a thread's cache or under way between
 *     threads counted live.
 * I2: every free slot is carved, exact, and in the list once.
 * I3: all that lies in front of the first slot, the guard slot first, is zero.
 * I4: a listed slot that is fresh is zero beyond its first two words. */
#ifndef ARENITE_SLAB_SLAB_H
#define ARENITE_SLAB_SLAB_H

#include "base/list.h"
#include "pages/page_heap.h"
#include "slab/class.h"
#include "slab/slot.h"

#include <string.h>

struct thread;
struct slab_holes;

enum slab_state {
    SLAB_UNUSED, /* no run: record waits for reuse */
    SLAB_ACTIVE, /* the owner allocates from it */
    SLAB_PARTIAL,
    SLAB_FULL,
    SLAB_SPARE, /* empty, kept by its owner for any class */
};

/* Partial slabs by how many of their slots are in use: the fullest quarter is group 3. */
#define SLAB_GROUPS 4

struct slab {
    /* Read by every thread. Written when the slab changes hands, the limit at every carving. */
    struct thread *owner;     /* first word: never 0 while the slab is in use (see page_map.h) */
    uintptr_t origin;         /* of slot 0 */
    uint64_t inverse;         /* about 2^64 / slot_bytes, and */
    uint64_t limit;           /* carved slots times its error: see slab_is_slot */
    struct page_heap *heap;   /* where the span goes back to */
    struct slab *next_record; /* all records, newest first; written once */
    struct slot_list *list;   /* where the owner's frees go: `own`, or its cache of the class */
    uint32_t slot_bytes;
    uint16_t class_index;
    uint16_t capacity;

    /* Owner only. */
    CACHE_ALIGNED struct slot_list own;
    uintptr_t start; /* of the span: the guard slot */
    uint8_t state;   /* enum slab_state */
    uint8_t group;
    uint16_t carved;        /* slots */
    uint32_t span_bytes;    /* 0 of slab_none */
    bool is_zero;           /* what is not carved yet reads as zeros */
    uint16_t touched_units; /* by former classes, from the start: SLAB_TOUCHED_BYTES each */
    int32_t
        marks_distance;    /* from the start to its marks (mark.h) in SLAB_TOUCHED_BYTES; 0: none */
    struct list_link link; /* in the list of its state */
    struct slab_holes *holes; /* of a slab in the depot: pages given back (holes.h); or NULL */
};
_Static_assert(sizeof(struct slab) == PAGE_RECORD_BYTES,
               "two lines: one that others read, one that the owner writes");

/* Serves nothing: what an owner without a slab of a class allocates from. */
extern struct slab slab_none;

/* True when an address is exactly a carved slot: one multiplication, one comparison.
 * With M the next odd number above 2^64 / d and e = M * d - 2^64, so 0 < e <= 2 d, the product
 * n * M modulo 2^64 is i * e for n = i * d, and at least M for every other n below 2^32 (after
 * Lemire, Kaser, Kurz 2019). So "i is below the number of carved slots" and "n is a multiple of d"
 * are together n * M < carved * e. M is odd so that bits added above an exact slot's address are
 * never multiplied away; other n beyond 2^32 are addresses no program can use. */
INLINE bool slab_is_slot(const struct slab *slab, const void *address) {
    uint64_t offset = (uintptr_t)address - slab->origin;
    return offset * slab->inverse < LOAD_RELAXED(&slab->limit);
}

/* The pointer may be freed without a further look: exactly a carved slot, not free already. */
INLINE bool slab_accepts(const struct slab *slab, const struct slot *slot, uint32_t tag) {
    return !SLAB_CHECKS || (LIKELY(slab_is_slot(slab, slot)) && LIKELY(slot->tag != tag));
}

/* There is an intact slot in the list. */
INLINE bool slab_is_ready(const struct slab *slab) {
    return slot_is_intact(slab->own.head);
}

INLINE void *slab_pop(struct slab *slab) {
    return slot_list_pop(&slab->own, slot_secrets.mask);
}

/* True when the owner must look at the slab. */
INLINE bool slab_push(struct slab *slab, struct slot *slot) {
    return slot_list_push(&slab->own, slot, &slot_secrets);
}

/* ---- the rest ------------------------------------------------------------------------------ */

INLINE bool slab_list_is_empty(const struct slab *slab) {
    return slot_list_is_empty(&slab->own);
}

INLINE uint32_t slab_live(const struct slab *slab) {
    return (uint32_t)(slab->own.until + slab->own.floor);
}

INLINE bool slab_can_carve(const struct slab *slab) {
    return slab->carved < slab->capacity;
}

INLINE size_t slab_carved_bytes(const struct slab *slab) {
    return (size_t)slab->carved * slab->slot_bytes;
}

/* How much of the span has been touched, for this class or a former one. */
INLINE size_t slab_touched_bytes(const struct slab *slab) {
    size_t now = slab->origin - slab->start + slab_carved_bytes(slab);
    size_t former = slab->touched_units * SLAB_TOUCHED_BYTES;
    return now > former ? now : former;
}

/* The next slot to be carved ends on a page that is there, as far as is known. */
INLINE bool slab_has_next_page(const struct slab *slab) {
    size_t end = slab->origin - slab->start + slab_carved_bytes(slab) + slab->slot_bytes;
    return end <= align_up(slab_touched_bytes(slab), SLAB_TOUCHED_BYTES);
}

/* Chooses at how many live slots the owner is told next. */
INLINE void slab_set_floor(struct slab *slab, int32_t floor) {
    slab->own.until = (int32_t)slab_live(slab) - floor;
    slab->own.floor = floor;
}

/* So many live slots, or fewer, are few: between them lie whole pages. Where each free slot holds
 * some, that is so sooner. */
INLINE uint32_t slab_few(const struct slab *slab) {
    return slab->capacity / (slab->slot_bytes < SLAB_TOUCHED_BYTES ? 8u : 4u);
}

/* Group of a slab with so many live slots; and the number below which it leaves the group. */
unsigned slab_group_of(const struct slab *slab);
int32_t slab_group_floor(const struct slab *slab, unsigned group);

/* Lays a span of its own out for a class: nothing carved, nothing live. */
void slab_format(struct slab *slab, size_t class_index);

/* The same for so many slots of the smallest class, all carved and in use, where no memory is: a
 * slab of addresses. */
void slab_format_bare(struct slab *slab, size_t count);

/* Adds fresh slots to the list, up to the end of the page; there must be some left. Where slots
 * have marks, in an order that nobody can foresee, all of them zero. */
void slab_carve(struct slab *slab);

/* True when the slot lies in the slab's list. Reports a damaged list. Owner only. */
bool slab_list_holds(const struct slab *slab, const struct slot *slot);

/* The same, of any list, for a thread that may not walk it: the slot's words are such a slot's.
 * Also true for a slot on its way to the owner. */
bool slot_seems_listed(const struct slot *slot);

/* Marks a slot as free and on its way to the owner; and whether one that arrives is intact. */
void slot_mark_travelling(struct slot *slot);
bool slot_is_travelling(const struct slot *slot);

/* Counts anew from the list, in a forked child, for a slab whose owner is gone; gives a damaged
 * list up. */
void slab_recount(struct slab *slab);

/* The list's first word is damaged: reports that. */
void slab_report_damage(const struct slab *slab);

/* The first place where something was written to free slots or in front of the slots; NULL: none
 * found. Looks at so many slots at most, and takes them off. Owner only. */
const struct slot *slab_find_damage(const struct slab *slab, size_t *budget);

/* NULL when I1-I4 hold, else the first broken one. Owner only. */
const char *slab_audit(const struct slab *slab);

#endif
