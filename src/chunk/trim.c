/* trim.c - see trim.h.
 * Layer: chunk (includes base, os, pages). */
#include "chunk/trim.h"

#include "chunk/bin.h"
#include "chunk/fast_bin.h"
#include "chunk/heap.h"
#include "chunk/main_arena.h"
#include "chunk/params.h"
#include "chunk/sweep.h"

/* What an empty heap's predecessor must have free at its end before the empty one goes. */
#define EMPTY_HEAP_ROOM_BYTES ((size_t)1024 * 1024)

/* Whole pages of a top of `top_bytes` beyond what stays: the pad and the smallest chunk. */
static size_t excess_of_top(size_t top_bytes, size_t pad_bytes) {
    size_t spare = top_bytes > CHUNK_MIN_BYTES ? top_bytes - CHUNK_MIN_BYTES - 1 : 0;
    return spare <= pad_bytes ? 0 : align_down(spare - pad_bytes, os_page_bytes());
}

bool trim_main_top(size_t pad_bytes) {
    if (main_arena.top == NULL) {
        return false;
    }
    size_t excess = excess_of_top(chunk_bytes(main_arena.top), pad_bytes);
    return excess != 0 && main_arena_shrink(excess);
}

/* The chunk before the fence that closes an older heap, and how large a top it would make. */
struct old_end {
    struct chunk *last;
    size_t top_bytes;
};

/* A closed heap ends in a fence of one header; in front of it, aligned, lies the fence chunk
 * proper, and before that what was left of its top. */
static struct old_end find_old_end(const struct heap *heap) {
    struct old_end end;
    size_t fence_offset = heap->bytes - CHUNK_HEADER_BYTES;
    size_t misaligned = (heap->start + fence_offset) % CHUNK_ALIGNMENT;
    struct chunk *fence = chunk_at((void *)heap->start, fence_offset - misaligned);
    end.last = chunk_prev(fence);
    end.top_bytes = chunk_bytes(end.last) + CHUNK_HEADER_BYTES + misaligned;
    if (!chunk_prev_in_use(end.last)) {
        end.top_bytes += end.last->prev_size;
    }
    return end;
}

/* Deletes the newest heap if top is all it holds and the one before has room for what follows. */
static bool delete_empty_heap(struct arena *arena, size_t room_bytes) {
    struct heap *heap = arena->heap;
    struct heap *prev = heap->prev;
    if (prev == NULL || (uintptr_t)arena->top != heap->start + sizeof *heap) {
        return false;
    }
    struct old_end end = find_old_end(prev);
    size_t room = end.top_bytes + (prev->reserved_bytes - prev->bytes);
    if (room < room_bytes + CHUNK_MIN_BYTES + os_page_bytes()) {
        return false;
    }
    arena->system_bytes -= heap->bytes;
    arena->heap = prev;
    struct chunk *top = end.last;
    if (!chunk_prev_in_use(top)) {
        top = chunk_prev(top);
        bin_take(arena, top);
        keep_leave(arena, top, chunk_bytes(top));
    }
    chunk_set_head(top, end.top_bytes | CHUNK_PREV_IN_USE);
    arena->top = top;
    heap_unmap(heap);
    return true;
}

static bool shrink_heap(struct arena *arena, size_t excess) {
    size_t top_bytes = chunk_bytes(arena->top);
    if (excess == 0 || heap_shrink(arena->heap, excess) != 0) {
        return false;
    }
    arena->system_bytes -= excess;
    chunk_set_head(arena->top, (top_bytes - excess) | CHUNK_PREV_IN_USE);
    return true;
}

static void trim_heap(struct arena *arena) {
    while (delete_empty_heap(arena, params.top_pad)) {
    }
    size_t top_bytes = chunk_bytes(arena->top);
    if (top_bytes >= params_trim_threshold()) {
        shrink_heap(arena, excess_of_top(top_bytes, params.top_pad));
    }
}

void trim_after_free(struct arena *arena) {
    if (arena != &main_arena) {
        trim_heap(arena);
    } else if (chunk_bytes(arena->top) >= params_trim_threshold()) {
        trim_main_top(params.top_pad);
    }
}

/* The heap before has room for an empty heap's worth of swinging to and fro. */
bool trim_empty_heap(struct arena *arena) {
    return arena != &main_arena && delete_empty_heap(arena, EMPTY_HEAP_ROOM_BYTES);
}

