/* mapped_lock.c - see mapped_lock.h.
 * Layer: chunk (includes base, os). */
#include "chunk/mapped_lock.h"

#include "chunk/mapped_seal.h"
#include "chunk/mapped_table.h"
#include "os/lock.h"
#include "os/os.h"

/* Marks a place that is being written. */
#define PENDING_RESERVED ((uintptr_t)1)
/* Static places, and in each page of further ones. */
#define PENDING_FIRST 64

static struct lock table_lock = LOCK_INIT;
struct mapped_totals mapped_counts;

/* A place is free at memory 0, being written at PENDING_RESERVED. */
struct pending {
    struct pending *next; /* mapped when all others were full, never unmapped */
    size_t count;
    struct mapped_block *places;
};
static struct mapped_block first_places[PENDING_FIRST];
static struct pending pending = {NULL, PENDING_FIRST, first_places};
static size_t pending_count;   /* places in use or about to be */
static struct chunk *deferred; /* a stack, linked by fd */

static bool has_pending(void) {
    return __atomic_load_n(&pending_count, __ATOMIC_RELAXED) != 0;
}

static COLD void enter_pending(void);

/* All blocks are to be in the table. */
static void settle(void) {
    if (UNLIKELY(has_pending())) {
        enter_pending();
    }
}

/* For those who know that their thread does not hold it; a handler may have interrupted its
 * thread on the way to it, which is why the order of locks is not checked then. What holds it all
 * the same is an operation in a handler that was left: its step is completed first. */
void mapped_lock_surely(void) {
    bool in_handler = lock_last_inside++ != 0;
    compiler_fence();
    lock_order_push(LOCK_RANK_MAPPED, in_handler);
    if (UNLIKELY(lock_is_mine(&table_lock))) {
        mapped_complete();
    } else if (UNLIKELY(!lock_word_try(&table_lock))) {
        lock_take_contended(&table_lock);
    }
    settle();
}

/* False: a handler interrupted the holder. */
bool mapped_lock(void) {
    if (UNLIKELY(lock_is_mine(&table_lock))) {
        return false;
    }
    mapped_lock_surely();
    return true;
}

/* An operation of this thread that was left may hold the lock. */
void mapped_lock_recover(void) {
    lock_last_inside = 0;
    if (lock_is_mine(&table_lock)) {
        mapped_lock_surely();
        mapped_unlock();
    }
}

/* ---- pending blocks -------------------------------------------------------------------------- */

static bool reserve_place(struct mapped_block *place) {
    uintptr_t free_place = 0;
    return __atomic_compare_exchange_n(&place->memory, &free_place, PENDING_RESERVED, false,
                                       __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

static struct mapped_block *find_free_place(void) {
    for (struct pending *page = &pending; page != NULL;
         page = __atomic_load_n(&page->next, __ATOMIC_ACQUIRE)) {
        for (size_t i = 0; i < page->count; i++) {
            if (reserve_place(&page->places[i])) {
                return &page->places[i];
            }
        }
    }
    return NULL;
}

/* Another page of places, with its first one reserved; NULL: the kernel refuses. */
static COLD struct mapped_block *add_places(void) {
    struct pending *page = os_map(os_page_bytes());
    if (page == NULL) {
        return NULL;
    }
    page->places = (struct mapped_block *)(page + 1);
    page->count = (os_page_bytes() - sizeof *page) / sizeof *page->places;
    page->places[0].memory = PENDING_RESERVED;
    page->next = __atomic_load_n(&pending.next, __ATOMIC_ACQUIRE);
    while (!__atomic_compare_exchange_n(&pending.next, &page->next, page, true, __ATOMIC_RELEASE,
                                        __ATOMIC_ACQUIRE)) {
    }
    return &page->places[0];
}

/* False when there is no memory for the note. Another handler may interrupt this one. */
COLD bool mapped_note_pending(uintptr_t start, size_t bytes) {
    struct mapped_block *place = find_free_place();
    place = place != NULL ? place : add_places();
    if (place == NULL) {
        return false;
    }
    __atomic_add_fetch(&pending_count, 1, __ATOMIC_RELAXED);
    place->start = start;
    place->bytes = bytes;
    compiler_fence();
    __atomic_store_n(&place->memory, start + CHUNK_HEADER_BYTES, __ATOMIC_RELAXED);
    return true;
}

static struct mapped_block *find_in_page(const struct pending *page, uintptr_t memory) {
    for (size_t i = 0; i < page->count; i++) {
        if (__atomic_load_n(&page->places[i].memory, __ATOMIC_RELAXED) == memory) {
            return &page->places[i];
        }
    }
    return NULL;
}

struct mapped_block *mapped_find_pending(const void *memory) {
    struct mapped_block *block = NULL;
    const struct pending *page = has_pending() ? &pending : NULL;
    for (; page != NULL && block == NULL; page = __atomic_load_n(&page->next, __ATOMIC_ACQUIRE)) {
        block = find_in_page(page, (uintptr_t)memory);
    }
    return block;
}

/* An entry that was left half way may be in the table already. */
static bool enter_one(struct mapped_block *place) {
    if (mapped_table_at(&mapped_blocks, place->memory) == NULL) {
        if (!mapped_table_promise(&mapped_blocks)) {
            return false;
        }
        mapped_table_put(&mapped_blocks, place);
        mapped_count_in(place->bytes);
    }
    compiler_fence();
    __atomic_store_n(&place->memory, (uintptr_t)0, __ATOMIC_RELAXED);
    __atomic_sub_fetch(&pending_count, 1, __ATOMIC_RELAXED);
    return true;
}

/* Under the lock. What finds no place in the table stays pending. A handler that comes between
 * finds each block in the one place or in the other. */
static COLD void enter_pending(void) {
    for (struct pending *page = &pending; page != NULL;
         page = __atomic_load_n(&page->next, __ATOMIC_ACQUIRE)) {
        for (size_t i = 0; i < page->count; i++) {
            if (page->places[i].memory > PENDING_RESERVED && !enter_one(&page->places[i])) {
                return;
            }
        }
    }
}

/* ---- unlocking ------------------------------------------------------------------------------- */

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
    lock_drop(&table_lock, LOCK_RANK_MAPPED);
    compiler_fence();
    lock_last_inside--;
    if (UNLIKELY(__atomic_load_n(&deferred, __ATOMIC_RELAXED) != NULL) && lock_last_inside == 0) {
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

bool mapped_lock_fork_child(void) {
    bool is_whole = lock_is_mine(&table_lock);
    lock_reset(&table_lock);
    return !is_whole;
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
