/* release.c - the slow side of free and realloc: whose block it is, and back to its arena.
 * Layer: thread (includes base, os, pages, chunk). See thread.h. */
#include "thread/operation.h"

#include "chunk/alloc.h"
#include "chunk/free.h"
#include "chunk/heap.h"
#include "chunk/mapped.h"
#include "chunk/params.h"

#include <string.h>

static struct block block_in_heap(struct heap *heap, const void *memory) {
    struct block block = {BLOCK_INVALID, chunk_of_memory(memory), heap, NULL};
    size_t flags = heap->arena == &main_arena ? 0 : CHUNK_NON_MAIN;
    if ((uintptr_t)memory - heap->start < CHUNK_HEADER_BYTES) {
        block.error = "no block starts here";
    } else if (free_header_is_plausible(block.chunk, heap_end(heap), flags)) {
        block.kind = BLOCK_CHUNK;
    } else {
        block.error = free_explain_header(block.chunk, heap_end(heap));
    }
    return block;
}

struct block thread_find_block(const void *memory) {
    struct heap *heap = heap_find(memory);
    if (heap != NULL) {
        return block_in_heap(heap, memory);
    }
    struct mapped_block mapped;
    operation_enter(); /* a lock is taken: handlers must not wait for one below it */
    bool found = mapped_find(memory, &mapped);
    operation_leave();
    if (found) {
        return (struct block){BLOCK_MAPPED, chunk_of_memory(memory), NULL, NULL};
    }
    return (struct block){BLOCK_FOREIGN, NULL, NULL, NULL};
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

/* A block of an arena that a fork tore is lost: that arena cannot be locked again. */
void thread_free_chunk(struct heap *heap, struct chunk *chunk) {
    struct arena *arena = heap->arena;
    perturb(chunk);
    bool outermost = operation_enter();
    if (UNLIKELY(!outermost)) {
        free_reentrant(arena, chunk);
    } else if (LIKELY(thread_current != &thread_none) || !attach_and_push(chunk)) {
        if (LIKELY(arena_lock(arena))) {
            arena_free_past_quick(arena, chunk);
            arena_unlock(arena);
        }
    }
    operation_leave();
}

static void free_mapped(void *memory) {
    operation_enter();
    mapped_free(memory);
    operation_leave();
}

void thread_free(const struct block *block) {
    struct chunk *chunk = block->chunk;
    struct thread *thread = thread_current;
    if (block->kind == BLOCK_MAPPED) {
        free_mapped(chunk_memory(chunk));
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
    size_t old_bytes = chunk_usable_bytes(block->chunk);
    void *fresh = thread_malloc(bytes);
    if (fresh != NULL) {
        memcpy(fresh, chunk_memory(block->chunk), old_bytes < bytes ? old_bytes : bytes);
        thread_free(block);
    }
    return fresh;
}

static void *realloc_mapped(const struct block *block, size_t bytes) {
    void *memory = chunk_memory(block->chunk);
    operation_enter();
    void *resized = mapped_resize(memory, chunk_bytes_for(bytes));
    operation_leave();
    if (resized != NULL) {
        return resized;
    }
    return chunk_usable_bytes(block->chunk) >= bytes ? memory : move_block(block, bytes);
}

static COLD void *move_chunk(struct heap *heap, struct chunk *chunk, size_t bytes) {
    const struct block block = {BLOCK_CHUNK, chunk, heap, NULL};
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
    size_t needed = chunk_bytes_for(bytes);
    if (chunk_bytes(chunk) - needed < CHUNK_MIN_BYTES) {
        return chunk_memory(chunk);
    }
    struct chunk *resized = NULL;
    if (LIKELY(operation_enter())) {
        resized = resize_locked(heap->arena, chunk, needed);
    }
    operation_leave();
    return LIKELY(resized != NULL) ? chunk_memory(resized) : move_chunk(heap, chunk, bytes);
}

void *thread_realloc(const struct block *block, size_t bytes) {
    return block->kind == BLOCK_MAPPED ? realloc_mapped(block, bytes)
                                       : thread_realloc_chunk(block->heap, block->chunk, bytes);
}