bool trim_top_by(struct arena *arena, size_t most_bytes, size_t pad_bytes) {
    if (arena->top == NULL) {
        return false;
    }
    size_t excess = excess_of_top(chunk_bytes(arena->top), pad_bytes);
    size_t most = align_up(most_bytes, os_page_bytes());
    excess = excess < most ? excess : most;
    return arena == &main_arena ? excess != 0 && main_arena_shrink(excess)
                                : shrink_heap(arena, excess);
}

/* Drops the whole pages inside one free chunk; its header and links stay. */
static bool purge_inside(const struct chunk *chunk) {
    size_t page = os_page_bytes();
    uintptr_t first = align_up((uintptr_t)chunk + sizeof(struct chunk), page);
    uintptr_t end = align_down((uintptr_t)chunk_next(chunk), page);
    return first < end && os_purge((void *)first, end - first) == 0;
}

static bool purge_bins(struct arena *arena) {
    bool released = false;
    unsigned page_bin = bin_index(os_page_bytes());
    for (unsigned index = BIN_UNSORTED; index <= BIN_LAST; index++) {
        if (index != BIN_UNSORTED && index < page_bin) {
            continue;
        }
        struct links *bin = bin_at(arena, index);
        for (struct links *node = bin->bk; node != bin; node = node->bk) {
            released |= purge_inside(chunk_of_links(node));
        }
    }
    return released;
}

/* By ptmalloc's rules, as malloc_trim does it there. Under the lock. */
static bool trim_arena(struct arena *arena, size_t pad_bytes) {
    fast_bin_consolidate(arena);
    bool released = purge_bins(arena);
    if (arena == &main_arena) {
        released |= trim_main_top(pad_bytes);
    }
    return released;
}

/* One batch of what lies in the bins; called and left under the lock, unless the arena was set
 * aside meanwhile. False when nothing is left, or nothing could be given back. */
static bool sweep_batch(struct arena *arena, size_t *resident_bytes) {
    struct sweep sweep = sweep_choose_all(arena);
    arena_unlock(arena);
    size_t resident = sweep_resident_bytes(&sweep);
    sweep_purge(arena, &sweep);
    *resident_bytes += sweep.given_bytes != 0 ? resident : 0;
    return arena_lock(arena) && sweep.given_bytes != 0;
}

/* Of a top that cannot be cut off, since it lies in a mapping that stands in for the break, or the
 * break has been moved by somebody else: its whole pages. */
static bool purge_top(const struct arena *arena, size_t pad_bytes) {
    size_t page = os_page_bytes(), bytes = arena->top != NULL ? chunk_bytes(arena->top) : 0;
    if (bytes <= sizeof(struct chunk) + page || pad_bytes > bytes - sizeof(struct chunk) - page) {
        return false;
    }
    uintptr_t first = align_up((uintptr_t)arena->top + sizeof(struct chunk) + pad_bytes, page);
    uintptr_t end = align_down((uintptr_t)arena->top + bytes, page);
    return first < end && os_resident_bytes((void *)first, end - first) != 0 &&
           os_purge((void *)first, end - first) == 0;
}

/* Everything but the end goes without the lock. */
static bool sweep_arena(struct arena *arena, size_t pad_bytes) {
    size_t resident_bytes = 0;
    fast_bin_consolidate(arena);
    while (sweep_batch(arena, &resident_bytes)) {
    }
    if (UNLIKELY(!arena_is_usable(arena))) {
        return resident_bytes != 0;
    }
    size_t level = keep_level(arena);
    bool trimmed = false;
    while (trim_empty_heap(arena)) {
        trimmed = true;
    }
    trimmed |= trim_top_by(arena, SIZE_MAX / 2, pad_bytes) || purge_top(arena, pad_bytes);
    arena->keep->removed_bytes += level - keep_level(arena);
    return trimmed || resident_bytes != 0;
}

bool trim_all(size_t pad_bytes) {
    bool released = false;
    struct arena *arena = &main_arena;
    do {
        if (arena_lock(arena)) {
            released |=
                arena->keep != NULL ? sweep_arena(arena, pad_bytes) : trim_arena(arena, pad_bytes);
            if (LIKELY(lock_is_mine(&arena->lock))) {
                arena_unlock(arena);
            }
        }
        arena = arena_next(arena);
    } while (arena != &main_arena);
    return released;
}
