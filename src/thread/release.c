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
    if ((uintptr_t)block.chunk < heap->start || (uintptr_t)memory < CHUNK_HEADER_BYTES) {
        block.error = "no block starts here";
        return block;
    }
    size_t flags = heap->arena == &main_arena ? 0 : CHUNK_NON_MAIN;
    block.error = free_check_header(block.chunk, heap_end(heap), flags);
    block.kind = block.error == NULL ? BLOCK_CHUNK : BLOCK_INVALID;
    return block;
}

struct block thread_find_block(const void *memory) {
    struct heap *heap = heap_find(memory);
    if (heap != NULL) {
        return block_in_heap(heap, memory);
    }
    struct mapped_block mapped;
    if (mapped_find(memory, &mapped)) {
        return (struct block){BLOCK_MAPPED, chunk_of_memory(memory), NULL, NULL};
    }
    return (struct block){BLOCK_FOREIGN, NULL, NULL, NULL};
}

/* ---- free ----------------------------------------------------------------------------------- */

static void free_in_arena(struct thread *thread, struct arena *arena, struct chunk *chunk) {
    const struct chunk_caller caller = {arena, operation_quick(thread)};
    arena_lock(arena);
    arena_free(&caller, chunk);
    arena_unlock(arena);
}

static void free_reentrant(struct arena *arena, struct chunk *chunk) {
    if (!arena_try_lock(arena)) {
        arena_defer_free(arena, chunk);
        return;
    }
    const struct chunk_caller caller = {arena, NULL};
    arena_free(&caller, chunk);
    arena_unlock(arena);
}

static bool push_quick(struct thread *thread, struct chunk *chunk) {
    size_t index = quick_index(chunk_bytes(chunk));
    return thread->attached != 0 && index < QUICK_LISTS &&
           quick_push(&thread->quick, index, chunk_memory(chunk));
}

/* A block of an arena torn by a fork is lost: nobody may touch that arena's lists again. */
static void free_chunk(const struct block *block, bool outermost) {
    struct arena *arena = block->heap->arena;
    if (UNLIKELY(!arena_is_usable(arena))) {
        return;
    }
    if (UNLIKELY(!outermost)) {
        free_reentrant(arena, block->chunk);
        return;
    }
    struct thread *thread = thread_attach();
    if (!push_quick(thread, block->chunk)) {
        free_in_arena(thread, arena, block->chunk);
    }
}

void thread_free(const struct block *block) {
    bool outermost = operation_enter();
    void *memory = chunk_memory(block->chunk);
    if (block->kind == BLOCK_MAPPED) {
        mapped_free(memory);
    } else {
        if (UNLIKELY(params.perturb != 0)) {
            memset(memory, params.perturb, chunk_bytes(block->chunk) - CHUNK_HEADER_BYTES);
        }
        free_chunk(block, outermost);
    }
    operation_leave();
}

/* ---- realloc -------------------------------------------------------------------------------- */

/* The way that always works: a new block anywhere, a copy, a free. */
static void *move_block(const struct block *block, size_t bytes) {
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

static void *realloc_chunk(const struct block *block, size_t bytes) {
    struct arena *arena = block->heap->arena;
    if (thread_depth != 0 || !arena_is_usable(arena)) {
        return move_block(block, bytes);
    }
    operation_enter();
    const struct chunk_caller caller = {arena, operation_quick(thread_attach())};
    arena_lock(arena);
    struct chunk *chunk = arena_resize(&caller, block->chunk, chunk_bytes_for(bytes));
    arena_unlock(arena);
    operation_leave();
    return chunk != NULL ? chunk_memory(chunk) : move_block(block, bytes);
}

void *thread_realloc(const struct block *block, size_t bytes) {
    return block->kind == BLOCK_MAPPED ? realloc_mapped(block, bytes) : realloc_chunk(block, bytes);
}
