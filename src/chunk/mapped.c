/* mapped.c - see mapped.h.
 * Layer: chunk (includes base, os, pages). */
#include "chunk/mapped.h"

#include "chunk/mapped_seal.h"
#include "chunk/mapped_table.h"
#include "chunk/params.h"
#include "os/lock.h"
#include "os/report.h"

static struct lock mapped_lock = LOCK_INIT;
struct mapped_table mapped_blocks;
struct mapped_totals mapped_counts;

/* ---- the lock, and handlers that interrupt its holder ---------------------------------------- */

/* A signal handler may interrupt the holder of the lock, who then cannot go on before the handler
 * returns. The handler reads the table as it is: each store to it leaves every block where it can
 * be found. What it maps is noted as pending and what it frees as deferred, until the holder goes
 * on and drops the lock. Who holds it is signed after taking it and cleared before dropping it. A
 * handler that finds it taken but unsigned for so long has interrupted its thread just there. */
#define UNSIGNED_TRIES 2000u
#define PENDING_MAX 64
#define PENDING_RESERVED ((uintptr_t)1)

/* Above 0 from before the lock is taken until after it is dropped. Its address is the signature. */
static THREAD_LOCAL uint32_t inside;
static const uint32_t *holder;

/* A place is free at memory 0, being written at PENDING_RESERVED. */
static struct mapped_block pending[PENDING_MAX];
static bool has_pending;
static struct chunk *deferred; /* a stack, linked by fd */

static void sign(void) {
    __atomic_store_n(&holder, &inside, __ATOMIC_RELAXED);
}

/* For those who know that their thread does not hold it; a handler may have interrupted its
 * thread on the way to it, which is why the order of locks is not checked then. */
static void lock_surely(void) {
    bool in_handler = inside++ != 0;
    compiler_fence();
    lock_order_push(LOCK_RANK_MAPPED, in_handler);
    if (UNLIKELY(!lock_word_try(&mapped_lock))) {
        lock_take_contended(&mapped_lock);
    }
    sign();
}

static COLD bool lock_in_handler(void) {
    for (unsigned tries = 0; tries < UNSIGNED_TRIES; tries++) {
        if (lock_try(&mapped_lock, LOCK_RANK_MAPPED)) {
            inside++;
            sign();
            return true;
        }
        const uint32_t *other = __atomic_load_n(&holder, __ATOMIC_RELAXED);
        if (other == &inside) {
            return false;
        }
        if (other != NULL) {
            lock_surely();
            return true;
        }
    }
    return false;
}

/* False: a handler interrupted the holder. */
static bool lock(void) {
    if (UNLIKELY(inside != 0)) {
        return lock_in_handler();
    }
    lock_surely();
    return true;
}

static void count_in(size_t bytes);

