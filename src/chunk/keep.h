/* keep.h - what an arena keeps of its free memory: how much is free, how much of that was given
 * back to the kernel, and where.
 * Layer: chunk (includes base, os, pages).
 *
 * A free chunk that is large enough to hold a whole page remembers, behind its links, one range of
 * its pages that is clean: given back, and not touched since.
 *
 *   | header | links | clean range |  dirty   |  clean, not resident  |  dirty  | next chunk
 *   ^ chunk                                   ^ start                 ^ end
 *
 * When chunks merge the larger range is kept and the other one's pages count as dirty again: a page
 * is forgotten only when its chunk joins one with a larger range, which bounds how often. When a
 * chunk is split the rest keeps what lies in it.
 *
 * Only under the default profile; an arena that keeps ptmalloc's rules has no record here.
 *
 * I1: binned_bytes is the sum of the chunks in bins, clean_bytes of their clean ranges.
 * I2: a clean range consists of whole pages inside its chunk, behind the range's own place.
 * I3: the level is binned_bytes + top + removed_bytes: taking memory off a heap's end, and getting
 *     it again, does not change it. Blocks that were mapped and have gone count there, too: the
 *     next of their size may come from a heap.
 * All functions: under the arena's lock. */
#ifndef ARENITE_CHUNK_KEEP_H
#define ARENITE_CHUNK_KEEP_H

#include "chunk/arena.h"
#include "pages/retention.h"

/* [start, end); start == end: none. */
struct clean_range {
    uintptr_t start;
    uintptr_t end;
};

#define CLEAN_NONE ((struct clean_range){0, 0})
/* Bytes behind the links that are never given back: the range, and a second one while the chunk is
 * being swept. */
#define CLEAN_PLACE_BYTES (2 * sizeof(struct clean_range))
/* Smaller chunks hold no whole page, or none worth remembering. */
#define CLEAN_MIN_BYTES ((size_t)4096 + 128)

struct keep {
    size_t binned_bytes;
    size_t clean_bytes;
    size_t removed_bytes; /* off the heaps' ends, or out for a moment, and not got again */
    struct retention retention;
    uint32_t out_tag; /* thread (os/lock.h) whose sweep has chunks out; 0: none */
    struct chunk *out_first;
};

extern struct keep main_keep; /* the main arena's; the others' are records of the library */

/* A record for a new arena, NULL: no memory for it, or not wanted under this profile. */
struct keep *keep_create(const struct arena *arena);

INLINE size_t clean_bytes_of(struct clean_range range) {
    return range.end - range.start;
}

INLINE struct clean_range *clean_place(const struct chunk *chunk) {
    return (struct clean_range *)((uintptr_t)chunk + sizeof(struct chunk));
}

/* The whole pages of a free chunk that hold none of the engine's words. */
struct clean_range clean_interior(const struct chunk *chunk, size_t bytes);
/* What two merging chunks have together. */
struct clean_range clean_join_ranges(struct clean_range a, struct clean_range b);
INLINE struct clean_range clean_join(struct clean_range a, struct clean_range b) {
    return b.end == b.start ? a : clean_join_ranges(a, b);
}

size_t keep_enter_large(struct keep *keep, struct chunk *chunk, size_t bytes,
                        struct clean_range range);

/* A free chunk has come into a bin, with this range of it (and perhaps more) clean. Returns how
 * much of it is. */
INLINE size_t keep_enter(struct arena *arena, struct chunk *chunk, size_t bytes,
                         struct clean_range range) {
    struct keep *keep = arena->keep;
    if (keep == NULL) {
        return 0;
    }
    keep->binned_bytes += bytes;
    return bytes >= CLEAN_MIN_BYTES ? keep_enter_large(keep, chunk, bytes, range) : 0;
}

/* A free chunk has left its bin for good; its range. */
INLINE struct clean_range keep_leave(struct arena *arena, const struct chunk *chunk, size_t bytes) {
    struct keep *keep = arena->keep;
    if (keep == NULL) {
        return CLEAN_NONE;
    }
    keep->binned_bytes -= bytes;
    if (bytes < CLEAN_MIN_BYTES) {
        return CLEAN_NONE;
    }
    struct clean_range range = *clean_place(chunk);
    keep->clean_bytes -= clean_bytes_of(range);
    return range;
}

INLINE size_t keep_free_bytes(const struct arena *arena) {
    size_t top_bytes = arena->top != NULL ? chunk_bytes(arena->top) : 0;
    return arena->keep->binned_bytes + top_bytes;
}

/* Free bytes that may be resident. */
INLINE size_t keep_dirty_bytes(const struct arena *arena) {
    return keep_free_bytes(arena) - arena->keep->clean_bytes;
}

INLINE size_t keep_level(const struct arena *arena) {
    return keep_free_bytes(arena) + arena->keep->removed_bytes;
}

/* Memory was freed or taken. */
INLINE void keep_note(struct arena *arena) {
    if (arena->keep != NULL) {
        retention_note(&arena->keep->retention, keep_level(arena));
    }
}

/* A heap has got so much more at its end. */
INLINE void keep_note_growth(struct arena *arena, size_t bytes) {
    struct keep *keep = arena->keep;
    if (keep != NULL) {
        size_t again = bytes < keep->removed_bytes ? bytes : keep->removed_bytes;
        keep->removed_bytes -= again;
        retention_note_again(&keep->retention, again);
    }
}

/* A free chunk with this clean range was taken; so much of it is clean in what was left over. */
INLINE void keep_note_taken(struct arena *arena, struct clean_range range, size_t left_bytes) {
    if (UNLIKELY(clean_bytes_of(range) > left_bytes)) {
        retention_note_again(&arena->keep->retention, clean_bytes_of(range) - left_bytes);
    }
}

/* A block of this arena's threads that is a mapping of its own has come, or gone. Take the lock. */
void keep_note_mapped(struct arena *arena, size_t bytes);
void keep_note_unmapped(struct arena *arena, size_t bytes);

/* NULL when I1 and I2 hold, else the first broken one. */
const char *keep_audit(struct arena *arena);

#endif
