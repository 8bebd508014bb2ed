/* kmem.h - the modelled kernel's objects: caches of one size each, on slabs of frames.
 * Layer: model (includes base).
 *
 * A slab is 2^order frames cut into objects. A cache keeps its slabs on three lists, full, partial
 * and empty, takes from a partial one first and gives empty ones back beyond a few; each processor
 * keeps a few objects at hand. So did the SLAB allocator, which the kernel dropped in 6.8; its
 * successor SLUB keeps no list of full ones. How many objects a slab gets and of how many frames it
 * is follows SLUB, whose figures can be seen.
 *
 *      cache -> full     [x x x x] [x x x x]
 *               partial  [x . x .] [. . . x]
 *               empty    [. . . .]
 *
 * Objects lie in the kernel's direct map: the bytes of frame n are at base + n * 4096, host memory
 * that is touched only where slabs are. Each cache is an object source (object_source.h).
 *
 * I1: a slab with all objects taken is on the full list, with none on the empty one, else partial.
 * I2: taken objects of all slabs = objects that users hold + objects at hand on processors.
 * I3: a cache's slabs hold slabs << order frames of type FRAME_UNMOVABLE.
 *
 * Not thread-safe: callers serialise. Source: Bonwick, "The Slab Allocator", 1994; mm/slab.c of
 * Linux 6.7 and calculate_order in mm/slub.c, re-told. */
#ifndef ARENITE_MODEL_KMEM_H
#define ARENITE_MODEL_KMEM_H

#include "base/list.h"
#include "model/frames.h"
#include "model/object_source.h"
#include "model/pool.h"

#define KMEM_NAME_BYTES 24
#define KMEM_MAX_ORDER 3
#define KMEM_AT_HAND 16
#define KMEM_AT_HAND_BATCH 8
#define KMEM_EMPTY_SLABS 2
#define KMEM_MAX_PROCESSORS 8

struct kmem_slab;
struct kmem_cache;

/* All caches of a machine. */
struct kmem {
    struct frames *frames;
    char *base;               /* the direct map */
    struct kmem_slab **slabs; /* per frame: the slab that begins there */
    struct pool records;      /* struct kmem_slab: the kernel has them in its page records */
    struct kmem_cache *caches;
    unsigned processor;         /* who takes and gives now */
    uint64_t table_pages;       /* single frames that are out: page tables */
    enum frame_urgency urgency; /* how deep slabs and pages may go */
};

/* Objects that a processor took from the slabs in advance. */
struct kmem_at_hand {
    unsigned count;
    void *objects[KMEM_AT_HAND];
};

struct kmem_cache {
    struct object_source source; /* what users are handed */
    struct kmem *kmem;
    struct kmem_cache *next;
    char name[KMEM_NAME_BYTES];
    unsigned objects_per_slab;
    unsigned order;
    struct list full;
    struct list partial;
    struct list empty;
    size_t slabs;
    size_t empty_slabs;
    size_t held; /* objects that users have */
    struct kmem_at_hand at_hand[KMEM_MAX_PROCESSORS];
};

/* 0, or -ENOMEM when the host cannot map the direct map. */
int kmem_init(struct kmem *kmem, struct frames *frames);

/* Unmaps everything; caches and their objects are gone. */
void kmem_destroy(struct kmem *kmem);

/* One frame of the kernel's own, zeroed, where the direct map has it (a page table); or NULL. */
void *kmem_page_take(struct kmem *kmem);
void kmem_page_give(struct kmem *kmem, void *page);

/* Order of the slabs and objects in each, for objects of so many bytes. */
struct kmem_geometry {
    unsigned order;
    unsigned objects;
};
struct kmem_geometry kmem_geometry_of(size_t object_bytes, unsigned processors);

/* Adds a cache. object_bytes: a multiple of 8, at most an order-3 slab. */
void kmem_cache_init(struct kmem_cache *cache, struct kmem *kmem, const char *name,
                     size_t object_bytes);

/* Gives back what is at hand and all empty slabs. Returns how many slabs went. */
size_t kmem_cache_shrink(struct kmem_cache *cache);

/* /proc/slabinfo and the table of slabtop -o; as snprintf. */
size_t kmem_slabinfo(const struct kmem *kmem, char *text, size_t size);
size_t kmem_slabtop(const struct kmem *kmem, char *text, size_t size);

/* Recounts a cache; NULL, or the first broken invariant. */
const char *kmem_cache_audit(const struct kmem_cache *cache);

#endif
