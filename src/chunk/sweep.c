/* sweep.c - see sweep.h.
 * Layer: chunk (includes base, os, pages). */
#include "chunk/sweep.h"

#include "chunk/bin.h"
#include "chunk/free.h"
#include "chunk/params.h"
#include "chunk/trim.h"

/* A chunk with so many dirty bytes of its own is worth a kernel call at once. */
#define DIRECT_MIN_BYTES ((size_t)64 * 1024)
/* Walks: chunks from this size on, so many at a time, and how much must be freed in between: a
 * share of the arena. */
#define WALK_MIN_BYTES ((size_t)8 * 1024)
#define WALK_BATCH 256u
#define WALK_STEP_MIN_BYTES ((size_t)512 * 1024)
#define WALK_STEP_SHARE 32

/* Behind the header and links of a chunk that is out. */
struct outing {
    struct clean_range clean; /* before */
    struct clean_range piece; /* to be given back; it borders clean, or covers it */
};

static struct outing *outing_of(const struct chunk *chunk) {
    return (struct outing *)(void *)clean_place(chunk);
}
_Static_assert(sizeof(struct outing) <= CLEAN_PLACE_BYTES, "no page of it is given back");

static struct chunk *next_out(const struct chunk *chunk) {
    return (struct chunk *)(void *)chunk->links.fd;
}

/* Notes a thread's chunks that are out of an arena. Those of a second thread at the same time are
 * not noted. Under the lock. */
static void note_out(const struct arena *arena, struct chunk *first) {
    struct keep *keep = arena->keep;
    if (keep->out_tag == 0 || keep->out_tag == lock_own_tag()) {
        keep->out_first = first;
        compiler_fence();
        keep->out_tag = first != NULL ? lock_own_tag() : 0;
    }
}

/* ---- choosing ------------------------------------------------------------------------------- */

/* Whole pages of the chunk that are not clean. */
static size_t dirty_inside(const struct chunk *chunk, size_t bytes) {
    struct clean_range interior = clean_interior(chunk, bytes);
    return clean_bytes_of(interior) - clean_bytes_of(*clean_place(chunk));
}

/* At most so many bytes next to what is clean, behind it first; everything if that is little more,
 * with one call over it all. */
static struct clean_range choose_piece(struct clean_range interior, struct clean_range clean,
                                       size_t most_bytes) {
    size_t most = align_up(most_bytes, os_page_bytes());
    if (clean_bytes_of(clean) == 0) {
        clean = (struct clean_range){interior.end, interior.end};
    }
    size_t before = clean.start - interior.start, behind = interior.end - clean.end;
    if (before + behind <= most) {
        return before == 0
                   ? (struct clean_range){clean.end, interior.end}
                   : (struct clean_range){interior.start, behind == 0 ? clean.start : interior.end};
    }
    if (behind >= before) {
        return (struct clean_range){clean.end, clean.end + (most < behind ? most : behind)};
    }
    return (struct clean_range){clean.start - (most < before ? most : before), clean.start};
}

/* Takes a free chunk out of its bin; to everybody else it is in use from now on. */
static void take_out(struct arena *arena, struct sweep *sweep, struct chunk *chunk,
                     size_t most_bytes) {
    size_t bytes = chunk_bytes(chunk);
    bin_take(arena, chunk);
    struct clean_range clean = keep_leave(arena, chunk, bytes);
    arena->keep->removed_bytes += bytes;
    chunk_mark_in_use_at(chunk, bytes);
    if (arena != &main_arena) {
        chunk_set_head(chunk, chunk->size | CHUNK_NON_MAIN);
    }
    struct clean_range piece = choose_piece(clean_interior(chunk, bytes), clean, most_bytes);
    *outing_of(chunk) = (struct outing){clean, piece};
    chunk->links.fd = (struct links *)(void *)sweep->first;
    sweep->first = chunk;
    compiler_fence();
    note_out(arena, chunk);
}

/* As malloc would; a walk then meets large chunks only. */
static void sort_unsorted(struct arena *arena) {
    struct links *unsorted = bin_at(arena, BIN_UNSORTED);
    while (!bin_is_empty(unsorted)) {
        struct chunk *chunk = bin_last(unsorted);
        bin_take(arena, chunk);
        bin_put(arena, chunk, chunk_bytes(chunk));
    }
}

/* From the largest down. */
static struct sweep walk_bins(struct arena *arena, size_t least_bytes) {
    struct sweep sweep = {NULL, 0};
    unsigned count = 0;
    sort_unsorted(arena);
    for (unsigned index = BIN_LAST; index >= bin_index(least_bytes); index--) {
        struct links *bin = bin_at(arena, index);
        struct links *next;
        for (struct links *node = bin->fd; node != bin && count < WALK_BATCH; node = next) {
            struct chunk *chunk = chunk_of_links(node);
            next = node->fd;
            if (chunk_bytes(chunk) >= least_bytes && dirty_inside(chunk, chunk_bytes(chunk)) != 0) {
                take_out(arena, &sweep, chunk, SIZE_MAX / 2);
                count++;
            }
        }
    }
    return sweep;
}

static bool is_full_batch(const struct sweep *sweep) {
    unsigned count = 0;
    for (const struct chunk *chunk = sweep->first; chunk != NULL; chunk = next_out(chunk)) {
        count++;
    }
    return count == WALK_BATCH;
}

