/* grow.c - what an arena does when no free chunk and no top is large enough.
 * Layer: chunk (includes base, os, pages). See alloc.h.
 *
 * Large blocks become mappings of their own. Main moves the break; another arena extends its
 * newest heap, else opens a new one and closes the old with a fence, so that nobody ever merges
 * across a heap's end:
 *
 *   ... | rest of old top, freed | fence chunk (16, in use) | fence (0, in use) |  end of heap
 *
 * Source: ptmalloc's sysmalloc. */
#include "chunk/alloc.h"
#include "chunk/free.h"
#include "chunk/heap.h"
#include "chunk/keep.h"
#include "chunk/main_arena.h"
#include "chunk/mapped.h"
#include "chunk/params.h"

#include <errno.h>

static void count_growth(struct arena *arena, size_t bytes) {
    arena->system_bytes += bytes;
    keep_note_growth(arena, bytes);
    if (arena->system_bytes > arena->system_max_bytes) {
        arena->system_max_bytes = arena->system_bytes;
    }
}

static int extend_heap(struct arena *arena, size_t missing_bytes) {
    struct heap *heap = arena->heap;
    size_t before = heap->bytes;
    int status = heap_grow(heap, missing_bytes);
    if (status == 0) {
        count_growth(arena, heap->bytes - before);
        chunk_set_head(arena->top, (heap_end(heap) - (uintptr_t)arena->top) | CHUNK_PREV_IN_USE);
    }
    return status;
}

/* Two headers at the end stay as fence; what is before them is freed. */
static void close_old_top(const struct chunk_caller *caller, struct chunk *old, size_t old_bytes) {
    size_t rest = align_down(old_bytes - CHUNK_MIN_BYTES, CHUNK_ALIGNMENT);
    chunk_set_head(chunk_at(old, rest + CHUNK_HEADER_BYTES), 0 | CHUNK_PREV_IN_USE);
    if (rest >= CHUNK_MIN_BYTES) {
        struct chunk *fence = chunk_at(old, rest);
        chunk_set_head(fence, CHUNK_HEADER_BYTES | CHUNK_PREV_IN_USE);
        chunk_set_foot(fence, CHUNK_HEADER_BYTES);
        chunk_set_head(old, rest | CHUNK_PREV_IN_USE | CHUNK_NON_MAIN);
        arena_free_old_top(caller, old);
    } else {
        chunk_set_head(old, (rest + CHUNK_HEADER_BYTES) | CHUNK_PREV_IN_USE | CHUNK_NON_MAIN);
        chunk_set_foot(old, rest + CHUNK_HEADER_BYTES);
    }
}

static int open_heap(const struct chunk_caller *caller, size_t bytes) {
    struct arena *arena = caller->arena;
    struct heap *heap = heap_map(bytes + CHUNK_MIN_BYTES + sizeof *heap, params.top_pad);
    if (heap == NULL) {
        return -ENOMEM;
    }
    struct chunk *old = arena->top;
    size_t old_bytes = chunk_bytes(old);
    heap->arena = arena;
    heap->prev = arena->heap;
    arena->heap = heap;
    count_growth(arena, heap->bytes);
    arena->top = chunk_at(heap, sizeof *heap);
    chunk_set_head(arena->top, (heap->bytes - sizeof *heap) | CHUNK_PREV_IN_USE);
    close_old_top(caller, old, old_bytes);
    return 0;
}

static int grow_heaps(const struct chunk_caller *caller, size_t bytes) {
    if (bytes > HEAP_MAX_BYTES) {
        return -ENOMEM;
    }
    size_t missing = bytes + CHUNK_MIN_BYTES - chunk_bytes(caller->arena->top);
    if (extend_heap(caller->arena, missing) == 0) {
        return 0;
    }
    return open_heap(caller, bytes);
}

/* Where a program's sizes have raised the threshold, slightly larger ones than any before belong
 * to a heap as well, which has pages for them. */
static size_t mapping_threshold(const struct arena *arena) {
    size_t bytes = params_mmap_threshold();
    bool was_raised = params.dynamic && bytes > MMAP_THRESHOLD_DEFAULT_BYTES;
    size_t margin = was_raised && arena->keep != NULL ? bytes / 4 : 0;
    return bytes + margin < MMAP_THRESHOLD_MAX_BYTES ? bytes + margin : bytes;
}

int arena_grow(const struct chunk_caller *caller, size_t bytes, struct chunk **mapped) {
    bool try_mapping = bytes >= mapping_threshold(caller->arena) && mapped_is_allowed();
    *mapped = try_mapping ? mapped_alloc(bytes) : NULL;
    if (*mapped != NULL) {
        keep_note_growth(caller->arena, bytes);
        keep_note(caller->arena);
        return 0;
    }
    if (caller->arena == &main_arena) {
        return main_arena_grow(caller, bytes);
    }
    int status = grow_heaps(caller, bytes);
    if (status != 0 && !try_mapping) {
        *mapped = mapped_alloc(bytes);
        status = *mapped != NULL ? 0 : status;
    }
    return status;
}
