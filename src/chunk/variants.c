/* variants.c - calloc's, memalign's and realloc's ways through the engine.
 * Layer: chunk (includes base, os, pages). See alloc.h. Source: ptmalloc's calloc, memalign and
 * realloc; realloc's new chunk never comes from the quick lists. */
#include "chunk/alloc.h"
#include "chunk/bin.h"
#include "chunk/free.h"
#include "chunk/keep.h"
#include "chunk/mapped.h"

#include <string.h>

/* Memory beyond top is zero (brk, fresh pages and purged pages are), so of a chunk that starts
 * where top started only the part that was top before is unknown. */
struct chunk *arena_alloc_zero_known(const struct chunk_caller *caller, size_t bytes,
                                     size_t *dirty_bytes) {
    const struct chunk *old_top = caller->arena->top;
    size_t old_bytes = old_top != NULL ? chunk_bytes(old_top) : 0;
    struct chunk *chunk = arena_alloc(caller, bytes);
    if (chunk == NULL) {
        return NULL;
    }
    size_t whole = chunk_usable_bytes(chunk);
    if (chunk_is_mmapped(chunk)) {
        whole = 0;
    } else if (chunk == old_top && old_bytes < chunk_bytes(chunk)) {
        whole = old_bytes - CHUNK_HEADER_BYTES;
    }
    *dirty_bytes = whole;
    return chunk;
}

/* Frees the part before the first aligned address that leaves room for a chunk. */
static struct chunk *free_lead(const struct chunk_caller *caller, struct chunk *chunk,
                               size_t alignment) {
    uintptr_t memory = align_up((uintptr_t)chunk_memory(chunk), alignment);
    struct chunk *aligned = chunk_of_memory((void *)memory);
    size_t lead = (uintptr_t)aligned - (uintptr_t)chunk;
    if (lead == 0) {
        return chunk;
    }
    if (lead < CHUNK_MIN_BYTES) {
        lead += alignment;
        aligned = chunk_at(chunk, lead);
    }
    size_t rest = chunk_bytes(chunk) - lead;
    chunk_set_head(aligned, rest | CHUNK_PREV_IN_USE | (chunk->size & CHUNK_NON_MAIN));
    chunk_mark_in_use_at(aligned, rest);
    chunk_set_bytes(chunk, lead);
    arena_free(caller, chunk);
    return aligned;
}

struct chunk *arena_alloc_aligned(const struct chunk_caller *caller, size_t alignment,
                                  size_t bytes) {
    size_t enough;
    if (add_overflows(bytes, alignment + CHUNK_MIN_BYTES, &enough) || enough > REQUEST_MAX_BYTES) {
        return NULL;
    }
    struct chunk *chunk = arena_alloc(caller, chunk_bytes_for(enough));
    if (chunk == NULL) {
        return NULL;
    }
    if (chunk_is_mmapped(chunk)) {
        return chunk_of_memory(mapped_align(chunk_memory(chunk), alignment));
    }
    chunk = free_lead(caller, chunk, alignment);
    if (chunk_bytes(chunk) > bytes + CHUNK_MIN_BYTES) {
        arena_cut(caller, chunk, bytes);
    }
    return chunk;
}

/* Takes what is missing from top; false when the next chunk is not top or top is too small. */
static bool extend_into_top(struct arena *arena, struct chunk *chunk, size_t bytes) {
    size_t old_bytes = chunk_bytes(chunk);
    if (chunk_at(chunk, old_bytes) != arena->top) {
        return false;
    }
    size_t together = old_bytes + chunk_bytes(arena->top);
    if (together < bytes + CHUNK_MIN_BYTES) {
        return false;
    }
    chunk_clear_head(arena->top);
    chunk_set_bytes(chunk, bytes);
    arena->top = chunk_at(chunk, bytes);
    chunk_set_head(arena->top, (together - bytes) | CHUNK_PREV_IN_USE);
    keep_note(arena);
    return true;
}

/* Swallows a free successor whole; false when it is in use or too small. */
static bool extend_into_next(struct arena *arena, struct chunk *chunk, size_t bytes) {
    struct chunk *next = chunk_next(chunk);
    size_t together = chunk_bytes(chunk) + chunk_bytes(next);
    if (next == arena->top || chunk_in_use_at(next, chunk_bytes(next)) || together < bytes) {
        return false;
    }
    bin_take(arena, next);
    keep_leave(arena, next, chunk_bytes(next));
    keep_note(arena);
    chunk_clear_head(next);
    chunk_set_bytes(chunk, together);
    chunk_mark_in_use_at(chunk, together);
    return true;
}

/* A new chunk that happens to follow the old one is simply joined to it. */
static struct chunk *move_chunk(const struct chunk_caller *caller, struct chunk *chunk,
                                size_t bytes) {
    struct chunk *fresh = arena_alloc(caller, bytes);
    if (fresh == NULL) {
        return NULL;
    }
    if (fresh == chunk_next(chunk)) {
        chunk_set_bytes(chunk, chunk_bytes(chunk) + chunk_bytes(fresh));
        chunk_clear_head(fresh);
        arena_cut(caller, chunk, bytes);
        return chunk;
    }
    memcpy(chunk_memory(fresh), chunk_memory(chunk), chunk_usable_bytes(chunk));
    arena_free(caller, chunk);
    return fresh;
}

struct chunk *arena_resize(const struct chunk_caller *caller, struct chunk *chunk, size_t bytes) {
    if (chunk_bytes(chunk) < bytes) {
        if (extend_into_top(caller->arena, chunk, bytes)) {
            return chunk;
        }
        if (!extend_into_next(caller->arena, chunk, bytes)) {
            return move_chunk(caller, chunk, bytes);
        }
    }
    arena_cut(caller, chunk, bytes);
    return chunk;
}
