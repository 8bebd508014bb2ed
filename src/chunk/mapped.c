/* mapped.c - see mapped.h.
 * Layer: chunk (includes base, os, pages). */
#include "chunk/mapped.h"

#include "chunk/mapped_lock.h"
#include "chunk/mapped_seal.h"
#include "chunk/mapped_table.h"
#include "chunk/params.h"
#include "os/os.h"
#include "os/report.h"

struct mapped_table mapped_blocks;

/* ---- entries --------------------------------------------------------------------------------- */

/* Where a new mapping will be entered. */
enum place { PLACE_NONE, PLACE_PROMISED, PLACE_PENDING };

static enum place promise(void) {
    if (!mapped_lock()) {
        return PLACE_PENDING;
    }
    bool promised = mapped_table_promise(&mapped_blocks);
    mapped_unlock();
    return promised ? PLACE_PROMISED : PLACE_NONE;
}

static void unpromise(void) {
    mapped_lock_surely();
    mapped_table_unpromise(&mapped_blocks);
    mapped_unlock();
}

/* Enters a mapping whose user address is `lead` bytes and a header in; a place is promised. */
static void enter(uintptr_t start, size_t bytes, size_t lead) {
    struct mapped_block block = {
        .memory = start + lead + CHUNK_HEADER_BYTES, .start = start, .bytes = bytes};
    mapped_lock_surely();
    mapped_table_put(&mapped_blocks, &block);
    mapped_count_in(bytes);
    mapped_unlock();
}

/* ---- what lies in front of a block and behind it --------------------------------------------- */

size_t mapped_usable_bytes(const struct mapped_block *block) {
    return block->request != 0 ? block->request : block->start + block->bytes - block->memory;
}

/* In a handler that interrupted the table's holder the block stays without a seal. */
void mapped_seal(void *memory, size_t request) {
    struct mapped_block block;
    if (request == 0 || !mapped_lock()) {
        return;
    }
    if (mapped_table_find(&mapped_blocks, (uintptr_t)memory, &block)) {
        block.request = request;
        block.caller = report_caller;
        mapped_seal_write(&block);
        mapped_table_replace(&mapped_blocks, &block);
        if (block.region != NULL) {
            block.region->request = request;
        }
    }
    mapped_unlock();
}

/* In a handler that interrupted the table's holder nothing is noted. */
void mapped_note_family(void *memory, unsigned family) {
    if (!mapped_lock()) {
        return;
    }
    struct mapped_block *block = mapped_table_at(&mapped_blocks, (uintptr_t)memory);
    if (block != NULL) {
        block->family = family;
    }
    mapped_unlock();
}

/* The table tells the truth, so that the block can be freed or moved all the same. */
static void check_block(const struct mapped_block *block) {
    const struct chunk *chunk = chunk_of_memory((const void *)block->memory);
    size_t lead = (uintptr_t)chunk - block->start;
    if (UNLIKELY(chunk->prev_size != lead ||
                 chunk->size != ((block->bytes - lead) | CHUNK_MMAPPED))) {
        report_misuse("corrupted header of a mapped block", (const void *)block->memory);
    }
    if (UNLIKELY(block->request != 0 && !mapped_seal_is_whole(block))) {
        report_misuse("overflow of a mapped block: the bytes behind it were written to",
                      (const void *)block->memory);
    }
}

/* Takes the block out of the table: from then on it is the caller's alone, who may enter it again
 * or must unpromise its place. The lock is held. */
static bool leave_locked(const void *memory, struct mapped_block *block) {
    bool found =
        mapped_table_find(&mapped_blocks, (uintptr_t)memory, block) && !mapped_is_cached(block);
    if (found) {
        check_block(block);
        region_leave(block->region);
        mapped_table_take(&mapped_blocks, (uintptr_t)memory, block);
        mapped_count_out(block->bytes);
    }
    return found;
}

static bool leave(const void *memory, struct mapped_block *block) {
    if (!mapped_lock()) {
        return false;
    }
    bool found = leave_locked(memory, block);
    mapped_unlock();
    return found;
}

static void write_header(uintptr_t start, size_t bytes, size_t lead) {
    struct chunk *chunk = chunk_at((void *)start, lead);
    chunk->prev_size = lead;
    chunk_set_head(chunk, (bytes - lead) | CHUNK_MMAPPED);
}

static void unmap(uintptr_t start, size_t bytes) {
    if (os_release((void *)start, bytes) != 0) {
        os_purge((void *)start, bytes); /* the range stays; at least its pages go back */
        mapped_lock_surely();
        mapped_counts.stuck_bytes += bytes;
        mapped_unlock();
    }
}

bool mapped_associate(void *memory, struct region *region) {
    if (!mapped_lock()) {
        return false;
    }
    struct mapped_block *block = mapped_table_at(&mapped_blocks, (uintptr_t)memory);
    bool is_free = block != NULL && block->region == NULL;
    if (is_free) {
        region_open(region, block->memory, block->start + block->bytes, block->request);
        block->region = region;
    }
    mapped_unlock();
    return is_free;
}

