/* alloc.c - see alloc.h: one function for each of the six steps.
 * Layer: chunk (includes base, os, pages). */
#include "chunk/alloc.h"

#include "chunk/bin.h"
#include "chunk/fast_bin.h"
#include "chunk/free.h"
#include "chunk/keep.h"
#include "os/report.h"

/* Chunks looked at in the unsorted bin by one malloc. */
#define UNSORTED_STEPS_MAX 10000

struct alloc {
    struct arena *arena;
    const struct chunk_caller *caller;
    size_t bytes;       /* of the chunk wanted */
    unsigned bin;       /* its bin; step 5 starts behind it */
    size_t quick_index; /* its quick list, QUICK_LISTS: none */
    bool stashed;       /* a fitting chunk went into the quick list and must come out again */
};

/* ---- finishing touches ---------------------------------------------------------------------- */

INLINE struct chunk *hand_out(const struct alloc *alloc, struct chunk *chunk) {
    if (alloc->arena != &main_arena) {
        chunk_set_head(chunk, chunk->size | CHUNK_NON_MAIN);
    }
    keep_note(alloc->arena);
    return chunk;
}

INLINE bool quick_has_room(const struct alloc *alloc) {
    return alloc->quick_index < QUICK_LISTS && alloc->caller->quick->room[alloc->quick_index] != 0;
}

INLINE void stash(const struct alloc *alloc, struct chunk *chunk) {
    hand_out(alloc, chunk);
    struct quick_slot *slot = chunk_memory(chunk);
    slot->key = 0; /* whatever a former user left there is no double free */
    quick_push(alloc->caller->quick, alloc->quick_index, slot);
}

/* Splits a free chunk already out of its bin; the rest goes into the unsorted bin. Returns the
 * rest, NULL when the chunk is used whole. */
INLINE struct chunk *split(const struct alloc *alloc, struct chunk *chunk, size_t chunk_size) {
    struct clean_range clean = keep_leave(alloc->arena, chunk, chunk_size);
    size_t rest_bytes = chunk_size - alloc->bytes;
    if (rest_bytes < CHUNK_MIN_BYTES) {
        chunk_mark_in_use_at(chunk, chunk_size);
        keep_note_taken(alloc->arena, clean, 0);
        return NULL;
    }
    struct chunk *rest = chunk_at(chunk, alloc->bytes);
    chunk_set_head(chunk, alloc->bytes | CHUNK_PREV_IN_USE);
    chunk_set_head(rest, rest_bytes | CHUNK_PREV_IN_USE);
    chunk_set_foot(rest, rest_bytes);
    bin_put_unsorted(alloc->arena, rest, rest_bytes);
    size_t left_bytes = keep_enter(alloc->arena, rest, rest_bytes, clean);
    keep_note_taken(alloc->arena, clean, left_bytes);
    return rest;
}

/* ---- step 1: fast bin ----------------------------------------------------------------------- */

INLINE struct chunk *take_fast(const struct alloc *alloc) {
    if (!fast_bin_serves(alloc->bytes)) {
        return NULL;
    }
    unsigned index = fast_bin_index(alloc->bytes);
    struct chunk *found = fast_bin_pop(alloc->arena, index);
    while (found != NULL && quick_has_room(alloc)) {
        struct chunk *more = fast_bin_pop(alloc->arena, index);
        if (more == NULL) {
            break;
        }
        stash(alloc, more);
    }
    return found;
}

/* ---- step 2: small bin; a large request consolidates instead -------------------------------- */

INLINE struct chunk *take_oldest(const struct alloc *alloc) {
    struct chunk *chunk = bin_take_oldest(alloc->arena, alloc->bin);
    if (chunk != NULL) {
        keep_leave(alloc->arena, chunk, alloc->bytes);
    }
    return chunk;
}

INLINE struct chunk *take_small(const struct alloc *alloc) {
    struct chunk *found = take_oldest(alloc);
    while (found != NULL && quick_has_room(alloc)) {
        struct chunk *more = take_oldest(alloc);
        if (more == NULL) {
            break;
        }
        stash(alloc, more);
    }
    return found;
}

