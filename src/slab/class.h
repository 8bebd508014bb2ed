/* class.h - the size classes that slabs serve, and how a slab of each is laid out.
 * Layer: slab (includes base, os, pages).
 *
 * Small classes are SLAB_STEP_BYTES apart up to SLAB_SMALL_MAX_BYTES, numbered by the size in
 * steps; class 0 does not exist (a request of 0 is served by class 1). Above, eight classes share
 * each doubling, up to SLAB_MAX_BYTES. A slab is an aligned span of granules, one for small
 * classes:
 *
 *   | guard | colour | slot 0 | slot 1 | ...            | slot n-1 | slack |
 *
 * The guard slot at the start is never handed out; it stays zero (slab.h). Slots start at a
 * multiple of the largest power of two that divides their size, to 512, so a class that is a
 * multiple of such an alignment serves it. What is left over is spread in front of the slots, a
 * different part of it in each slab (the colour), so that equal slots of different slabs do not
 * compete for the same cache sets (Bonwick 1994, section 4.1). So slots of whole pages do not start
 * with one: the end of each lies in the page where the next begins.
 *
 * Beyond SLAB_MAX_BYTES a few classes of one slot each are a last resort.
 *
 * Waste: guard, colour and slack together stay below one slot plus 16 bytes of the span, 1.6 % at
 * most for small classes; in larger ones most of it is never touched. Rounding a request up to its
 * class wastes at most 15 bytes of a small one, an eighth of others, 6 % on average. */
#ifndef ARENITE_SLAB_CLASS_H
#define ARENITE_SLAB_CLASS_H

#include "base/bits.h"
#include "pages/page_map.h"

#define SLAB_STEP_SHIFT 4
#define SLAB_STEP_BYTES ((size_t)1 << SLAB_STEP_SHIFT)
#define SLAB_SMALL_CLASSES 65
#define SLAB_SMALL_MAX_SHIFT 10
#define SLAB_SMALL_MAX_BYTES ((size_t)1 << SLAB_SMALL_MAX_SHIFT)
_Static_assert((SLAB_SMALL_CLASSES - 1) * SLAB_STEP_BYTES == SLAB_SMALL_MAX_BYTES,
               "the last small class");

/* Classes in a doubling, and doublings beyond the small classes. */
#define SLAB_FRACTION_SHIFT 3
#define SLAB_FRACTIONS (1 << SLAB_FRACTION_SHIFT)
#define SLAB_DOUBLINGS 5
#define SLAB_LONE_FIRST (SLAB_SMALL_CLASSES + SLAB_FRACTIONS * SLAB_DOUBLINGS)
#define SLAB_MAX_BYTES (SLAB_SMALL_MAX_BYTES << SLAB_DOUBLINGS)

/* Classes of slabs with one slot: for requests that nothing else can serve (class_of_lone). */
#define SLAB_LONE_CLASSES 3
#define SLAB_CLASSES (SLAB_LONE_FIRST + SLAB_LONE_CLASSES)

/* How many granules a slab spans, as shifts: of small, middle and large slots; of the longest. */
#define SLAB_SPANS 4
#define SLAB_MIDDLE_DOUBLINGS 3
#define SLAB_LARGE_FIRST (SLAB_SMALL_CLASSES + SLAB_FRACTIONS * SLAB_MIDDLE_DOUBLINGS)
#define SLAB_SPAN_SHIFTS \
    { 0, 1, 3, 4 }
#define SLAB_SPAN_MAX_BYTES (GRANULE_BYTES << 4)
#define SLAB_GUARD_BYTES SLAB_STEP_BYTES

/* What is touched of a slab is counted in these: the smallest page there is. */
#define SLAB_TOUCHED_BYTES ((size_t)4096)

/* Slots up to this size stay in place when realloc makes them smaller, however much. */
#define SLOT_STAYS_BYTES (4 * SLAB_STEP_BYTES)

/* Largest alignment that rounding up the class can serve. */
#define SLAB_MAX_ALIGNMENT (SLAB_SMALL_MAX_BYTES / 2)

/* Class of a request that a small class serves, 0 for 0 bytes; SLAB_SMALL_CLASSES or more when none
 * does; a request within a step of SIZE_MAX wraps to 0. */
INLINE size_t class_of_small(size_t request_bytes) {
    return (request_bytes + SLAB_STEP_BYTES - 1) >> SLAB_STEP_SHIFT;
}

