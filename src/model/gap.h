/* gap.h - a wish for free addresses, and whether a given gap grants it.
 * Layer: model (includes base).
 *
 * Both indexes find gaps in their own way and place the wish in them by these two functions, so
 * that the answer cannot depend on the index. */
#ifndef ARENITE_MODEL_GAP_H
#define ARENITE_MODEL_GAP_H

#include "model/address.h"

/* A free range wanted: length_bytes > 0 inside [low, high), its start a multiple of
 * alignment_bytes. Lengths are multiples of the page size; alignments are powers of two, at least
 * the page size. */
struct gap_request {
    uint64_t length_bytes;
    uint64_t alignment_bytes;
    vaddr low;
    vaddr high;
};

/* The lowest address at which the request fits into the gap [start, end), or VADDR_NONE. */
INLINE vaddr gap_place_low(const struct gap_request *request, vaddr start, vaddr end) {
    vaddr low = start > request->low ? start : request->low;
    vaddr high = end < request->high ? end : request->high;
    vaddr mask = request->alignment_bytes - 1;
    if (low > high || low > VADDR_NONE - mask) {
        return VADDR_NONE;
    }
    vaddr place = (low + mask) & ~mask;
    return place <= high && high - place >= request->length_bytes ? place : VADDR_NONE;
}

/* The highest such address, or VADDR_NONE. */
INLINE vaddr gap_place_high(const struct gap_request *request, vaddr start, vaddr end) {
    vaddr low = start > request->low ? start : request->low;
    vaddr high = end < request->high ? end : request->high;
    if (low > high || high - low < request->length_bytes) {
        return VADDR_NONE;
    }
    vaddr place = (high - request->length_bytes) & ~(request->alignment_bytes - 1);
    return place >= low ? place : VADDR_NONE;
}

#endif