/* ---- step 3: unsorted ----------------------------------------------------------------------- */

INLINE void check_unsorted(const struct arena *arena, const struct chunk *chunk) {
    size_t bytes = chunk_bytes(chunk);
    const struct chunk *next = chunk_at(chunk, bytes);
    const char *error = NULL;
    const struct heap *heap = heap_find(chunk);
    if (!bin_size_is_right(heap, chunk, bytes) || chunk_prev_in_use(next)) {
        error = "corrupted size after a free chunk";
    } else if (next->size < CHUNK_HEADER_BYTES || next->size > arena->system_bytes) {
        error = "corrupted size of the chunk behind a free one";
    } else if (!bin_links_agree_in(heap, &chunk->links)) {
        error = "corrupted double-linked list of free chunks";
    }
    if (UNLIKELY(error != NULL)) {
        report_corruption(error, chunk_memory(chunk));
    }
}

/* Runs of small requests are cut from the same chunk, so that they end up side by side. */
INLINE struct chunk *cut_last_remainder(const struct alloc *alloc, struct chunk *chunk) {
    struct arena *arena = alloc->arena;
    bool alone = chunk->links.bk == bin_at(arena, BIN_UNSORTED);
    size_t bytes = chunk_bytes(chunk);
    if (!bin_is_small(alloc->bytes) || !alone || chunk != arena->last_remainder ||
        bytes <= alloc->bytes + CHUNK_MIN_BYTES) {
        return NULL;
    }
    bin_detach(chunk);
    arena->last_remainder = split(alloc, chunk, bytes);
    return chunk;
}

/* Gives the oldest unsorted chunk its one chance, else sorts it into its bin. It was checked. */
INLINE struct chunk *try_unsorted(struct alloc *alloc, struct chunk *chunk) {
    size_t bytes = chunk_bytes(chunk);
    bin_detach(chunk);
    if (bytes != alloc->bytes) {
        bin_put(alloc->arena, chunk, bytes);
        return NULL;
    }
    chunk_mark_in_use_at(chunk, bytes);
    keep_note_taken(alloc->arena, keep_leave(alloc->arena, chunk, bytes), 0);
    if (!quick_has_room(alloc)) {
        return chunk;
    }
    stash(alloc, chunk); /* collect more of this size, hand one out after the walk */
    alloc->stashed = true;
    return NULL;
}

static struct chunk *take_stashed(const struct alloc *alloc) {
    void *memory = quick_pop(alloc->caller->quick, alloc->quick_index);
    return chunk_of_memory(memory);
}

INLINE struct chunk *sort_unsorted(struct alloc *alloc) {
    struct links *unsorted = bin_at(alloc->arena, BIN_UNSORTED);
    for (int steps = 0; steps < UNSORTED_STEPS_MAX && !bin_is_empty(unsorted); steps++) {
        struct chunk *chunk = bin_last(unsorted);
        check_unsorted(alloc->arena, chunk);
        struct chunk *found = cut_last_remainder(alloc, chunk);
        if (found == NULL) {
            found = try_unsorted(alloc, chunk);
        }
        if (found != NULL) {
            return found;
        }
    }
    return alloc->stashed ? take_stashed(alloc) : NULL;
}

/* ---- step 4: large bin ---------------------------------------------------------------------- */

INLINE struct chunk *take_large(const struct alloc *alloc) {
    if (bin_is_small(alloc->bytes)) {
        return NULL;
    }
    struct chunk *best = bin_find_best(alloc->arena, alloc->bin, alloc->bytes);
    if (best != NULL) {
        bin_take(alloc->arena, best);
        split(alloc, best, chunk_bytes(best));
    }
    return best;
}

/* ---- step 5: next larger bin ---------------------------------------------------------------- */

