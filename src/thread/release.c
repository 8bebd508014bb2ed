/* release.c - the slow side of free and realloc: whose block it is, and back to its arena.
 * Layer: thread (includes base, os, pages, chunk). See thread.h. */
#include "slab/holes.h"
#include "slab/mark.h"
#include "thread/guarded.h"
#include "thread/large.h"
#include "thread/operation.h"
#include "thread/remote.h"
#include "thread/slabs.h"

#include "chunk/alloc.h"
#include "chunk/free.h"
#include "chunk/heap.h"
#include "chunk/mapped.h"
#include "chunk/params.h"
#include "chunk/sweep.h"
#include "os/report.h"
#include "pages/guard.h"
#include "pages/meta.h"

#include <string.h>

/* ---- what a pointer is ---------------------------------------------------------------------- */

/* The slot carries the tag of a free one. Its owner can look whether it really is in a list; for
 * others its words are evidence enough. */
static COLD bool slot_is_freed(const struct slab *slab, const struct slot *slot) {
    bool is_own = thread_operation == NULL && slab->owner == thread_own;
    if (slot_is_travelling(slot) || !is_own) {
        return slot_seems_listed(slot);
    }
    return caches_hold(slab, slot) || slab_list_holds(slab, slot);
}

static bool is_chunk_of_size(const struct chunk *chunk, size_t bytes) {
    return is_aligned((uintptr_t)chunk, CHUNK_ALIGNMENT) && heap_find(chunk) != NULL &&
           chunk_bytes(chunk) == bytes;
}

/* The link of a listed chunk leads to nothing or to a chunk of its size: to its memory in threads'
 * lists, to its header in fast bins. */
static bool has_plausible_link(const struct quick_slot *slot) {
    const struct quick_slot *next = quick_slot_next(slot);
    size_t bytes = chunk_bytes(chunk_of_memory(slot));
    return next == NULL || is_chunk_of_size(chunk_of_memory(next), bytes) ||
           is_chunk_of_size((const struct chunk *)(const void *)next, bytes);
}

/* The chunk carries the key of a listed one, which whoever takes it out of its list clears: it is
 * in a list of this thread, or (a plausible link tells) of another thread or its arena. */
static COLD bool chunk_is_listed(const struct chunk *chunk) {
    const struct quick_slot *slot = chunk_memory(chunk);
    const struct thread *thread = thread_own;
    size_t quick = quick_index(chunk_bytes(chunk));
    size_t bytes = chunk_bytes(chunk);
    return (quick < QUICK_LISTS && quick_holds(&thread->quick, quick, slot)) ||
           (medium_serves(bytes) && thread->medium != NULL &&
            medium_holds(thread->medium, bytes, slot)) ||
           has_plausible_link(slot);
}

/* Sizes of free chunks and of top move while others work; under the lock they stand still. */
static COLD bool neighbour_is_damaged(const struct heap *heap, const struct chunk *chunk) {
    struct operation operation;
    bool damaged = false;
    if (operation_enter(&operation) && arena_lock(heap->arena)) {
        damaged = !free_neighbour_is_plausible(chunk, heap_end(heap));
        arena_unlock(heap->arena);
    }
    operation_leave(&operation);
    return damaged;
}

/* The header is plausible. A free chunk's size stands again behind it. */
static void judge_chunk(struct block *block) {
    const struct chunk *chunk = block->chunk;
    const struct chunk *next = chunk_next(chunk);
    bool is_listed = quick_looks_freed(block->memory) && chunk_is_listed(chunk);
    bool is_binned = !chunk_prev_in_use(next) && next->prev_size == chunk_bytes(chunk);
    block->kind = BLOCK_CHUNK;
    if (UNLIKELY(is_listed || is_binned)) {
        block->kind = BLOCK_FREED;
    } else if (UNLIKELY(!free_neighbour_is_plausible(chunk, heap_end(block->heap))) &&
               neighbour_is_damaged(block->heap, chunk)) {
        block->kind = BLOCK_INVALID;
        block->error = "the header behind the block was overwritten";
    }
}

static struct block block_in_heap(struct heap *heap, void *memory) {
    struct block block = {.kind = BLOCK_INVALID, .memory = memory, .heap = heap};
    block.chunk = chunk_of_memory(memory);
    size_t flags = heap->arena == &main_arena ? 0 : CHUNK_NON_MAIN;
    if ((uintptr_t)memory - heap->start < CHUNK_HEADER_BYTES) {
        block.error = "no block starts here";
    } else if (free_header_is_plausible(block.chunk, heap_end(heap), flags)) {
        judge_chunk(&block);
    } else if (free_is_top(block.chunk, heap_end(heap))) {
        block.kind = BLOCK_FREED;
    } else {
        block.error = free_explain_header(block.chunk, heap_end(heap));
    }
    return block;
}

