/* meta.c - the bump allocator of records (contract in meta.h).
 * Layer: pages (includes base, os).
 *
 *      block  | handed out | handed out |  free ......  |
 *             ^ start                   ^ next          ^ end
 *
 * Small requests are cut from the current block; one that does not fit starts a new block and
 * abandons the tail. A large request is mapped alone, so that it abandons nothing. */
#include "pages/meta.h"

#include "base/bits.h"
#include "base/check.h"
#include "os/lock.h"
#include "os/os.h"

#define STATIC_BLOCK_BYTES ((size_t)16 << 10)
#define BLOCK_BYTES ((size_t)64 << 10)
/* Requests from here on are mapped alone: the tail they could abandon would be too long. */
#define ALONE_BYTES (BLOCK_BYTES / 4)

static char static_block[STATIC_BLOCK_BYTES] CACHE_ALIGNED;

static struct {
    struct lock lock;
    uintptr_t next; /* 0 until the first request: the static block is then the current one */
    uintptr_t end;
    size_t mapped_bytes; /* by os_map: the static block is not counted here */
    size_t used_bytes;
} meta;

static void *map_block(size_t bytes) {
    void *block = os_map(bytes);
    if (block != NULL) {
        meta.mapped_bytes += bytes;
    }
    return block;
}

static bool fits(size_t bytes, size_t alignment) {
    uintptr_t start = align_up(meta.next, alignment);
    return start <= meta.end && bytes <= meta.end - start;
}

/* A child forked between these stores finds a block without room, not one of wrong bounds. */
static void switch_block(uintptr_t start, size_t bytes) {
    meta.end = 0;
    compiler_fence();
    meta.next = start;
    compiler_fence();
    meta.end = start + bytes;
}

/* Under an address-space limit a block of the usual size may fail where a page or two do not. */
static bool start_block(size_t bytes) {
    size_t block_bytes = align_up(BLOCK_BYTES, os_page_bytes());
    void *block = map_block(block_bytes);
    if (block == NULL) {
        block_bytes = align_up(bytes, os_page_bytes());
        block = map_block(block_bytes);
    }
    if (block == NULL) {
        return false;
    }
    switch_block((uintptr_t)block, block_bytes);
    return true;
}

static void *cut(size_t bytes, size_t alignment) {
    uintptr_t start = align_up(meta.next, alignment);
    meta.next = start + bytes;
    return (void *)start;
}

static void *alloc_locked(size_t bytes, size_t alignment) {
    if (meta.next == 0) {
        switch_block((uintptr_t)static_block, sizeof static_block);
    }
    if (fits(bytes, alignment)) {
        return cut(bytes, alignment);
    }
    if (bytes >= ALONE_BYTES) {
        return map_block(align_up(bytes, os_page_bytes()));
    }
    return start_block(bytes) ? cut(bytes, alignment) : NULL;
}

void *meta_alloc(size_t bytes, size_t alignment) {
    DEBUG_CHECK(bytes > 0);
    DEBUG_CHECK(is_power_of_two(alignment) && alignment <= os_page_bytes());
    if (bytes > SIZE_MAX / 2) {
        return NULL;
    }
    lock_take(&meta.lock, LOCK_RANK_META);
    void *record = alloc_locked(bytes, alignment);
    if (record != NULL) {
        meta.used_bytes += bytes;
    }
    lock_drop(&meta.lock, LOCK_RANK_META);
    return record;
}

size_t meta_mapped_bytes(void) {
    lock_take(&meta.lock, LOCK_RANK_META);
    size_t bytes = sizeof static_block + meta.mapped_bytes;
    lock_drop(&meta.lock, LOCK_RANK_META);
    return bytes;
}

size_t meta_used_bytes(void) {
    lock_take(&meta.lock, LOCK_RANK_META);
    size_t bytes = meta.used_bytes;
    lock_drop(&meta.lock, LOCK_RANK_META);
    return bytes;
}

void meta_fork_child(void) {
    lock_reset(&meta.lock);
}