/* False when there is no place. Another handler may interrupt this one. */
static COLD bool note_pending(uintptr_t start, size_t bytes) {
    for (size_t i = 0; i < PENDING_MAX; i++) {
        uintptr_t free_place = 0;
        if (__atomic_compare_exchange_n(&pending[i].memory, &free_place, PENDING_RESERVED, false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            pending[i].start = start;
            pending[i].bytes = bytes;
            compiler_fence();
            __atomic_store_n(&pending[i].memory, start + CHUNK_HEADER_BYTES, __ATOMIC_RELAXED);
            __atomic_store_n(&has_pending, true, __ATOMIC_RELAXED);
            return true;
        }
    }
    return false;
}

static struct mapped_block *find_pending(const void *memory) {
    bool any = __atomic_load_n(&has_pending, __ATOMIC_RELAXED);
    for (size_t i = 0; any && i < PENDING_MAX; i++) {
        if (__atomic_load_n(&pending[i].memory, __ATOMIC_RELAXED) == (uintptr_t)memory) {
            return &pending[i];
        }
    }
    return NULL;
}

/* Under the lock. What finds no place in the table stays pending. */
static COLD void enter_pending(void) {
    __atomic_store_n(&has_pending, false, __ATOMIC_RELAXED);
    for (size_t i = 0; i < PENDING_MAX; i++) {
        if (pending[i].memory <= PENDING_RESERVED) {
            continue;
        }
        if (!mapped_table_promise(&mapped_blocks)) {
            __atomic_store_n(&has_pending, true, __ATOMIC_RELAXED);
            return;
        }
        mapped_table_put(&mapped_blocks, &pending[i]);
        count_in(pending[i].bytes);
        compiler_fence();
        __atomic_store_n(&pending[i].memory, (uintptr_t)0, __ATOMIC_RELAXED);
    }
}

static COLD void free_deferred(void) {
    struct chunk *chunk = __atomic_exchange_n(&deferred, NULL, __ATOMIC_ACQUIRE);
    while (chunk != NULL) {
        struct chunk *next = (struct chunk *)(void *)chunk->links.fd;
        mapped_free(chunk_memory(chunk));
        chunk = next;
    }
}

static void unlock(void) {
    if (UNLIKELY(__atomic_load_n(&has_pending, __ATOMIC_RELAXED))) {
        enter_pending();
    }
    __atomic_store_n(&holder, NULL, __ATOMIC_RELAXED);
    lock_drop(&mapped_lock, LOCK_RANK_MAPPED);
    compiler_fence();
    inside--;
    if (UNLIKELY(__atomic_load_n(&deferred, __ATOMIC_RELAXED) != NULL) && inside == 0) {
        free_deferred();
    }
}

static void defer(struct chunk *chunk) {
    struct chunk *first = __atomic_load_n(&deferred, __ATOMIC_RELAXED);
    do {
        chunk->links.fd = (struct links *)(void *)first;
    } while (!__atomic_compare_exchange_n(&deferred, &first, chunk, true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
}

/* ---- counters and entries -------------------------------------------------------------------- */

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

/* Where a new mapping will be entered. */
enum place { PLACE_NONE, PLACE_PROMISED, PLACE_PENDING };

static enum place promise(void) {
    if (!lock()) {
        return PLACE_PENDING;
    }
    bool promised = mapped_table_promise(&mapped_blocks);
    unlock();
    return promised ? PLACE_PROMISED : PLACE_NONE;
}

static void unpromise(void) {
    lock_surely();
    mapped_table_unpromise(&mapped_blocks);
    unlock();
}

/* Enters a mapping whose user address is `lead` bytes and a header in; a place is promised. */
static void enter(uintptr_t start, size_t bytes, size_t lead) {
    struct mapped_block block = {start + lead + CHUNK_HEADER_BYTES, start, bytes, 0, NULL};
    lock_surely();
    mapped_table_put(&mapped_blocks, &block);
    count_in(bytes);
    unlock();
}

/* ---- what lies in front of a block and behind it --------------------------------------------- */

size_t mapped_usable_bytes(const struct mapped_block *block) {
    return block->request != 0 ? block->request : block->start + block->bytes - block->memory;
}

/* In a handler that interrupted the table's holder the block stays without a seal. */
void mapped_seal(void *memory, size_t request) {
    struct mapped_block block;
    if (request == 0 || !lock()) {
        return;
    }
    if (mapped_table_find(&mapped_blocks, (uintptr_t)memory, &block)) {
        block.request = request;
        mapped_seal_write(&block);
        mapped_table_replace(&mapped_blocks, &block);
        if (block.region != NULL) {
            block.region->request = request;
        }
    }
    unlock();
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
        set_count(mapped_counts.count - 1);
        mapped_counts.bytes -= block->bytes;
    }
    return found;
}

static bool leave(const void *memory, struct mapped_block *block) {
    if (!lock()) {
        return false;
    }
    bool found = leave_locked(memory, block);
    unlock();
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
        lock_surely();
        mapped_counts.stuck_bytes += bytes;
        unlock();
    }
}

bool mapped_associate(void *memory, struct region *region) {
    if (!lock()) {
        return false;
    }
    struct mapped_block *block = mapped_table_at(&mapped_blocks, (uintptr_t)memory);
    bool is_free = block != NULL && block->region == NULL;
    if (is_free) {
        region_open(region, block->memory, block->start + block->bytes, block->request);
        block->region = region;
    }
    unlock();
    return is_free;
}

bool mapped_dissociate(struct region *region) {
    lock_surely();
    struct mapped_block *block = mapped_table_at(&mapped_blocks, region->memory);
    bool is_its = block != NULL && block->region == region;
    if (is_its) {
        block->request = region_has_seal(region) ? block->request : 0;
        block->region = NULL;
    }
    region_set_state(region, REGION_EMPTY);
    unlock();
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
    } else if (UNLIKELY(!note_pending((uintptr_t)start, whole))) {
        os_release(start, whole);
        return NULL;
    }
    return start;
}

static COLD bool copy_pending(const void *memory, struct mapped_block *block) {
    const struct mapped_block *noted = find_pending(memory);
    if (noted != NULL) {
        *block = *noted;
    }
    return noted != NULL;
}

bool mapped_find(const void *memory, struct mapped_block *block) {
    if (UNLIKELY(!lock())) {
        return mapped_table_find(&mapped_blocks, (uintptr_t)memory, block) ||
               copy_pending(memory, block);
    }
    bool found = mapped_table_find(&mapped_blocks, (uintptr_t)memory, block);
    unlock();
    return found;
}

bool mapped_find_around(const void *address, struct mapped_block *block) {
    bool locked = lock();
    bool found = mapped_table_find_around(&mapped_blocks, (uintptr_t)address, block);
    if (locked) {
        unlock();
    }
    return found;
}

bool mapped_free(void *memory) {
    struct mapped_block block;
    if (!lock()) {
        defer(chunk_of_memory(memory));
        return true;
    }
    bool found = leave_locked(memory, &block);
    unlock();
    if (!found) {
        return false;
    }
    unpromise();
    mapped_note_freed(memory);
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
    struct mapped_block *noted = find_pending(memory);
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
    bool locked = lock();
    *out = mapped_counts;
    if (locked) {
        unlock();
    }
}

const char *mapped_audit(void) {
    lock_surely();
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
    holder = NULL;
    mapped_table_repair(&mapped_blocks);
    mapped_table_audit(&mapped_blocks, &mapped_counts.count, &mapped_counts.bytes);
}