/* Nothing in the slot has to be read. */
static void judge_mark(struct block *block) {
    switch (mark_state(slab_mark_of(block->slab, block->memory))) {
    case MARK_LIVE:
        break;
    case MARK_FREED:
        block->kind = BLOCK_FREED;
        break;
    default:
        block->kind = BLOCK_INVALID;
        block->error = "no block was ever handed out here";
    }
}

static struct block block_in_slab(struct slab *slab, void *memory) {
    struct block block = {.kind = BLOCK_SLOT, .memory = memory, .slab = slab};
    if (!slab_is_slot(slab, memory)) {
        block.kind = BLOCK_INVALID;
        block.error = "no block starts here";
    } else if (UNLIKELY(slab_has_marks(slab))) {
        judge_mark(&block);
    } else if (UNLIKELY(slab_is_hidden(slab, memory)) ||
               (UNLIKELY(slot_looks_free(memory)) && slot_is_freed(slab, memory))) {
        block.kind = BLOCK_FREED;
    }
    return block;
}

struct block thread_find_block(const void *address) {
    struct operation operation;
    void *memory = (void *)(uintptr_t)address;
    struct slab *slab = slab_at(memory);
    if (slab != NULL) {
        return block_in_slab(slab, memory);
    }
    struct heap *heap = heap_find(memory);
    if (heap != NULL) {
        return block_in_heap(heap, memory);
    }
    if (UNLIKELY(guard_contains(memory))) {
        return guarded_find(memory);
    }
    struct mapped_block mapped = {.region = NULL};
    struct block block = {.kind = BLOCK_FOREIGN, .memory = memory};
    operation_enter(&operation); /* a lock is taken: handlers must not wait for one below it */
    bool found = mapped_find(memory, &mapped);
    operation_leave(&operation);
    if (found) {
        block.kind = mapped_is_cached(&mapped) ? BLOCK_FREED : BLOCK_MAPPED;
        block.chunk = chunk_of_memory(memory);
        block.mapped_bytes = mapped_usable_bytes(&mapped);
    }
    return block;
}

size_t thread_usable_bytes(const struct block *block) {
    switch (block->kind) {
    case BLOCK_SLOT:
        return slab_usable_bytes(block->slab, block->memory);
    case BLOCK_MAPPED:
        return block->mapped_bytes;
    case BLOCK_GUARDED:
        return block->guarded_bytes;
    default:
        return chunk_usable_bytes(block->chunk);
    }
}

/* ---- free ----------------------------------------------------------------------------------- */

/* A signal handler that interrupted a slow operation must not wait for an arena. */
static COLD void free_reentrant(struct arena *arena, struct chunk *chunk) {
    if (!arena_try_lock(arena)) {
        arena_defer_free(arena, chunk);
        return;
    }
    arena_free_past_quick(arena, chunk);
    arena_unlock(arena);
}

/* M_PERTURB: what is freed is filled, up to where the engine's own words begin. */
INLINE void perturb(struct chunk *chunk) {
    if (UNLIKELY(params.perturb != 0)) {
        memset(chunk_memory(chunk), params.perturb, chunk_bytes(chunk) - CHUNK_HEADER_BYTES);
    }
}

/* A thread whose first call is a free gets its state here; its lists may then have room. */
static COLD bool attach_and_push(struct chunk *chunk) {
    struct thread *thread = thread_attach();
    size_t index = quick_index(chunk_bytes(chunk));
    return index < QUICK_LISTS && quick_push(&thread->quick, index, chunk_memory(chunk));
}

/* Of an arena that was set aside: the block is lost, its pages need not be. */
static COLD void drop_pages(const struct arena *arena, const struct chunk *chunk) {
    struct clean_range pages = clean_interior(chunk, chunk_bytes(chunk));
    if (!arena_is_usable(arena) && clean_bytes_of(pages) != 0) {
        (void)os_purge((void *)pages.start, clean_bytes_of(pages));
    }
}

/* What the free makes too much goes back to the kernel without the lock. */
INLINE void free_locked(struct arena *arena, struct chunk *chunk) {
    if (UNLIKELY(!arena_lock(arena))) {
        drop_pages(arena, chunk);
        return;
    }
    struct sweep sweep = {NULL, 0};
    struct chunk *made = arena_free_past_quick(arena, chunk);
    if (UNLIKELY(made != NULL) && arena->keep != NULL) {
        sweep = sweep_choose(arena, made);
    }
    arena_unlock(arena);
    if (UNLIKELY(sweep.first != NULL)) {
        sweep_purge(arena, &sweep);
    }
}