INLINE bool class_serves_wide(size_t request_bytes) {
    return request_bytes - (SLAB_SMALL_MAX_BYTES + 1) < SLAB_MAX_BYTES - SLAB_SMALL_MAX_BYTES;
}

/* Class of a request above the small classes (class_serves_wide): of the byte before its end, the
 * highest set bit names the doubling, the next three the class. */
INLINE size_t class_of_wide(size_t request_bytes) {
    size_t last = request_bytes - 1;
    unsigned shift = log2_floor(last) - SLAB_FRACTION_SHIFT;
    unsigned first_shift = SLAB_SMALL_MAX_SHIFT - SLAB_FRACTION_SHIFT;
    return SLAB_SMALL_CLASSES + ((size_t)(shift - first_shift) << SLAB_FRACTION_SHIFT) +
           (last >> shift) - SLAB_FRACTIONS;
}

/* Class of any request that slabs serve in general, else SLAB_CLASSES. */
INLINE size_t class_of(size_t request_bytes) {
    if (request_bytes <= SLAB_SMALL_MAX_BYTES) {
        return class_of_small(request_bytes);
    }
    return class_serves_wide(request_bytes) ? class_of_wide(request_bytes) : SLAB_CLASSES;
}

INLINE size_t class_bytes_of_span(size_t span) {
    static const uint8_t shifts[SLAB_SPANS] = SLAB_SPAN_SHIFTS;
    return GRANULE_BYTES << shifts[span];
}

/* The last slot of a span of its own: all but a sixteenth of a granule. */
INLINE size_t class_lone_bytes(size_t class_index) {
    return class_bytes_of_span(1 + class_index - SLAB_LONE_FIRST) - GRANULE_BYTES / 16;
}

/* Of a request that slabs do not serve in general; SLAB_CLASSES when it is too large. */
INLINE size_t class_of_lone(size_t request_bytes) {
    size_t class_index = SLAB_LONE_FIRST;
    while (class_index < SLAB_CLASSES && class_lone_bytes(class_index) < request_bytes) {
        class_index++;
    }
    return class_index;
}

INLINE size_t class_bytes(size_t class_index) {
    if (class_index < SLAB_SMALL_CLASSES) {
        return class_index << SLAB_STEP_SHIFT;
    }
    if (class_index >= SLAB_LONE_FIRST) {
        return class_lone_bytes(class_index);
    }
    size_t above = class_index - SLAB_SMALL_CLASSES;
    size_t fractions = SLAB_FRACTIONS + 1 + above % SLAB_FRACTIONS;
    return fractions << (SLAB_SMALL_MAX_SHIFT - SLAB_FRACTION_SHIFT + above / SLAB_FRACTIONS);
}

/* Which of the spans a slab of the class has. Any number is safe. */
INLINE size_t class_span(size_t class_index) {
    if (class_index >= SLAB_LONE_FIRST) {
        size_t lone = class_index - SLAB_LONE_FIRST;
        return 1 + (lone < SLAB_LONE_CLASSES ? lone : 0);
    }
    return (size_t)(class_index >= SLAB_SMALL_CLASSES) + (class_index >= SLAB_LARGE_FIRST);
}

INLINE size_t class_span_bytes(size_t class_index) {
    return class_bytes_of_span(class_span(class_index));
}

/* What a class's slots are aligned to: the largest power of two that divides its size, as far as
 * anybody may ask a class for it. */
INLINE size_t class_alignment(size_t class_index) {
    size_t bytes = class_bytes(class_index);
    size_t divides = bytes & (~bytes + 1);
    return divides < SLAB_MAX_ALIGNMENT ? divides : SLAB_MAX_ALIGNMENT;
}

/* Where the first slot may start at the earliest. */
INLINE size_t class_first_offset(size_t class_index) {
    return align_up(SLAB_GUARD_BYTES, class_alignment(class_index));
}

INLINE size_t class_capacity(size_t class_index) {
    return (class_span_bytes(class_index) - class_first_offset(class_index)) /
           class_bytes(class_index);
}

/* Number of different colours: starts of slots that leave the capacity as it is, in the first page,
 * so that no page is touched for what lies in front. */
INLINE size_t class_colours(size_t class_index) {
    size_t first = class_first_offset(class_index);
    size_t used = first + class_capacity(class_index) * class_bytes(class_index);
    size_t left = class_span_bytes(class_index) - used, page_left = SLAB_TOUCHED_BYTES - 1 - first;
    return (left < page_left ? left : page_left) / class_alignment(class_index) + 1;
}

#endif
