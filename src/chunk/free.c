/* free.c - see free.h.
 * Layer: chunk (includes base, os, pages). */
#include "chunk/free.h"

#include "chunk/bin.h"
#include "chunk/fast_bin.h"
#include "chunk/heap.h"
#include "chunk/sweep.h"
#include "chunk/trim.h"
#include "os/report.h"

COLD const char *free_explain_header(const struct chunk *chunk, uintptr_t heap_end_address) {
    size_t bytes = chunk_bytes(chunk);
    if (!is_aligned((uintptr_t)chunk, CHUNK_ALIGNMENT)) {
        return "misaligned pointer";
    }
    if (bytes == 0) {
        return "no block starts here, or no longer";
    }
    if (bytes < CHUNK_MIN_BYTES || !is_aligned(bytes, CHUNK_ALIGNMENT) ||
        bytes > heap_end_address - (uintptr_t)chunk) {
        return "invalid pointer, or corrupted chunk size";
    }
    return "invalid pointer, or corrupted chunk flags";
}

/* Whether what stands before a chunk can be a free one. Both words may have been overwritten. */
static bool is_free_before(const struct chunk *chunk) {
    const struct chunk *prev = chunk_prev(chunk);
    return is_aligned((uintptr_t)prev, CHUNK_ALIGNMENT) && heap_find(prev) != NULL &&
           chunk_bytes(prev) == chunk->prev_size;
}

/* What must hold between a chunk that is being freed and those around it; else what is wrong. */
INLINE const char *find_damage(const struct arena *arena, const struct chunk *chunk,
                               const struct chunk *next) {
    if (chunk == arena->top || !chunk_prev_in_use(next)) {
        return "double free";
    }
    if (next->size <= CHUNK_HEADER_BYTES || chunk_bytes(next) > arena->system_bytes) {
        return "corrupted size of the chunk behind a freed one";
    }
    if (!chunk_prev_in_use(chunk) && !is_free_before(chunk)) {
        return "corrupted size before a freed chunk";
    }
    return NULL;
}

/* Joins the chunk with a free one before it; returns where the joint chunk starts. */
static struct chunk *merge_backward(struct arena *arena, struct chunk *chunk, size_t *bytes,
                                    struct clean_range *clean) {
    if (chunk_prev_in_use(chunk)) {
        return chunk;
    }
    size_t prev_bytes = chunk->prev_size;
    struct chunk *prev = chunk_prev(chunk);
    bin_take(arena, prev);
    chunk_clear_head(chunk);
    *clean = clean_join(*clean, keep_leave(arena, prev, prev_bytes));
    *bytes += prev_bytes;
    return prev;
}

/* What the chunk has become part of: a free chunk in the unsorted bin, or top; NULL: damaged, and
 * left alone. */
INLINE struct chunk *merge(struct arena *arena, struct chunk *chunk, struct clean_range clean) {
    size_t bytes = chunk_bytes(chunk);
    struct chunk *next = chunk_at(chunk, bytes);
    size_t next_bytes = chunk_bytes(next);
    const char *damage = find_damage(arena, chunk, next);
    if (UNLIKELY(damage != NULL)) {
        report_misuse(damage, chunk_memory(chunk));
        return NULL;
    }
    chunk = merge_backward(arena, chunk, &bytes, &clean);
    if (next == arena->top) {
        bytes += next_bytes;
        chunk_clear_head(next);
        chunk_set_head(chunk, bytes | CHUNK_PREV_IN_USE);
        arena->top = chunk;
        keep_note(arena);
        return chunk;
    }
    if (chunk_in_use_at(next, next_bytes)) {
        chunk_mark_free_at(next, 0);
    } else {
        bin_take(arena, next);
        clean = clean_join(clean, keep_leave(arena, next, next_bytes));
        bytes += next_bytes;
        chunk_clear_head(next);
    }
    chunk_set_head(chunk, bytes | CHUNK_PREV_IN_USE);
    chunk_set_foot(chunk, bytes);
    bin_put_unsorted(arena, chunk, bytes);
    keep_enter(arena, chunk, bytes, clean);
    keep_note(arena);
    return chunk;
}

void free_merge(struct arena *arena, struct chunk *chunk) {
    merge(arena, chunk, CLEAN_NONE);
}

void free_merge_clean(struct arena *arena, struct chunk *chunk, struct clean_range clean) {
    merge(arena, chunk, clean);
}

INLINE void free_fast(struct arena *arena, struct chunk *chunk) {
    const char *damage = find_damage(arena, chunk, chunk_next(chunk));
    if (UNLIKELY(damage != NULL)) {
        report_misuse(damage, chunk_memory(chunk));
        return;
    }
    fast_bin_push(arena, chunk);
}

/* The free chunk that was made, if so much came together that top should be looked at; NULL. */
INLINE struct chunk *free_and_consolidate(struct arena *arena, struct chunk *chunk) {
    if (fast_bin_serves(chunk_bytes(chunk))) {
        free_fast(arena, chunk);
        return NULL;
    }
    struct chunk *made = merge(arena, chunk, CLEAN_NONE);
    if (UNLIKELY(made == NULL) ||
        LIKELY(chunk_bytes(made) < CONSOLIDATION_BYTES && !sweep_walk_is_due(arena))) {
        return NULL;
    }
    if ((arena->flags & ARENA_HAS_FAST) != 0) {
        fast_bin_consolidate(arena);
        return arena->top; /* what was made may have become part of something larger */
    }
    return made;
}

struct chunk *arena_free_past_quick(struct arena *arena, struct chunk *chunk) {
    struct chunk *made = free_and_consolidate(arena, chunk);
    if (UNLIKELY(made != NULL) && arena->keep == NULL) {
        trim_after_free(arena);
    }
    return made;
}

bool arena_free_old_top(const struct chunk_caller *caller, struct chunk *chunk) {
    size_t quick = quick_index(chunk_bytes(chunk));
    bool taken = quick < QUICK_LISTS && quick_push(caller->quick, quick, chunk_memory(chunk));
    return !taken && free_and_consolidate(caller->arena, chunk) != NULL;
}

void arena_free(const struct chunk_caller *caller, struct chunk *chunk) {
    size_t quick = quick_index(chunk_bytes(chunk));
    if (quick >= QUICK_LISTS || !quick_push(caller->quick, quick, chunk_memory(chunk))) {
        arena_free_past_quick(caller->arena, chunk);
    }
}