/* A block of an arena that was set aside is lost: that arena cannot be locked again. */
void thread_free_chunk(struct heap *heap, struct chunk *chunk) {
    struct operation operation;
    struct arena *arena = heap->arena;
    operation_event(THREAD_EVENT_FREE, chunk_memory(chunk), 0);
    perturb(chunk);
    bool outermost = operation_enter(&operation);
    if (UNLIKELY(!outermost)) {
        free_reentrant(arena, chunk);
    } else if (LIKELY(thread_own->has_lists) || !attach_and_push(chunk)) {
        free_locked(arena, chunk);
    }
    operation_leave(&operation);
}

/* ---- mapped blocks --------------------------------------------------------------------------- */

static void free_mapped(void *memory) {
    struct operation operation;
    bool outermost = operation_enter(&operation);
    bool was_live = outermost ? large_free(thread_own, memory) : mapped_free(memory);
    operation_leave(&operation);
    if (UNLIKELY(!was_live)) { /* another thread was faster */
        report_misuse("double free", memory);
    }
}

void thread_free(const struct block *block) {
    struct chunk *chunk = block->chunk;
    struct thread *thread = thread_current;
    if (block->kind == BLOCK_SLOT) {
        thread_free_slot(block->slab, block->memory);
        return;
    }
    if (block->kind == BLOCK_MAPPED) {
        operation_event(THREAD_EVENT_FREE, block->memory, 0);
        free_mapped(chunk_memory(chunk));
        return;
    }
    if (UNLIKELY(block->kind == BLOCK_GUARDED)) {
        operation_event(THREAD_EVENT_FREE, block->memory, 0);
        guarded_free(block->memory);
        return;
    }
    size_t index = quick_index(chunk_bytes(chunk));
    if (index >= QUICK_LISTS || !quick_push(&thread->quick, index, chunk_memory(chunk))) {
        thread_free_chunk(block->heap, chunk);
    }
}

/* ---- realloc -------------------------------------------------------------------------------- */

/* The way that always works: a new block anywhere, a copy, a free. */
static COLD void *move_block(const struct block *block, size_t bytes) {
    size_t old_bytes = thread_usable_bytes(block);
    void *fresh = thread_malloc(bytes);
    if (fresh != NULL) {
        memcpy(fresh, block->memory, old_bytes < bytes ? old_bytes : bytes);
        thread_free(block);
    }
    return fresh;
}

/* Where nothing can be resized now, a block may stay that is large enough: up to its seal. */
static void *realloc_mapped(const struct block *block, size_t bytes) {
    struct operation operation;
    void *memory = chunk_memory(block->chunk);
    operation_enter(&operation);
    void *resized = mapped_resize(memory, chunk_bytes_for(bytes));
    if (resized != NULL && params.slabs) {
        mapped_seal(resized, bytes);
    }
    operation_leave(&operation);
    if (resized != NULL) {
        return resized;
    }
    return block->mapped_bytes >= bytes ? memory : move_block(block, bytes);
}

/* It moves always, so that pointers to its former place are found; where it cannot, it may stay. */
static COLD void *realloc_guarded(const struct block *block, size_t bytes) {
    void *fresh = move_block(block, bytes);
    bool may_stay = bytes <= block->guarded_bytes;
    return fresh == NULL && may_stay ? block->memory : fresh;
}

static COLD void *move_chunk(struct heap *heap, struct chunk *chunk, size_t bytes) {
    const struct block block = {
        .kind = BLOCK_CHUNK, .memory = chunk_memory(chunk), .chunk = chunk, .heap = heap};
    return move_block(&block, bytes);
}

INLINE struct chunk *resize_locked(struct arena *arena, struct chunk *chunk, size_t bytes) {
    const struct chunk_caller caller = {arena, &thread_attach()->quick};
    if (UNLIKELY(!arena_lock(arena))) {
        return NULL;
    }
    chunk = arena_resize(&caller, chunk, bytes);
    arena_unlock(arena);
    return chunk;
}

/* A chunk that serves the new size as it is stays so without a lock. */
void *thread_realloc_chunk(struct heap *heap, struct chunk *chunk, size_t bytes) {
    struct operation operation;
    size_t needed = chunk_bytes_for(bytes);
    if (chunk_bytes(chunk) - needed < CHUNK_MIN_BYTES) {
        return chunk_memory(chunk);
    }
    struct chunk *resized = NULL;
    if (LIKELY(operation_enter(&operation))) {
        resized = resize_locked(heap->arena, chunk, needed);
        large_begin_resized(thread_own, resized, bytes);
    }
    operation_leave(&operation);
    return LIKELY(resized != NULL) ? chunk_memory(resized) : move_chunk(heap, chunk, bytes);
}

void *thread_realloc(const struct block *block, size_t bytes) {
    switch (block->kind) {
    case BLOCK_SLOT:
        return move_block(block, bytes);
    case BLOCK_MAPPED:
        return realloc_mapped(block, bytes);
    case BLOCK_GUARDED:
        return realloc_guarded(block, bytes);
    default:
        return thread_realloc_chunk(block->heap, block->chunk, bytes);
    }
}
