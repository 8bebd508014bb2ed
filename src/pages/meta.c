/* meta.c - the bump allocator of records (contract in meta.h).
 * Layer: pages (includes base, os).
 *
 *      block  | handed out | handed out |  free ......  |
 *             ^ start                   ^ next          ^ end
 *
 * Each mapped block begins with a record that chains it to the one before.
 * Small requests are cut from the current block; one that does not fit starts a new block and
 * abandons the tail. A large request is mapped alone, so that it abandons nothing. */
#include "pages/meta.h"

#include "base/bits.h"
#include "base/check.h"
#include "os/os.h"

#define BLOCK_BYTES ((size_t)128 << 10)
/* Requests from here on are mapped alone: the tail they could abandon would be too long. */
#define ALONE_BYTES (BLOCK_BYTES / 4)

char meta_static_block[META_STATIC_BYTES] CACHE_ALIGNED;
struct meta_state meta_state;

/* Readers follow the chain without the lock. */
static struct meta_block *map_block(size_t bytes) {
    struct meta_block *block = os_map(bytes);
    if (block != NULL) {
        block->prev = meta_state.blocks;
        block->bytes = bytes;
        __atomic_store_n(&meta_state.blocks, block, __ATOMIC_RELEASE);
        meta_state.mapped_bytes += bytes;
    }
    return block;
}

/* What a block for one record needs: the record, behind the block's own, aligned. */
static size_t whole_block_bytes(size_t bytes, size_t alignment) {
    size_t lead = align_up(sizeof(struct meta_block), alignment);
    return align_up(lead + bytes, os_page_bytes());
}

static bool fits(size_t bytes, size_t alignment) {
    uintptr_t start = align_up(meta_state.next, alignment);
    return start <= meta_state.end && bytes <= meta_state.end - start;
}

/* A child forked between these stores finds a block without room, not one of wrong bounds. */
static void switch_block(uintptr_t start, size_t bytes) {
    meta_state.end = 0;
    compiler_fence();
    meta_state.next = start;
    compiler_fence();
    meta_state.end = start + bytes;
}

/* Under an address-space limit a block of the usual size may fail where a page or two do not. */
static bool start_block(size_t bytes, size_t alignment) {
    struct meta_block *block = map_block(align_up(BLOCK_BYTES, os_page_bytes()));
    if (block == NULL) {
        block = map_block(whole_block_bytes(bytes, alignment));
    }
    if (block == NULL) {
        return false;
    }
    switch_block((uintptr_t)(block + 1), block->bytes - sizeof *block);
    return true;
}

static void *map_alone(size_t bytes, size_t alignment) {
    struct meta_block *block = map_block(whole_block_bytes(bytes, alignment));
    return block != NULL ? (void *)align_up((uintptr_t)(block + 1), alignment) : NULL;
}

static void *cut(size_t bytes, size_t alignment) {
    uintptr_t start = align_up(meta_state.next, alignment);
    meta_state.next = start + bytes;
    return (void *)start;
}

static void *alloc_locked(size_t bytes, size_t alignment) {
    if (meta_state.next == 0) {
        switch_block((uintptr_t)meta_static_block, sizeof meta_static_block);
    }
    if (fits(bytes, alignment)) {
        return cut(bytes, alignment);
    }
    if (bytes >= ALONE_BYTES) {
        return map_alone(bytes, alignment);
    }
    return start_block(bytes, alignment) ? cut(bytes, alignment) : NULL;
}

void *meta_alloc(size_t bytes, size_t alignment) {
    DEBUG_CHECK(bytes > 0);
    DEBUG_CHECK(is_power_of_two(alignment) && alignment <= os_page_bytes());
    if (bytes > SIZE_MAX / 2) {
        return NULL;
    }
    if (!lock_enter(&meta_state.lock, LOCK_RANK_META)) {
        return NULL;
    }
    void *record = alloc_locked(bytes, alignment);
    if (record != NULL) {
        meta_state.used_bytes += bytes;
    }
    lock_leave(&meta_state.lock, LOCK_RANK_META);
    return record;
}

/* A handler may ask, too: then the number is as good as any of these moments'. */
static size_t read_locked(const size_t *number) {
    bool locked = lock_enter(&meta_state.lock, LOCK_RANK_META);
    size_t bytes = *number;
    if (locked) {
        lock_leave(&meta_state.lock, LOCK_RANK_META);
    }
    return bytes;
}

size_t meta_mapped_bytes(void) {
    return sizeof meta_static_block + read_locked(&meta_state.mapped_bytes);
}

size_t meta_used_bytes(void) {
    return read_locked(&meta_state.used_bytes);
}

void meta_fork_child(void) {
    lock_reset(&meta_state.lock);
}

/* Every prefix of what is stored under the lock is valid, or loses one record. */
void meta_recover(void) {
    if (lock_inherit(&meta_state.lock, LOCK_RANK_META)) {
        lock_drop(&meta_state.lock, LOCK_RANK_META);
    }
}
