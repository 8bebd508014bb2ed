/* object_source.h - where a part of the model takes its objects from.
 * Layer: model (includes only base).
 *
 * The model's structures need memory in objects of one size each (tree nodes, VMAs, ...). They take
 * it through this table, so that it can come from a pool of its own, from the modelled kernel's
 * slab caches, or from a test that lets the n-th take fail. Never from malloc: the model may stand
 * under an allocator.
 *
 * Callers serialise; objects come back uninitialised. */
#ifndef ARENITE_MODEL_OBJECT_SOURCE_H
#define ARENITE_MODEL_OBJECT_SOURCE_H

#include "base/compiler.h"

struct object_source {
    void *(*take)(struct object_source *source); /* an object, or NULL */
    void (*give)(struct object_source *source, void *object);
    size_t object_bytes; /* also the alignment, where it is a power of two up to a page */
};

INLINE void *object_take(struct object_source *source) {
    return source->take(source);
}

INLINE void object_give(struct object_source *source, void *object) {
    source->give(source, object);
}

#endif
