/* divert.h - the public functions under profile=hardened.
 * Layer: api (includes hardened and below).
 *
 * Fast paths miss there, and their slow sides come here first. Blocks of slabs are handed out and
 * freed by src/hardened; what is no such block goes the usual way. */
#ifndef ARENITE_API_DIVERT_H
#define ARENITE_API_DIVERT_H

#include "chunk/params.h"
#include "slab/depot.h"
#include "slab/mark.h"

INLINE bool divert_is_on(void) {
    return UNLIKELY(params.hardened);
}

/* NULL without touching errno; start_ensure was called. alignment 1: any block has it. */
void *divert_malloc(size_t bytes, size_t alignment, enum mark_origin origin, const void *caller);
void *divert_calloc(size_t bytes, const void *caller);

/* Of a block, to more than 0 bytes: a new one, but for mappings from 1 MiB on, which the kernel
 * resizes. NULL without touching errno when there is no memory, and for what is no block, which was
 * reported. */
void *divert_realloc(void *memory, size_t bytes, const void *caller);

/* A live slot of just so many bytes: false says nothing yet. */
INLINE bool divert_fits(const void *memory, size_t bytes) {
    const struct slab *slab = slab_at(memory);
    return slab != NULL && slab_has_marks(slab) && slab_is_slot(slab, memory) &&
           slab_usable_bytes(slab, memory) == bytes;
}

void divert_free(void *memory, enum mark_origin origin, const void *caller);

#endif
