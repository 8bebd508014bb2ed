/* mapped.c - see mapped.h.
 * Layer: chunk (includes base, os, pages). */
#include "chunk/mapped.h"

#include "chunk/mapped_table.h"
#include "chunk/params.h"
#include "os/lock.h"
#include "os/report.h"

static struct lock mapped_lock = LOCK_INIT;
struct mapped_table mapped_blocks;
struct mapped_totals mapped_counts;

static void lock(void) {
    lock_take(&mapped_lock, LOCK_RANK_MAPPED);
}

static void unlock(void) {
    lock_drop(&mapped_lock, LOCK_RANK_MAPPED);
}

/* Read without the lock where a limit is looked at. */
static void set_count(size_t count) {
    __atomic_store_n(&mapped_counts.count, count, __ATOMIC_RELAXED);
}

static void count_in(size_t bytes) {
    set_count(mapped_counts.count + 1);
    mapped_counts.bytes += bytes;
    if (mapped_counts.count > mapped_counts.count_max) {
        mapped_counts.count_max = mapped_counts.count;
    }
    if (mapped_counts.bytes > mapped_counts.bytes_max) {
        mapped_counts.bytes_max = mapped_counts.bytes;
    }
}

static bool promise(void) {
    lock();
    bool promised = mapped_table_promise(&mapped_blocks);
    unlock();
    return promised;
}

static void unpromise(void) {
    lock();
    mapped_table_unpromise(&mapped_blocks);
    unlock();
}

/* Enters a mapping whose user address is `lead` bytes and a header in; a place is promised. */
static void enter(uintptr_t start, size_t bytes, size_t lead) {
    struct mapped_block block = {start + lead + CHUNK_HEADER_BYTES, start, bytes};
    lock();
    mapped_table_put(&mapped_blocks, &block);
    count_in(bytes);
    unlock();
}

/* Takes the block out of the table: from then on it is the caller's alone, who may enter it again
 * or must unpromise its place. */
static bool leave(const void *memory, struct mapped_block *block) {
    lock();
    bool found = mapped_table_take(&mapped_blocks, (uintptr_t)memory, block);
    if (found) {
        set_count(mapped_counts.count - 1);
        mapped_counts.bytes -= block->bytes;
    }
    unlock();
    return found;
}

static void write_header(uintptr_t start, size_t bytes, size_t lead) {
    struct chunk *chunk = chunk_at((void *)start, lead);
    chunk->prev_size = lead;
    chunk_set_head(chunk, (bytes - lead) | CHUNK_MMAPPED);
}

static void check_header(const struct mapped_block *block) {
    const struct chunk *chunk = chunk_of_memory((const void *)block->memory);
    size_t lead = (uintptr_t)chunk - block->start;
    if (UNLIKELY(chunk->prev_size != lead ||
                 chunk->size != ((block->bytes - lead) | CHUNK_MMAPPED))) {
        report_corruption("corrupted header of a mapped block", (const void *)block->memory);
    }
}

static void unmap(uintptr_t start, size_t bytes) {
    if (os_release((void *)start, bytes) != 0) {
        os_purge((void *)start, bytes); /* the range stays; at least its pages go back */
        lock();
        mapped_counts.stuck_bytes += bytes;
        unlock();
    }
}

bool mapped_is_allowed(void) {
    return __atomic_load_n(&mapped_counts.count, __ATOMIC_RELAXED) < params.mmap_max;
}

struct chunk *mapped_alloc(size_t bytes) {
    size_t whole;
    if (add_overflows(bytes, SIZE_BYTES + os_page_bytes() - 1, &whole) || !promise()) {
        return NULL;
    }
    whole = align_down(whole, os_page_bytes());
    void *start = os_map(whole);
    if (start == NULL) {
        unpromise();
        return NULL;
    }
    write_header((uintptr_t)start, whole, 0);
    enter((uintptr_t)start, whole, 0);
    return start;
}

bool mapped_find(const void *memory, struct mapped_block *block) {
    lock();
    bool found = mapped_table_find(&mapped_blocks, (uintptr_t)memory, block);
    unlock();
    return found;
}

bool mapped_find_around(const void *address, struct mapped_block *block) {
    lock();
    bool found = mapped_table_find_around(&mapped_blocks, (uintptr_t)address, block);
    unlock();
    return found;
}

bool mapped_free(void *memory) {
    struct mapped_block block;
    if (!leave(memory, &block)) {
        return false;
    }
    unpromise();
    check_header(&block);
    params_adapt(chunk_bytes(chunk_of_memory(memory)));
    unmap(block.start, block.bytes);
    return true;
}

void *mapped_resize(void *memory, size_t bytes) {
    struct mapped_block block;
    if (!leave(memory, &block)) {
        return NULL;
    }
    check_header(&block);
    size_t lead = (uintptr_t)memory - CHUNK_HEADER_BYTES - block.start;
    size_t whole = align_up(bytes + lead + SIZE_BYTES, os_page_bytes());
    void *start = (void *)block.start;
    if (whole != block.bytes) {
        start = os_remap((void *)block.start, block.bytes, whole, true);
    }
    bool moved = start != NULL;
    uintptr_t now = moved ? (uintptr_t)start : block.start;
    size_t now_bytes = moved ? whole : block.bytes;
    write_header(now, now_bytes, lead);
    enter(now, now_bytes, lead);
    return moved ? chunk_memory(chunk_at((void *)now, lead)) : NULL;
}

void *mapped_align(void *memory, size_t alignment) {
    uintptr_t aligned = align_up((uintptr_t)memory, alignment);
    if (aligned != (uintptr_t)memory && aligned - (uintptr_t)memory < CHUNK_MIN_BYTES) {
        aligned += alignment; /* as in a heap, where the lead becomes a chunk */
    }
    struct mapped_block block;
    if (aligned == (uintptr_t)memory || !leave(memory, &block)) {
        return memory;
    }
    size_t lead = aligned - CHUNK_HEADER_BYTES - block.start;
    write_header(block.start, block.bytes, lead);
    enter(block.start, block.bytes, lead);
    return (void *)aligned;
}

void mapped_totals(struct mapped_totals *out) {
    lock();
    *out = mapped_counts;
    unlock();
}

const char *mapped_audit(void) {
    lock();
    size_t count = 0;
    size_t bytes = 0;
    const char *error = mapped_table_audit(&mapped_blocks, &count, &bytes);
    if (error == NULL && (count != mapped_counts.count || bytes != mapped_counts.bytes)) {
        error = "the mapped blocks do not add up to their counters";
    }
    unlock();
    return error;
}

void mapped_fork_child(void) {
    lock_reset(&mapped_lock);
    mapped_table_repair(&mapped_blocks);
    mapped_table_audit(&mapped_blocks, &mapped_counts.count, &mapped_counts.bytes);
}
