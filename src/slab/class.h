/* class.h - the size classes that slabs serve, and how a slab of each is laid out.
 * Layer: slab (includes base, os, pages).
 *
 * Classes are SLAB_STEP_BYTES apart up to SLAB_MAX_BYTES, numbered by the size in steps; class 0
 * does not exist (a request of 0 is served by class 1). A slab is one granule:
 *
 *   | guard | colour | slot 0 | slot 1 | ...            | slot n-1 | slack |
 *
 * The guard slot at the start is never handed out; it ends the free list (slab.h). Slots start at a
 * multiple of the largest power of two that divides their size, so a class that is a multiple of
 * an alignment serves that alignment. What is left over is spread in front of the slots, a
 * different part of it in each slab (the colour), so that equal slots of different slabs do not
 * compete for the same cache sets (Bonwick 1994, section 4.1).
 *
 * Waste: guard, colour and slack together stay below one slot plus 16 bytes of 64 KiB, 1.6 % at
 * most; rounding a request up to its class wastes at most 15 bytes. */
#ifndef ARENITE_SLAB_CLASS_H
#define ARENITE_SLAB_CLASS_H

#include "base/bits.h"
#include "pages/page_map.h"

#define SLAB_STEP_SHIFT 4
#define SLAB_STEP_BYTES ((size_t)1 << SLAB_STEP_SHIFT)
#define SLAB_CLASSES 65
#define SLAB_MAX_BYTES ((SLAB_CLASSES - 1) * SLAB_STEP_BYTES)
#define SLAB_BYTES GRANULE_BYTES
#define SLAB_GUARD_BYTES SLAB_STEP_BYTES

/* Slots up to this size stay in place when realloc makes them smaller, however much. */
#define SLOT_STAYS_BYTES (4 * SLAB_STEP_BYTES)

/* Largest alignment that rounding up the class can serve. */
#define SLAB_MAX_ALIGNMENT (SLAB_MAX_BYTES / 2)

/* Class of a request, 0 for 0 bytes, SLAB_CLASSES or more when none serves it; a request within
 * a step of SIZE_MAX wraps to 0. */
INLINE size_t class_of(size_t request_bytes) {
    return (request_bytes + SLAB_STEP_BYTES - 1) >> SLAB_STEP_SHIFT;
}

INLINE size_t class_bytes(size_t class_index) {
    return class_index << SLAB_STEP_SHIFT;
}

/* Largest power of two that divides a class's size: what its slots are aligned to. */
INLINE size_t class_alignment(size_t class_index) {
    size_t bytes = class_bytes(class_index);
    return bytes & (~bytes + 1);
}

/* Where the first slot may start at the earliest. */
INLINE size_t class_first_offset(size_t class_index) {
    return align_up(SLAB_GUARD_BYTES, class_alignment(class_index));
}

INLINE size_t class_capacity(size_t class_index) {
    return (SLAB_BYTES - class_first_offset(class_index)) / class_bytes(class_index);
}

/* Number of different colours: starts of slots that leave the capacity as it is. */
INLINE size_t class_colours(size_t class_index) {
    size_t used =
        class_first_offset(class_index) + class_capacity(class_index) * class_bytes(class_index);
    return (SLAB_BYTES - used) / class_alignment(class_index) + 1;
}

#endif