static size_t surplus_of(const struct arena *arena) {
    return retention_surplus(&arena->keep->retention, keep_dirty_bytes(arena));
}

/* What leaves the heaps' ends stays in the level (I3 of keep.h). */
static void trim_end(struct arena *arena) {
    size_t level = keep_level(arena);
    while (surplus_of(arena) >= chunk_bytes(arena->top) / 2 && trim_empty_heap(arena)) {
    }
    size_t surplus = surplus_of(arena);
    if (surplus >= DIRECT_MIN_BYTES) {
        trim_top_by(arena, surplus, params.top_pad);
    }
    arena->keep->removed_bytes += level - keep_level(arena);
}

static bool holds_much(const struct arena *arena, const struct chunk *chunk) {
    return chunk != arena->top && chunk_bytes(chunk) >= DIRECT_MIN_BYTES &&
           dirty_inside(chunk, chunk_bytes(chunk)) >= DIRECT_MIN_BYTES;
}

/* There is a surplus. */
static struct sweep choose(struct arena *arena, struct chunk *chunk, bool walks) {
    struct sweep sweep = {NULL, 0};
    const struct heap *newest = arena->heap;
    bool was_top = chunk == arena->top;
    trim_end(arena);
    /* Top may have gone with its heap; and where one has, the chunk may have become top of the heap
     * before, and gone with that. */
    bool is_there = !was_top && arena->heap == newest;
    size_t surplus = surplus_of(arena);
    if (surplus == 0) {
        return sweep;
    }
    if (walks) {
        return walk_bins(arena, WALK_MIN_BYTES);
    }
    if (is_there && holds_much(arena, chunk)) {
        take_out(arena, &sweep, chunk, surplus > DIRECT_MIN_BYTES ? surplus : DIRECT_MIN_BYTES);
    }
    return sweep;
}

/* The next walk is due when a share of the arena has been freed since; at once after a walk that
 * ended with its batch. */
static void plan_walk(struct arena *arena, bool walked, bool is_full) {
    size_t share = arena->system_bytes / WALK_STEP_SHARE;
    size_t step = share > WALK_STEP_MIN_BYTES ? share : WALK_STEP_MIN_BYTES;
    size_t next = is_full ? 0 : keep_dirty_bytes(arena) + step;
    if (walked || next < arena->walk_at_bytes) {
        arena->walk_at_bytes = next;
    }
}

struct sweep sweep_choose(struct arena *arena, struct chunk *chunk) {
    struct keep *keep = arena->keep;
    struct sweep sweep = {NULL, 0};
    if (retention_tick(&keep->retention)) {
        retention_look(&keep->retention, keep_level(arena), os_clock_ns());
    }
    bool walks = sweep_walk_is_due(arena);
    if (UNLIKELY(surplus_of(arena) != 0)) {
        sweep = choose(arena, chunk, walks);
    }
    plan_walk(arena, walks, walks && is_full_batch(&sweep));
    return sweep;
}

struct sweep sweep_choose_all(struct arena *arena) {
    return walk_bins(arena, CLEAN_MIN_BYTES);
}

/* ---- purging -------------------------------------------------------------------------------- */

size_t sweep_resident_bytes(const struct sweep *sweep) {
    size_t sum = 0;
    for (const struct chunk *chunk = sweep->first; chunk != NULL; chunk = next_out(chunk)) {
        struct clean_range piece = outing_of(chunk)->piece;
        long resident = os_resident_bytes((void *)piece.start, clean_bytes_of(piece));
        sum += resident > 0 ? (size_t)resident : 0;
    }
    return sum;
}

/* What the kernel refuses (locked pages) stays dirty. */
static size_t purge_one(const struct chunk *chunk) {
    struct outing *outing = outing_of(chunk);
    if (os_purge((void *)outing->piece.start, clean_bytes_of(outing->piece)) != 0) {
        outing->piece = CLEAN_NONE;
    }
    return clean_bytes_of(outing->piece);
}

static void put_back(struct arena *arena, struct chunk *chunk) {
    const struct outing outing = *outing_of(chunk);
    arena->keep->removed_bytes -= chunk_bytes(chunk);
    free_merge_clean(arena, chunk, clean_join(outing.clean, outing.piece));
}

/* Under the lock. */
static void put_all_back(struct arena *arena, struct chunk *chunk) {
    while (chunk != NULL) {
        struct chunk *next = next_out(chunk);
        note_out(arena, next);
        put_back(arena, chunk);
        chunk = next;
    }
}

void sweep_purge(struct arena *arena, struct sweep *sweep) {
    for (struct chunk *chunk = sweep->first; chunk != NULL; chunk = next_out(chunk)) {
        sweep->given_bytes += purge_one(chunk);
    }
    if (sweep->first == NULL || !arena_lock(arena)) {
        return;
    }
    put_all_back(arena, sweep->first);
    arena_unlock(arena);
}

/* How far it had come with giving back is not known. */
void sweep_recover(struct arena *arena) {
    struct keep *keep = arena->keep;
    bool is_mine = keep != NULL && keep->out_tag != 0 && keep->out_tag == lock_tag;
    if (!is_mine || !arena_lock(arena)) {
        return;
    }
    for (const struct chunk *chunk = keep->out_first; chunk != NULL; chunk = next_out(chunk)) {
        outing_of(chunk)->piece = CLEAN_NONE;
    }
    put_all_back(arena, keep->out_first);
    arena_unlock(arena);
}
