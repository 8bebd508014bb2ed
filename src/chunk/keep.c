/* keep.c - ranges of clean pages, and the recount (contract in keep.h).
 * Layer: chunk (includes base, os, pages). */
#include "chunk/keep.h"

#include "chunk/bin.h"
#include "chunk/params.h"
#include "pages/meta.h"

_Static_assert(sizeof(struct chunk) + CLEAN_PLACE_BYTES <= CLEAN_MIN_BYTES,
               "the range lies in its chunk");

struct keep main_keep;

struct keep *keep_create(const struct arena *arena) {
    if (!params.slabs) {
        return NULL;
    }
    return arena == &main_arena ? &main_keep : meta_alloc(sizeof(struct keep), CACHE_LINE_BYTES);
}

/* ---- ranges --------------------------------------------------------------------------------- */

struct clean_range clean_interior(const struct chunk *chunk, size_t bytes) {
    size_t page = os_page_bytes();
    uintptr_t behind = (uintptr_t)chunk + sizeof(struct chunk) + CLEAN_PLACE_BYTES;
    uintptr_t start = align_up(behind, page);
    uintptr_t end = align_down((uintptr_t)chunk + bytes, page);
    return start < end ? (struct clean_range){start, end} : CLEAN_NONE;
}

static struct clean_range clip(struct clean_range range, struct clean_range to) {
    uintptr_t start = range.start > to.start ? range.start : to.start;
    uintptr_t end = range.end < to.end ? range.end : to.end;
    return start < end ? (struct clean_range){start, end} : CLEAN_NONE;
}

struct clean_range clean_join_ranges(struct clean_range a, struct clean_range b) {
    if (a.end == b.start) {
        return (struct clean_range){a.start, b.end};
    }
    if (b.end == a.start) {
        return (struct clean_range){b.start, a.end};
    }
    return clean_bytes_of(a) >= clean_bytes_of(b) ? a : b;
}

size_t keep_enter_large(struct keep *keep, struct chunk *chunk, size_t bytes,
                        struct clean_range range) {
    if (clean_bytes_of(range) != 0) {
        range = clip(range, clean_interior(chunk, bytes));
        keep->clean_bytes += clean_bytes_of(range);
    }
    *clean_place(chunk) = range;
    return clean_bytes_of(range);
}

void keep_note_mapped(struct arena *arena, size_t bytes) {
    if (arena->keep != NULL && arena_lock(arena)) {
        keep_note_growth(arena, bytes);
        keep_note(arena);
        arena_unlock(arena);
    }
}

void keep_note_unmapped(struct arena *arena, size_t bytes) {
    if (arena->keep != NULL && arena_lock(arena)) {
        arena->keep->removed_bytes += bytes;
        keep_note(arena);
        arena_unlock(arena);
    }
}

/* ---- audit ---------------------------------------------------------------------------------- */

static bool is_sound(const struct chunk *chunk, size_t bytes) {
    struct clean_range range = *clean_place(chunk);
    struct clean_range interior = clean_interior(chunk, bytes);
    bool is_empty = range.start == range.end;
    return is_empty ||
           (range.start < range.end && range.start >= interior.start && range.end <= interior.end &&
            is_aligned(range.start | range.end, os_page_bytes()));
}

const char *keep_audit(struct arena *arena) {
    size_t binned = 0, clean = 0;
    const struct keep *keep = arena->keep;
    for (unsigned index = BIN_UNSORTED; keep != NULL && index <= BIN_LAST; index++) {
        const struct links *bin = bin_at(arena, index);
        for (struct links *node = bin->fd; node != bin; node = node->fd) {
            const struct chunk *chunk = chunk_of_links(node);
            size_t bytes = chunk_bytes(chunk);
            binned += bytes;
            if (bytes >= CLEAN_MIN_BYTES && !is_sound(chunk, bytes)) {
                return "a free chunk's clean range does not lie in it";
            }
            clean += bytes >= CLEAN_MIN_BYTES ? clean_bytes_of(*clean_place(chunk)) : 0;
        }
    }
    bool adds_up = keep == NULL || (keep->binned_bytes == binned && keep->clean_bytes == clean);
    return adds_up ? NULL : "an arena's free or clean bytes do not add up";
}