INLINE struct chunk *take_from_larger_bin(const struct alloc *alloc) {
    struct arena *arena = alloc->arena;
    unsigned index = bin_next_filled(arena, alloc->bin + 1);
    if (index == 0) {
        return NULL;
    }
    struct chunk *chunk = bin_last(bin_at(arena, index));
    bin_take(arena, chunk);
    struct chunk *rest = split(alloc, chunk, chunk_bytes(chunk));
    if (rest != NULL && bin_is_small(alloc->bytes)) {
        arena->last_remainder = rest;
    }
    return chunk;
}

/* ---- step 6: top ---------------------------------------------------------------------------- */

INLINE struct chunk *cut_top(const struct alloc *alloc) {
    struct arena *arena = alloc->arena;
    struct chunk *chunk = arena->top;
    if (chunk == NULL) {
        return NULL;
    }
    size_t top_bytes = chunk_bytes(chunk);
    if (UNLIKELY((uintptr_t)chunk + top_bytes != heap_end(arena->heap))) {
        report_corruption("corrupted size of top", chunk_memory(chunk));
    }
    if (top_bytes < alloc->bytes + CHUNK_MIN_BYTES) {
        return NULL;
    }
    arena->top = chunk_at(chunk, alloc->bytes);
    chunk_set_head(arena->top, (top_bytes - alloc->bytes) | CHUNK_PREV_IN_USE);
    chunk_set_head(chunk, alloc->bytes | CHUNK_PREV_IN_USE);
    return chunk;
}

/* ---- the whole ------------------------------------------------------------------------------ */

INLINE struct chunk *grow(const struct alloc *alloc) {
    struct chunk *mapped = NULL;
    if (arena_grow(alloc->caller, alloc->bytes, &mapped) != 0) {
        return NULL;
    }
    if (mapped != NULL) {
        return mapped;
    }
    struct chunk *chunk = cut_top(alloc);
    return chunk != NULL ? hand_out(alloc, chunk) : NULL;
}

INLINE struct chunk *search_bins(struct alloc *alloc) {
    struct chunk *chunk = sort_unsorted(alloc);
    if (chunk == NULL) {
        chunk = take_large(alloc);
    }
    if (chunk == NULL) {
        chunk = take_from_larger_bin(alloc);
    }
    return chunk != NULL ? chunk : cut_top(alloc);
}

INLINE struct alloc alloc_begin(const struct chunk_caller *caller, size_t bytes) {
    struct alloc alloc = {caller->arena, caller, bytes, bin_index(bytes), QUICK_LISTS, false};
    if (bytes <= QUICK_MAX_BYTES) {
        alloc.quick_index = quick_index(bytes);
    }
    return alloc;
}

struct chunk *arena_alloc(const struct chunk_caller *caller, size_t bytes) {
    struct alloc alloc = alloc_begin(caller, bytes);
    struct arena *arena = alloc.arena;
    struct chunk *chunk = take_fast(&alloc);
    if (chunk == NULL && bin_is_small(bytes)) {
        chunk = take_small(&alloc);
    } else if (chunk == NULL && (arena->flags & ARENA_HAS_FAST) != 0) {
        fast_bin_consolidate(arena);
    }
    while (chunk == NULL) {
        chunk = search_bins(&alloc);
        if (chunk == NULL && (arena->flags & ARENA_HAS_FAST) == 0) {
            return grow(&alloc);
        }
        if (chunk == NULL) {
            fast_bin_consolidate(arena);
        }
    }
    return hand_out(&alloc, chunk);
}

void arena_cut(const struct chunk_caller *caller, struct chunk *chunk, size_t bytes) {
    size_t rest_bytes = chunk_bytes(chunk) - bytes;
    if (rest_bytes < CHUNK_MIN_BYTES) {
        return;
    }
    struct chunk *rest = chunk_at(chunk, bytes);
    chunk_set_bytes(chunk, bytes);
    chunk_set_head(rest, rest_bytes | CHUNK_PREV_IN_USE | (chunk->size & CHUNK_NON_MAIN));
    arena_free(caller, rest);
}
