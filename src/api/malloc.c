/* malloc.c - malloc, free, calloc, realloc and reallocarray, and the slow side of every entry.
 * Layer: api (includes thread and below).
 *
 * Semantics are those of ISO C, POSIX and, where these leave room, glibc 2.36: malloc(0) is a
 * block of its own; realloc(p, 0) frees and returns NULL; requests above PTRDIFF_MAX fail; a
 * failure sets errno to ENOMEM and leaves every block as it was; free keeps errno. Layers below
 * never touch errno, so nothing has to be saved here.
 * Thread-safe. Safe to enter from a signal handler that interrupted a slow path of its thread. */
#include "api/divert.h"
#include "api/entry.h"
#include "api/foreign.h"
#include "api/names.h"
#include "api/start.h"

#include "thread/large.h"
#include "thread/slabs.h"

#include "arenite/arenite.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void *or_enomem(void *memory) {
    if (UNLIKELY(memory == NULL)) {
        errno = ENOMEM;
    }
    return memory;
}

/* ---- the slow side of entries --------------------------------------------------------------- */

/* What the thread keeps above the slabs' sizes: large blocks and medium chunks. */
INLINE void *pop_large(size_t bytes) {
    void *large = bytes >= REGION_MIN_BYTES ? large_pop(bytes, false) : NULL;
    return large != NULL ? large : thread_pop_medium(chunk_bytes_for(bytes));
}

/* The same and the quick lists that there are where slabs are off. */
static void *pop_chunk(size_t bytes) {
    size_t index = quick_index_for(bytes);
    if (index < QUICK_LISTS) {
        return quick_pop(&thread_current->quick, index);
    }
    return LIKELY(bytes <= REQUEST_MAX_BYTES) ? pop_large(bytes) : NULL;
}

/* From the cache of a class above the small ones. */
INLINE void *pop_wide(size_t bytes) {
    struct thread *thread = thread_current;
    return class_serves_wide(bytes)
               ? slot_list_pop(&thread->caches[class_of_wide(bytes)], thread->secrets.mask)
               : NULL;
}

/* Of what the thread keeps there is nothing that serves. */
static NOINLINE void *malloc_past_lists(size_t bytes, const void *caller) {
    report_caller = caller;
    ENTRY_NOTE_FRAME();
    start_ensure();
    if (divert_is_on()) { /* only now: who asked is not known */
        return or_enomem(divert_malloc(bytes, 1, ORIGIN_ANY, caller));
    }
    return or_enomem(entry_allows(bytes) ? thread_malloc(bytes) : NULL);
}

void *entry_malloc_for(size_t bytes, const void *caller) {
    report_caller = caller;
    void *memory = pop_chunk(bytes);
    return memory != NULL ? memory : malloc_past_lists(bytes, caller);
}

static NOINLINE void *malloc_large(size_t bytes, const void *caller) {
    report_caller = caller;
    void *memory = LIKELY(bytes <= REQUEST_MAX_BYTES) ? pop_large(bytes) : NULL;
    return LIKELY(memory != NULL) ? memory : malloc_past_lists(bytes, caller);
}

/* A cache that is empty, as mostly when the fast paths miss, is filled at once. */
static NOINLINE void *malloc_slot(size_t bytes, const void *caller) {
    void *slot = NULL;
    report_caller = caller;
    ENTRY_NOTE_FRAME();
    if (LIKELY(thread_own->attached != 0) && budget_allows(bytes)) {
        slot = thread_slot(bytes);
    }
    return slot != NULL ? slot : entry_malloc_for(bytes, caller);
}

static NOINLINE void *malloc_diverted(size_t bytes, const void *caller) {
    start_ensure();
    return or_enomem(divert_malloc(bytes, 1, ORIGIN_MALLOC, caller));
}

/* While calls are diverted the caches that are seen from here are empty. */
void *entry_malloc_slow(size_t bytes) {
    void *slot = pop_wide(bytes);
    if (LIKELY(slot != NULL)) {
        return slot;
    }
    if (divert_is_on()) {
        return malloc_diverted(bytes, ENTRY_CALLER());
    }
    return bytes <= SLAB_MAX_BYTES ? malloc_slot(bytes, ENTRY_CALLER())
                                   : malloc_large(bytes, ENTRY_CALLER());
}

