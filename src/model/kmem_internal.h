/* kmem_internal.h - the record of a slab, for what manages and what looks at it.
 * Layer: model (includes base). */
#ifndef ARENITE_MODEL_KMEM_INTERNAL_H
#define ARENITE_MODEL_KMEM_INTERNAL_H

#include "model/kmem.h"

#define KMEM_NO_OBJECT UINT16_MAX

struct kmem_slab {
    struct list_link link; /* on the full, partial or empty list of its cache */
    struct kmem_cache *cache;
    uint32_t frame;      /* the first one */
    unsigned taken;      /* objects not free in the slab */
    uint16_t first_free; /* number of an object, or KMEM_NO_OBJECT */
    uint16_t cut;        /* objects below were taken at least once */
};

#endif