bool mapped_dissociate(struct region *region) {
    mapped_lock_surely();
    struct mapped_block *block = mapped_table_at(&mapped_blocks, region->memory);
    bool is_its = block != NULL && block->region == region;
    if (is_its) {
        block->request = region_has_seal(region) ? block->request : 0;
        block->region = NULL;
    }
    region_set_state(region, REGION_EMPTY);
    mapped_unlock();
    return is_its;
}

bool mapped_is_allowed(void) {
    return __atomic_load_n(&mapped_counts.count, __ATOMIC_RELAXED) < params.mmap_max;
}

static void *map_unless_denied(size_t bytes, enum place place) {
    void *start = place != PLACE_NONE ? os_map(bytes) : NULL;
    if (start == NULL && place == PLACE_PROMISED) {
        unpromise();
    }
    return start;
}

struct chunk *mapped_alloc(size_t bytes) {
    size_t whole;
    if (add_overflows(bytes, SIZE_BYTES + os_page_bytes() - 1, &whole)) {
        return NULL;
    }
    whole = align_down(whole, os_page_bytes());
    enum place place = promise();
    void *start = map_unless_denied(whole, place);
    if (start == NULL) {
        return NULL;
    }
    write_header((uintptr_t)start, whole, 0);
    if (place == PLACE_PROMISED) {
        enter((uintptr_t)start, whole, 0);
    } else if (UNLIKELY(!mapped_note_pending((uintptr_t)start, whole))) {
        os_release(start, whole);
        return NULL;
    }
    return start;
}

static COLD bool copy_pending(const void *memory, struct mapped_block *block) {
    const struct mapped_block *noted = mapped_find_pending(memory);
    if (noted != NULL) {
        *block = *noted;
    }
    return noted != NULL;
}

bool mapped_find(const void *memory, struct mapped_block *block) {
    if (UNLIKELY(!mapped_lock())) {
        return mapped_table_find(&mapped_blocks, (uintptr_t)memory, block) ||
               copy_pending(memory, block);
    }
    bool found = mapped_table_find(&mapped_blocks, (uintptr_t)memory, block);
    mapped_unlock();
    return found;
}

bool mapped_find_around(const void *address, struct mapped_block *block) {
    bool locked = mapped_lock();
    bool found = mapped_table_find_around(&mapped_blocks, (uintptr_t)address, block);
    if (locked) {
        mapped_unlock();
    }
    return found;
}

bool mapped_free(void *memory) {
    struct mapped_block block;
    if (!mapped_lock()) {
        mapped_defer(chunk_of_memory(memory));
        return true;
    }
    bool found = leave_locked(memory, &block);
    mapped_unlock();
    if (!found) {
        return false;
    }
    unpromise();
    mapped_note_freed(&block);
    params_adapt(block.bytes - ((uintptr_t)memory - CHUNK_HEADER_BYTES - block.start));
    unmap(block.start, block.bytes);
    return true;
}

void *mapped_resize(void *memory, size_t bytes) {
    struct mapped_block block;
    if (!leave(memory, &block)) {
        return NULL;
    }
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
    if (aligned == (uintptr_t)memory) {
        return memory;
    }
    struct mapped_block block;
    struct mapped_block *noted = mapped_find_pending(memory);
    if (UNLIKELY(noted != NULL)) {
        write_header(noted->start, noted->bytes, aligned - CHUNK_HEADER_BYTES - noted->start);
        noted->memory = aligned;
        return (void *)aligned;
    }
    if (!leave(memory, &block)) {
        return memory;
    }
    size_t lead = aligned - CHUNK_HEADER_BYTES - block.start;
    write_header(block.start, block.bytes, lead);
    enter(block.start, block.bytes, lead);
    return (void *)aligned;
}

void mapped_totals(struct mapped_totals *out) {
    bool locked = mapped_lock();
    *out = mapped_counts;
    if (locked) {
        mapped_unlock();
    }
}

const char *mapped_audit(void) {
    mapped_lock_surely();
    size_t count = 0;
    size_t bytes = 0;
    const char *error = mapped_table_audit(&mapped_blocks, &count, &bytes);
    if (error == NULL && (count != mapped_counts.count || bytes != mapped_counts.bytes)) {
        error = "the mapped blocks do not add up to their counters";
    }
    mapped_unlock();
    return error;
}

void mapped_complete(void) {
    mapped_table_repair(&mapped_blocks);
    mapped_table_audit(&mapped_blocks, &mapped_counts.count, &mapped_counts.bytes);
}

void mapped_fork_child(void) {
    if (mapped_lock_fork_child()) {
        mapped_complete();
        mapped_blocks.promised = 0; /* nobody is left who would use them */
    }
}