struct block entry_find_block(void *memory, const char *operation, const void *caller) {
    report_caller = caller;
    struct block block = thread_find_block(memory);
    if (UNLIKELY(block.kind != BLOCK_SLOT && block.kind != BLOCK_CHUNK &&
                 block.kind != BLOCK_MAPPED && block.kind != BLOCK_GUARDED)) {
        foreign_settle(operation, &block);
    }
    return block;
}

/* A block that carries the key of a freed one takes the long way, which looks it up. */
INLINE bool free_chunk(struct heap *heap, struct chunk *chunk) {
    if (UNLIKELY(!entry_is_live(heap, chunk))) {
        return false;
    }
    size_t index = quick_index(chunk_bytes(chunk));
    bool is_kept = index < QUICK_LISTS
                       ? quick_push(&thread_current->quick, index, chunk_memory(chunk))
                       : thread_push_medium(chunk);
    if (!is_kept) {
        thread_free_chunk(heap, chunk);
    }
    return true;
}

void entry_free_found(const struct block *block) {
    if (UNLIKELY(block->kind == BLOCK_FOREIGN)) {
        foreign_free(block->memory);
    } else if (divert_is_on() && block->kind == BLOCK_SLOT) {
        divert_free(block->memory, ORIGIN_MALLOC, report_caller);
    } else if (LIKELY(block->kind != BLOCK_INVALID)) {
        thread_free(block);
    }
}

static NOINLINE void free_searched(void *memory, const void *caller) {
    ENTRY_NOTE_FRAME();
    struct block block = entry_find_block(memory, "free", caller);
    entry_free_found(&block);
}

void entry_free_for(void *memory, const void *caller) {
    if (memory == NULL) {
        return;
    }
    if (divert_is_on()) {
        divert_free(memory, ORIGIN_MALLOC, caller);
        return;
    }
    report_caller = caller;
    struct heap *heap = entry_find_heap(memory);
    bool is_done = heap != NULL ? free_chunk(heap, chunk_of_memory(memory)) : large_push(memory);
    if (UNLIKELY(!is_done)) {
        free_searched(memory, caller);
    }
}

/* Where threads exchange blocks, each lives on what it frees; as long as the cache has room for it
 * nothing else is to be done. */
INLINE bool keep_foreign(const struct slab *slab, struct slot *slot) {
    struct thread *thread = thread_current;
    struct slot_list *cache = &thread->caches[slab->class_index];
    if (cache->until < 2 || !slabs_keep_foreign(thread, slab->class_index)) {
        return false;
    }
    slot_list_push(cache, slot, &slot_secrets);
    return true;
}

/* A live slot that is not the thread's own, as most frees are that come here, needs no search. */
void entry_free_slow(void *memory) {
    if (memory == NULL) {
        return;
    }
    if (divert_is_on()) {
        divert_free(memory, ORIGIN_MALLOC, ENTRY_CALLER());
        return;
    }
    struct slab *slab = slab_at(memory);
    if (slab != NULL && LIKELY(slab_accepts(slab, memory, slot_secrets.tag))) {
        if (keep_foreign(slab, memory)) {
            return;
        }
        report_caller = ENTRY_CALLER();
        thread_free_slot(slab, memory);
    } else {
        entry_free_for(memory, ENTRY_CALLER());
    }
}

/* ---- public functions ----------------------------------------------------------------------- */

EXPORT void *API(malloc)(size_t bytes) {
    return entry_malloc(bytes);
}

EXPORT void API(free)(void *memory) {
    entry_free(memory);
}

static NOINLINE void *calloc_missed(size_t bytes, bool fits) {
    ENTRY_NOTE_CALLER();
    start_ensure();
    if (divert_is_on()) {
        return or_enomem(fits ? divert_calloc(bytes, ENTRY_CALLER()) : NULL);
    }
    return or_enomem(fits && entry_allows(bytes) ? thread_calloc(bytes) : NULL);
}

API_EXPORT_WEAK void *API(calloc)(size_t count, size_t each_bytes) {
    size_t bytes;
    bool fits = !mul_overflows(count, each_bytes, &bytes);
    void *slot = LIKELY(fits) ? entry_malloc_quick(bytes) : NULL;
    slot = slot == NULL && fits ? pop_wide(bytes) : slot;
    return LIKELY(slot != NULL) ? slot_clear(slot, bytes) : calloc_missed(bytes, fits);
}

