/* mapped_lock.c - see mapped_lock.h.
 * Layer: chunk (includes base, os). */
#include "chunk/mapped_lock.h"

#include "chunk/mapped_seal.h"
#include "chunk/mapped_table.h"
#include "os/lock.h"

/* So often is a lock looked at that is taken, but not signed. */
#define UNSIGNED_TRIES 2000u
#define PENDING_MAX 64
/* Marks a place that is being written. */
#define PENDING_RESERVED ((uintptr_t)1)

static struct lock table_lock = LOCK_INIT;
struct mapped_totals mapped_counts;

/* Above 0 from before the lock is taken until after it is dropped. Its address is the signature. */
static THREAD_LOCAL uint32_t inside;
static const uint32_t *holder;

/* A place is free at memory 0, being written at PENDING_RESERVED. */
static struct mapped_block pending[PENDING_MAX];
static size_t pending_count;   /* places in use or about to be */
static struct chunk *deferred; /* a stack, linked by fd */

static bool has_pending(void) {
    return __atomic_load_n(&pending_count, __ATOMIC_RELAXED) != 0;
}

static COLD void enter_pending(void);

/* The lock was taken: who holds it is said, and all blocks are in the table. */
static void sign(void) {
    __atomic_store_n(&holder, &inside, __ATOMIC_RELAXED);
    if (UNLIKELY(has_pending())) {
        enter_pending();
    }
}

/* For those who know that their thread does not hold it; a handler may have interrupted its
 * thread on the way to it, which is why the order of locks is not checked then. */
void mapped_lock_surely(void) {
    bool in_handler = inside++ != 0;
    compiler_fence();
    lock_order_push(LOCK_RANK_MAPPED, in_handler);
    if (UNLIKELY(!lock_word_try(&table_lock))) {
        lock_take_contended(&table_lock);
    }
    sign();
}

static COLD bool lock_in_handler(void) {
    for (unsigned tries = 0; tries < UNSIGNED_TRIES; tries++) {
        if (lock_try(&table_lock, LOCK_RANK_MAPPED)) {
            inside++;
            sign();
            return true;
        }
        const uint32_t *other = __atomic_load_n(&holder, __ATOMIC_RELAXED);
        if (other == &inside) {
            return false;
        }
        if (other != NULL) {
            mapped_lock_surely();
            return true;
        }
    }
    return false;
}

/* False: a handler interrupted the holder. */
bool mapped_lock(void) {
    if (UNLIKELY(inside != 0)) {
        return lock_in_handler();
    }
    mapped_lock_surely();
    return true;
}

/* False when there is no place. Another handler may interrupt this one. */
COLD bool mapped_note_pending(uintptr_t start, size_t bytes) {
    for (size_t i = 0; i < PENDING_MAX; i++) {
        uintptr_t free_place = 0;
        if (__atomic_compare_exchange_n(&pending[i].memory, &free_place, PENDING_RESERVED, false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            __atomic_add_fetch(&pending_count, 1, __ATOMIC_RELAXED);
            pending[i].start = start;
            pending[i].bytes = bytes;
            compiler_fence();
            __atomic_store_n(&pending[i].memory, start + CHUNK_HEADER_BYTES, __ATOMIC_RELAXED);
            return true;
        }
    }
    return false;
}

struct mapped_block *mapped_find_pending(const void *memory) {
    bool any = has_pending();
    for (size_t i = 0; any && i < PENDING_MAX; i++) {
        if (__atomic_load_n(&pending[i].memory, __ATOMIC_RELAXED) == (uintptr_t)memory) {
            return &pending[i];
        }
    }
    return NULL;
}

/* Under the lock. What finds no place in the table stays pending. A handler that comes between
 * finds each block in the one place or in the other. */
static COLD void enter_pending(void) {
    for (size_t i = 0; i < PENDING_MAX; i++) {
        if (pending[i].memory <= PENDING_RESERVED) {
            continue;
        }
        if (!mapped_table_promise(&mapped_blocks)) {
            return;
        }
        mapped_table_put(&mapped_blocks, &pending[i]);
        mapped_count_in(pending[i].bytes);
        compiler_fence();
        __atomic_store_n(&pending[i].memory, (uintptr_t)0, __ATOMIC_RELAXED);
        __atomic_sub_fetch(&pending_count, 1, __ATOMIC_RELAXED);
    }
}

/* The link to the next deferred one lay where the seal of a tiny block begins. */
static void restore_seal(const void *memory) {
    struct mapped_block block;
    mapped_lock_surely();
    if (mapped_table_find(&mapped_blocks, (uintptr_t)memory, &block) && block.request != 0 &&
        block.request < sizeof(void *)) {
        mapped_seal_write(&block);
    }
    mapped_unlock();
}

static COLD void free_deferred(void) {
    struct chunk *chunk = __atomic_exchange_n(&deferred, NULL, __ATOMIC_ACQUIRE);
    while (chunk != NULL) {
        struct chunk *next = (struct chunk *)(void *)chunk->links.fd;
        restore_seal(chunk_memory(chunk));
        mapped_free(chunk_memory(chunk));
        chunk = next;
    }
}

void mapped_unlock(void) {
    __atomic_store_n(&holder, NULL, __ATOMIC_RELAXED);
    lock_drop(&table_lock, LOCK_RANK_MAPPED);
    compiler_fence();
    inside--;
    if (UNLIKELY(__atomic_load_n(&deferred, __ATOMIC_RELAXED) != NULL) && inside == 0) {
        free_deferred();
    }
}

void mapped_defer(struct chunk *chunk) {
    struct chunk *first = __atomic_load_n(&deferred, __ATOMIC_RELAXED);
    do {
        chunk->links.fd = (struct links *)(void *)first;
    } while (!__atomic_compare_exchange_n(&deferred, &first, chunk, true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
}

void mapped_lock_fork_child(void) {
    lock_reset(&table_lock);
    holder = NULL;
}

/* ---- counters -------------------------------------------------------------------------------- */

/* Read without the lock where a limit is looked at. */
static void set_count(size_t count) {
    __atomic_store_n(&mapped_counts.count, count, __ATOMIC_RELAXED);
}

void mapped_count_in(size_t bytes) {
    set_count(mapped_counts.count + 1);
    mapped_counts.bytes += bytes;
    if (mapped_counts.count > mapped_counts.count_max) {
        mapped_counts.count_max = mapped_counts.count;
    }
    if (mapped_counts.bytes > mapped_counts.bytes_max) {
        mapped_counts.bytes_max = mapped_counts.bytes;
    }
}

void mapped_count_out(size_t bytes) {
    set_count(mapped_counts.count - 1);
    mapped_counts.bytes -= bytes;
}
