/* pool.c - a free list over blocks; see pool.h.
 * Layer: model (includes base). */
#include "model/pool.h"

#include "base/bits.h"
#include "base/check.h"
#include "model/host.h"

struct pool_object {
    struct pool_object *next;
};

struct pool_block {
    struct pool_block *next;
};

static bool add_block(struct pool *pool) {
    struct pool_block *block = host_map(POOL_BLOCK_BYTES);
    if (block == NULL) {
        return false;
    }
    block->next = pool->blocks;
    pool->blocks = block;
    pool->cut_bytes = pool->source.object_bytes;
    return true;
}

static void *cut(struct pool *pool) {
    size_t bytes = pool->source.object_bytes;
    if ((pool->blocks == NULL || pool->cut_bytes + bytes > POOL_BLOCK_BYTES) && !add_block(pool)) {
        return NULL;
    }
    void *object = (char *)pool->blocks + pool->cut_bytes;
    pool->cut_bytes += bytes;
    return object;
}

static void *take(struct object_source *source) {
    struct pool *pool = (struct pool *)source;
    struct pool_object *object = pool->free;
    if (object != NULL) {
        pool->free = object->next;
    } else {
        object = cut(pool);
    }
    pool->taken += object != NULL;
    return object;
}

static void give(struct object_source *source, void *object) {
    struct pool *pool = (struct pool *)source;
    struct pool_object *freed = object;
    DEBUG_CHECK(pool->taken > 0);
    freed->next = pool->free;
    pool->free = freed;
    pool->taken--;
}

void pool_init(struct pool *pool, size_t object_bytes) {
    object_bytes = align_up(object_bytes, 8);
    DEBUG_CHECK(object_bytes >= sizeof(struct pool_object) && object_bytes <= POOL_BLOCK_BYTES / 8);
    *pool = (struct pool){.source = {take, give, object_bytes}};
}

void pool_destroy(struct pool *pool) {
    for (struct pool_block *block = pool->blocks; block != NULL;) {
        struct pool_block *next = block->next;
        host_unmap(block, POOL_BLOCK_BYTES);
        block = next;
    }
    pool_init(pool, pool->source.object_bytes);
}
