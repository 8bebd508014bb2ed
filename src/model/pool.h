/* pool.h - objects of one size, cut from blocks of the host's memory: the plain object source.
 * Layer: model (includes only base).
 *
 * A block is POOL_BLOCK_BYTES; its first object slot holds the link to the next block, the rest are
 * objects. What was given back is taken first, the last one first of all. Blocks go back to the
 * host only with the whole pool.
 *
 * I1: taken + (objects on the free list) + (slots never cut) = slots of all blocks.
 * Not thread-safe: callers serialise. */
#ifndef ARENITE_MODEL_POOL_H
#define ARENITE_MODEL_POOL_H

#include "model/object_source.h"

#define POOL_BLOCK_BYTES ((size_t)64 * 1024)

struct pool_object;
struct pool_block;

struct pool {
    struct object_source source; /* what users are handed */
    struct pool_object *free;
    struct pool_block *blocks; /* the newest first */
    size_t cut_bytes;          /* of the newest block */
    size_t taken;              /* objects that users hold */
};

/* object_bytes: a pointer's at least, an eighth of a block at most; rounded up to 8 bytes. */
void pool_init(struct pool *pool, size_t object_bytes);

/* Unmaps everything, objects still held included. */
void pool_destroy(struct pool *pool);

#endif
