/* sized.h - what a caller says about the size and alignment of a block that it frees.
 * Layer: api (includes thread and below). */
#ifndef ARENITE_API_SIZED_H
#define ARENITE_API_SIZED_H

#include "api/entry.h"

struct claim {
    void *memory; /* not NULL */
    size_t bytes;
    size_t alignment; /* up to CHUNK_ALIGNMENT: none was asked for */
    bool may_be_resized;
    const char *operation;
    const void *caller;
};

/* Whether a block that was found can have been allocated so; reports one that cannot. */
bool sized_matches(const struct claim *claim, const struct block *block);

/* The same for a pointer into a heap, where a header may be read: false says nothing yet. */
bool sized_fits_chunk(const struct claim *claim, const struct heap *heap);

/* The size that a class is chosen by. */
INLINE size_t sized_request(size_t bytes, size_t alignment) {
    return alignment <= CHUNK_ALIGNMENT ? bytes : align_up(bytes + (bytes == 0), alignment);
}

/* For a block that nobody resizes: false says nothing yet, true that there is nothing to say. It is
 * a slot of the class for this size, or no slot at all: then the word compared is one of a heap's
 * record or 0 (see page_map.h), which may be equal by chance. */
INLINE bool sized_is_plain(const void *memory, size_t bytes, size_t alignment) {
    const struct slab *slab = page_entry_run(page_map_get(memory));
    return LIKELY(LOAD_RELAXED(&slab->class_index) == class_of(sized_request(bytes, alignment)));
}

#endif
