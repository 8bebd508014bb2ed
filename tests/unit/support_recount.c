/* support_recount.c - see support_recount.h.
 * Layer: tests (includes chunk and below). */
#include "support_recount.h"

#include "chunk/bin.h"
#include "chunk/fast_bin.h"
#include "chunk/heap.h"
#include "chunk/mapped.h"

/* A walk through one piece of memory, chunk by chunk. */
struct walk {
    struct arena *arena;
    const struct heap *heap;
    bool newest; /* ends in top, else in a fence */
    struct recount *counts;
};

static uintptr_t first_chunk(const struct walk *walk) {
    if (walk->arena == &main_arena) {
        return walk->heap->start;
    }
    uintptr_t start = walk->heap->start + sizeof(struct heap);
    if (walk->heap->prev == NULL) {
        start = align_up(start + sizeof(struct arena), CHUNK_ALIGNMENT);
    }
    return start;
}

/* Two headers close a piece: 16 and 16 bytes in main, 16 and 0 in a heap. */
static const char *check_fence(const struct walk *walk, uintptr_t at) {
    const struct chunk *fence = chunk_at((void *)at, 0);
    size_t last = walk->arena == &main_arena ? CHUNK_HEADER_BYTES : 0;
    if (chunk_bytes(chunk_at(fence, CHUNK_HEADER_BYTES)) != last) {
        return "a closed heap's last fence is wrong";
    }
    if (!chunk_prev_in_use(chunk_at(fence, CHUNK_HEADER_BYTES))) {
        return "a closed heap's fence is not marked in use";
    }
    return NULL;
}

static const char *check_used(const struct walk *walk, const struct chunk *chunk, size_t bytes) {
    size_t flags = walk->arena == &main_arena ? 0 : CHUNK_NON_MAIN;
    if ((chunk->size & (CHUNK_MMAPPED | CHUNK_NON_MAIN)) != flags) {
        return "a chunk in use has wrong flags";
    }
    walk->counts->used_count++;
    walk->counts->used_bytes += bytes;
    return NULL;
}

static const char *check_free(const struct walk *walk, const struct chunk *chunk, size_t bytes) {
    if (!chunk_prev_in_use(chunk)) {
        return "two free chunks are neighbours";
    }
    if ((chunk->size & (CHUNK_MMAPPED | CHUNK_NON_MAIN)) != 0) {
        return "a free chunk has flags of a chunk in use";
    }
    if (chunk_at(chunk, bytes)->prev_size != bytes) {
        return "a free chunk's size is not repeated behind it";
    }
    walk->counts->free_count++;
    walk->counts->free_bytes += bytes;
    return NULL;
}

/* One chunk that lies wholly before `end`. */
static const char *check_chunk(const struct walk *walk, const struct chunk *chunk, uintptr_t end) {
    size_t bytes = chunk_bytes(chunk);
    if (bytes < CHUNK_MIN_BYTES || bytes % CHUNK_ALIGNMENT != 0) {
        return "a chunk's size is impossible";
    }
    if (bytes > end - (uintptr_t)chunk) {
        return "a chunk reaches beyond its heap";
    }
    return chunk_in_use_at(chunk, bytes) ? check_used(walk, chunk, bytes)
                                         : check_free(walk, chunk, bytes);
}

static const char *check_top(const struct walk *walk, uintptr_t end) {
    const struct chunk *top = walk->arena->top;
    if (!chunk_prev_in_use(top) || (top->size & ~CHUNK_PREV_IN_USE) % CHUNK_ALIGNMENT != 0) {
        return "top has wrong flags";
    }
    walk->counts->top_bytes = chunk_bytes(top);
    if (walk->counts->top_bytes < CHUNK_MIN_BYTES || (uintptr_t)top + chunk_bytes(top) != end) {
        return "top does not end where its heap ends";
    }
    return NULL;
}

static const char *walk_heap(const struct walk *walk) {
    uintptr_t at = first_chunk(walk);
    uintptr_t end = heap_end(walk->heap);
    uintptr_t stop = walk->newest ? (uintptr_t)walk->arena->top : end - 2 * CHUNK_HEADER_BYTES;
    if (at > stop || !chunk_prev_in_use(chunk_at((void *)at, 0))) {
        return "a heap's first chunk is not marked as first";
    }
    while (at < stop) {
        const struct chunk *chunk = chunk_at((void *)at, 0);
        if (!walk->newest && stop - at < CHUNK_MIN_BYTES) {
            break; /* a rest too small for a chunk before the fence */
        }
        const char *error = check_chunk(walk, chunk, end);
        if (error != NULL) {
            return error;
        }
        at += chunk_bytes(chunk);
    }
    if (walk->newest && at != stop) {
        return "chunks do not lead to top";
    }
    return walk->newest ? check_top(walk, end) : check_fence(walk, stop);
}

static const char *check_heap_record(const struct arena *arena, const struct heap *heap) {
    if (heap->arena != arena) {
        return "a heap belongs to another arena";
    }
    if (heap->bytes > heap->committed_bytes || heap->committed_bytes > heap->reserved_bytes) {
        return "a heap's sizes are out of order";
    }
    if (heap_find((void *)heap->start) != heap || heap_find((void *)(heap_end(heap) - 1)) != heap) {
        return "a heap cannot be found by its addresses";
    }
    return heap_find((void *)heap_end(heap)) == heap ? "a heap is found beyond its end" : NULL;
}

static const char *walk_heaps(struct arena *arena, struct recount *counts) {
    for (const struct heap *heap = arena->heap; heap != NULL; heap = heap->prev) {
        const struct walk walk = {arena, heap, heap == arena->heap, counts};
        const char *error = check_heap_record(arena, heap);
        if (error == NULL) {
            error = walk_heap(&walk);
        }
        if (error != NULL) {
            return error;
        }
        counts->heaps++;
        counts->heap_bytes += heap->bytes;
    }
    return NULL;
}

/* Gaps that foreign users of sbrk left count as the main arena's, and so do the few bytes that a
 * misaligned break costs. */
static const char *check_sums(const struct arena *arena, const struct recount *counts) {
    size_t lost = arena->system_bytes - counts->heap_bytes;
    bool mapped = arena != &main_arena;
    if (arena->system_bytes < counts->heap_bytes || (mapped && lost != 0) ||
        (counts->heaps <= 1 && lost >= 2 * CHUNK_ALIGNMENT)) {
        return "the heaps do not add up to system_bytes";
    }
    return arena->system_max_bytes < arena->system_bytes ? "the peak is below the present" : NULL;
}

static const char *check_bins(struct arena *arena, struct recount *counts) {
    size_t count = 0;
    size_t bytes = 0;
    const char *error = bin_audit(arena, &count, &bytes);
    if (error != NULL) {
        return error;
    }
    if (count != counts->free_count || bytes != counts->free_bytes) {
        return "the free chunks are not those in the bins";
    }
    return fast_bin_audit(arena, &counts->fast_count, &counts->fast_bytes);
}

const char *recount_arena(struct arena *arena, struct recount *counts) {
    struct recount own;
    counts = counts != NULL ? counts : &own;
    *counts = (struct recount){0};
    const char *error = walk_heaps(arena, counts);
    if (error == NULL) {
        error = check_sums(arena, counts);
    }
    return error != NULL ? error : check_bins(arena, counts);
}

const char *recount_all(void) {
    struct arena *arena = &main_arena;
    do {
        const char *error = arena_is_usable(arena) ? recount_arena(arena, NULL) : NULL;
        if (error != NULL) {
            return error;
        }
        arena = arena_next(arena);
    } while (arena != &main_arena);
    return mapped_audit();
}