/* A budget is asked for what a block grows by. */
INLINE bool may_become(size_t old_bytes, size_t bytes) {
    return bytes <= REQUEST_MAX_BYTES && (bytes <= old_bytes || budget_allows(bytes - old_bytes));
}

/* Of a block that is not found at once, or about which there is something to say. */
static COLD void *resize_slow(void *memory, size_t bytes, const void *caller) {
    ENTRY_NOTE_FRAME();
    struct block block = entry_find_block(memory, "realloc", caller);
    if (UNLIKELY(block.kind == BLOCK_FOREIGN)) {
        return foreign_realloc(memory, bytes);
    }
    if (UNLIKELY(block.kind == BLOCK_INVALID)) {
        errno = EINVAL;
        return NULL;
    }
    bool may = may_become(thread_usable_bytes(&block), bytes);
    return or_enomem(may ? thread_realloc(&block, bytes) : NULL);
}

/* A slot stays unless it is too small or more than half of it would be unused. */
INLINE bool slot_stays(const struct slab *slab, size_t bytes) {
    size_t slot_bytes = slab->slot_bytes;
    return bytes <= slot_bytes && (bytes > slot_bytes / 2 || slot_bytes <= SLOT_STAYS_BYTES);
}

INLINE void *move_slot(const struct slab *slab, void *memory, size_t bytes, const void *caller) {
    size_t slot_bytes = slab->slot_bytes;
    void *fresh = entry_malloc_quick(bytes);
    fresh = LIKELY(fresh != NULL) ? fresh : entry_malloc_for(bytes, caller);
    if (LIKELY(fresh != NULL)) {
        memcpy(fresh, memory, slot_bytes < bytes ? slot_bytes : bytes);
        entry_free(memory);
    }
    return fresh;
}

/* Of a slot of this slab that is to move, or (NULL) of another block. */
static NOINLINE void *resize_missed(const struct slab *slab, void *memory, size_t bytes) {
    const void *caller = ENTRY_CALLER();
    ENTRY_NOTE_CALLER();
    if (LIKELY(slab != NULL)) {
        return move_slot(slab, memory, bytes, caller);
    }
    struct heap *heap = entry_find_heap(memory);
    struct chunk *chunk = chunk_of_memory(memory);
    if (LIKELY(heap != NULL && bytes <= REQUEST_MAX_BYTES) && entry_is_live(heap, chunk)) {
        bool may = may_become(chunk_usable_bytes(chunk), bytes);
        return or_enomem(may ? thread_realloc_chunk(heap, chunk, bytes) : NULL);
    }
    return resize_slow(memory, bytes, caller);
}

INLINE void *entry_realloc(void *memory, size_t bytes, const void *caller) {
    if (memory == NULL) {
        return entry_malloc(bytes);
    }
    if (bytes == 0) {
        entry_free_for(memory, caller);
        return NULL;
    }
    if (divert_is_on()) {
        return or_enomem(divert_realloc(memory, bytes, caller));
    }
    const struct slab *slab = entry_find_slab(memory);
    bool stays = LIKELY(slab != NULL) && slot_stays(slab, bytes);
    return stays ? memory : resize_missed(slab, memory, bytes);
}

EXPORT void *API(realloc)(void *memory, size_t bytes) {
    return entry_realloc(memory, bytes, ENTRY_CALLER());
}

API_EXPORT_WEAK void *API(reallocarray)(void *memory, size_t count, size_t each_bytes) {
    size_t bytes;
    if (UNLIKELY(mul_overflows(count, each_bytes, &bytes))) {
        return or_enomem(NULL);
    }
    return entry_realloc(memory, bytes, ENTRY_CALLER());
}

/* The old name of free, gone from libc's headers but not from old programs. An alias: two equal
 * functions are one to the compiler, with a jump from the first to the second. */
API_ALIAS(cfree, free);

API_LIBC_ALIAS(malloc);
API_LIBC_ALIAS(free);
API_LIBC_ALIAS(calloc);
API_LIBC_ALIAS(realloc);
