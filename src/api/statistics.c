/* statistics.c - see statistics.h.
 * Layer: api (includes thread and below). */
#include "api/statistics.h"

#include "api/registry.h"
#include "api/start.h"
#include "chunk/keep.h"
#include "chunk/mapped_table.h"
#include "pages/guard.h"
#include "thread/operation.h"
#include "thread/slabs.h"

#include <string.h>

/* ---- one arena, under its lock -------------------------------------------------------------- */

static void count_into(struct bin_statistics *bin, uint64_t size) {
    bool first = bin->count == 0;
    bin->count++;
    bin->total += (size_t)size;
    bin->from = first || size < bin->from ? (size_t)size : bin->from;
    bin->to = size > bin->to ? (size_t)size : bin->to;
}

static bool count_fast(struct walk *walk, const struct walk_chunk *chunk, unsigned index,
                       void *state) {
    struct arena_statistics *arena = state;
    (void)walk;
    if (index < FAST_BINS) {
        count_into(&arena->fast[index], chunk->bytes);
    }
    arena->fast_count++;
    arena->fast_bytes += (size_t)chunk->bytes;
    return true;
}

static bool count_binned(struct walk *walk, const struct walk_chunk *chunk, unsigned index,
                         void *state) {
    struct arena_statistics *arena = state;
    (void)walk;
    if (index < BIN_COUNT) {
        count_into(&arena->bins[index], chunk->size);
    }
    arena->bin_count++;
    arena->bin_bytes += (size_t)chunk->bytes;
    if (chunk->bytes >= CLEAN_MIN_BYTES) {
        const struct chunk *at = (const struct chunk *)(uintptr_t)chunk->address;
        arena->returns_bytes += clean_bytes_of(clean_interior(at, (size_t)chunk->bytes));
    }
    return true;
}

static bool count_heap(struct walk *walk, const struct walk_heap *heap, void *state) {
    struct arena_statistics *arena = state;
    (void)walk;
    arena->heap_count++;
    arena->heap_bytes += (size_t)heap->bytes;
    arena->heap_committed_bytes += (size_t)heap->committed_bytes;
    return true;
}

/* What can be said without looking at any list. */
static void begin_arena(const struct walk_arena *from, struct arena_statistics *arena) {
    memset(arena, 0, sizeof *arena);
    arena->purged_bytes = (size_t)from->clean_bytes;
    arena->system_bytes = (size_t)(from->system_bytes - from->clean_bytes);
    arena->system_max_bytes = (size_t)from->system_max_bytes;
    arena->used_bytes = arena->system_bytes;
    arena->is_main = from->is_main;
    arena->incomplete = true;
}

/* By our own rules every whole page, wherever it lies; by glibc's definition main's top. */
static void count_returns(const struct walk_arena *from, struct arena_statistics *arena) {
    size_t page = os_page_bytes();
    size_t top = arena->top_bytes;
    if (!from->keeps) {
        arena->returns_bytes = from->is_main ? top : 0;
        return;
    }
    arena->returns_bytes -= arena->purged_bytes;
    arena->returns_bytes += top > page ? align_down(top - CHUNK_MIN_BYTES - 1, page) : 0;
}

static void count_arena(struct walk *walk, const struct walk_arena *from,
                        struct arena_statistics *arena) {
    begin_arena(from, arena);
    arena->top_bytes = (size_t)from->top_bytes;
    if (!walk_fast_bins(walk, from, count_fast, arena) ||
        !walk_bins(walk, from, count_binned, arena) || !walk_heaps(walk, from, count_heap, arena)) {
        begin_arena(from, arena);
        return;
    }
    size_t free_bytes = arena->top_bytes + arena->bin_bytes + arena->fast_bytes;
    free_bytes -= free_bytes < arena->purged_bytes ? free_bytes : arena->purged_bytes;
    if (free_bytes <= arena->system_bytes) {
        count_returns(from, arena);
        arena->free_bytes = free_bytes;
        arena->used_bytes = arena->system_bytes - free_bytes;
        arena->incomplete = false;
    }
}

/* A handler that interrupted an operation of its thread must not wait for what that one holds. */
static bool lock_for_reading(struct arena *arena, bool may_wait) {
    return may_wait ? arena_lock(arena) : arena_try_lock(arena);
}

/* Without the lock nothing but the sums is read: what else the header leads to may be moving. */
static void guess_arena(const struct arena *arena, struct arena_statistics *statistics) {
    const struct walk_arena from = {
        .system_bytes = __atomic_load_n(&arena->system_bytes, __ATOMIC_RELAXED),
        .system_max_bytes = __atomic_load_n(&arena->system_max_bytes, __ATOMIC_RELAXED),
        .is_main = arena == &main_arena,
    };
    begin_arena(&from, statistics);
}

static void read_arena(struct walk *walk, struct arena *arena, bool may_wait,
                       struct arena_statistics *statistics) {
    struct walk_arena now;
    if (!lock_for_reading(arena, may_wait)) {
        guess_arena(arena, statistics);
        return;
    }
    if (walk_arena_at(walk, (uintptr_t)arena, &now)) {
        count_arena(walk, &now, statistics);
    } else {
        guess_arena(arena, statistics);
    }
    walk->what = NULL;
    arena_unlock(arena);
}

/* ---- the ring ------------------------------------------------------------------------------- */

struct collection {
    struct heap_statistics *sum;
    statistics_visitor visit;
    void *state;
    struct arena_statistics arena;
};

static void add_arena(struct heap_statistics *sum, const struct arena_statistics *arena) {
    sum->arenas++;
    sum->incomplete += arena->incomplete;
    sum->system_bytes += arena->system_bytes;
    sum->system_max_bytes += arena->system_max_bytes;
    sum->used_bytes += arena->used_bytes;
    sum->free_bytes += arena->free_bytes;
    sum->free_count += 1 + arena->bin_count;
    sum->fast_count += arena->fast_count;
    sum->fast_bytes += arena->fast_bytes;
    sum->top_bytes += arena->top_bytes;
    sum->returns_bytes += arena->returns_bytes;
}

static bool collect_arena(struct walk *walk, uint64_t arena, void *state) {
    struct operation operation;
    struct collection *collection = state;
    bool outermost = operation_enter(&operation);
    read_arena(walk, (struct arena *)(uintptr_t)arena, outermost, &collection->arena);
    operation_leave(&operation);
    size_t number = collection->sum->arenas;
    add_arena(collection->sum, &collection->arena);
    if (collection->visit != NULL) {
        collection->visit(&collection->arena, number, collection->state);
    }
    return true;
}

/* Threads change theirs meanwhile. */
READS_RACILY static void leave_out_cached(struct mapped_totals *mapped) {
    for (const struct thread *thread = thread_first(); thread != NULL; thread = thread->next) {
        size_t count = thread->regions.cached_count, bytes = thread->regions.cached_bytes;
        mapped->count -= count < mapped->count ? count : mapped->count;
        mapped->bytes -= bytes < mapped->bytes ? bytes : mapped->bytes;
    }
}

/* They have pages of their own, as mapped blocks have. */
static void add_guarded(struct mapped_totals *mapped) {
    size_t bytes = guard_live_bytes();
    mapped->count += bytes / os_page_bytes();
    mapped->bytes += bytes;
}

static void collect_mapped(struct mapped_totals *mapped) {
    struct operation operation;
    bool outermost = operation_enter(&operation);
    if (outermost) {
        mapped_totals(mapped);
    } else {
        *mapped = mapped_counts;
    }
    leave_out_cached(mapped);
    add_guarded(mapped);
    operation_leave(&operation);
}

/* ---- slabs ---------------------------------------------------------------------------------- */

/* Empty slabs of other threads are out of the caller's reach. */
static bool is_spare(const struct walk_slab *slab) {
    const struct thread *owner = (const struct thread *)(uintptr_t)slab->owner;
    return slab->live == 0 && (owner == thread_own || owner == depot_owner);
}

static void count_rest(struct slab_statistics *slabs, const struct walk_slab *slab,
                       size_t free_bytes) {
    size_t slot_bytes = (size_t)slab->slot_bytes;
    if (slab->state == SLAB_SPARE) {
        slabs->empty_bytes += class_span_bytes(slab->class_index);
        slabs->empty_free_bytes += free_bytes;
    } else {
        slabs->uncarved_bytes += (slab->capacity - slab->carved) * slot_bytes;
        slabs->slack_bytes += class_span_bytes(slab->class_index) - slab->capacity * slot_bytes;
    }
}

static bool count_slab(struct walk *walk, const struct walk_slab *slab, void *state) {
    struct slab_statistics *slabs = state;
    size_t free_bytes = (size_t)((slab->carved - slab->live) * slab->slot_bytes);
    (void)walk;
    slabs->slabs++;
    slabs->live_count += slab->live;
    slabs->live_bytes += (size_t)(slab->live * slab->slot_bytes);
    slabs->spare_bytes += is_spare(slab) ? class_span_bytes(slab->class_index) : 0;
    slabs->free_count += slab->carved - slab->live;
    slabs->free_bytes += free_bytes;
    count_rest(slabs, slab, free_bytes);
    return true;
}

static void count_as_free(struct slab_statistics *slabs, size_t count, size_t bytes) {
    count = count < slabs->live_count ? count : slabs->live_count;
    bytes = bytes < slabs->live_bytes ? bytes : slabs->live_bytes;
    slabs->live_count -= count;
    slabs->free_count += count;
    slabs->live_bytes -= bytes;
    slabs->free_bytes += bytes;
}

/* Slots in threads' caches and quarantines are in use for their slabs only. */
static void count_cached(struct slab_statistics *slabs, const struct thread *thread) {
    for (size_t i = 1; i < SLAB_CLASSES; i++) {
        size_t count = cache_count_of(thread, i);
        count_as_free(slabs, count, count * class_bytes(i));
    }
    size_t bytes = quarantine_bytes_of(thread);
    count_as_free(slabs, quarantine_count_of(thread), bytes);
    slabs->quarantine_bytes += bytes;
}

static bool count_kept(struct walk *walk, const struct walk_thread *thread, void *state) {
    struct heap_statistics *sum = state;
    (void)walk;
    sum->quick_bytes += (size_t)thread->quick_bytes;
    sum->region_bytes += (size_t)thread->region_bytes;
    sum->slabs.medium_bytes += (size_t)thread->medium_bytes;
    bool is_callers = thread->address == (uintptr_t)thread_own;
    sum->returns_bytes += is_callers ? (size_t)thread->medium_bytes : 0;
    sum->slabs.queued_bytes += (size_t)thread->queued_bytes;
    if (thread->attached) {
        count_cached(&sum->slabs, (const struct thread *)(uintptr_t)thread->address);
    }
    return true;
}

/* What moves while it is counted may exceed what it is part of. */
static void limit(size_t *bytes, size_t most) {
    *bytes = *bytes < most ? *bytes : most;
}

/* Granules first: a slab made meanwhile would have slots that lie nowhere. */
static void collect_slabs(struct walk *walk, struct heap_statistics *sum) {
    struct operation operation;
    struct slab_statistics *slabs = &sum->slabs;
    bool outermost = operation_enter(&operation);
    if (outermost) {
        struct page_heap_stats pages = page_heap_statistics();
        slabs->committed_bytes = pages.in_use_bytes + pages.free_dirty_bytes + pages.purging_bytes;
        slabs->unused_bytes = slabs->committed_bytes - pages.in_use_bytes;
        slabs->annex_bytes = pages.annex_bytes;
        size_t holes_bytes = depot_holes_bytes();
        slabs->committed_bytes -=
            holes_bytes < pages.in_use_bytes ? holes_bytes : pages.in_use_bytes;
        walk_slabs(walk, count_slab, slabs);
        walk_threads(walk, count_kept, sum);
        sum->returns_bytes += slabs_returns_bytes(thread_own) + depot_returns_bytes();
    }
    operation_leave(&operation);
    limit(&slabs->live_bytes, slabs->committed_bytes);
    limit(&slabs->free_bytes, slabs->committed_bytes - slabs->live_bytes);
    limit(&slabs->spare_bytes, slabs->committed_bytes - slabs->unused_bytes);
    limit(&slabs->medium_bytes, sum->used_bytes);
    limit(&slabs->queued_bytes, slabs->live_bytes);
    limit(&sum->quick_bytes, sum->used_bytes - slabs->medium_bytes);
}

/* What the caller's caches hold goes home: a slab with nothing else in it is an empty one. */
static void send_cached_home(void) {
    struct operation operation;
    if (operation_enter(&operation) && thread_own->attached != 0) {
        caches_flush(thread_own);
    }
    operation_leave(&operation);
}

void statistics_collect(struct heap_statistics *sum, statistics_visitor visit, void *state) {
    struct walk walk;
    struct own_memory own;
    struct collection collection = {.sum = sum, .visit = visit, .state = state};
    memset(sum, 0, sizeof *sum);
    start_ensure();
    send_cached_home();
    if (registry_walk(&walk, &own)) {
        walk_arenas(&walk, collect_arena, &collection);
        collect_slabs(&walk, sum);
    }
    collect_mapped(&sum->mapped);
}

/* ---- blocks --------------------------------------------------------------------------------- */

static bool count_chunk(struct walk *walk, const struct walk_chunk *chunk, unsigned index,
                        void *state) {
    struct block_statistics *blocks = state;
    (void)walk;
    (void)index;
    blocks->chunks += chunk->bytes > CHUNK_HEADER_BYTES;
    return true;
}

static bool count_chunks_of(struct walk *walk, const struct walk_heap *heap, void *state) {
    return walk_chunks(walk, heap, count_chunk, state);
}

static bool count_blocks_of(struct walk *walk, uint64_t at, void *state) {
    struct operation operation;
    struct arena *arena = (struct arena *)(uintptr_t)at;
    struct walk_arena now;
    bool outermost = operation_enter(&operation);
    if (lock_for_reading(arena, outermost)) {
        if (walk_arena_at(walk, at, &now)) {
            walk_heaps(walk, &now, count_chunks_of, state);
        }
        arena_unlock(arena);
    }
    operation_leave(&operation);
    walk->what = NULL;
    return true;
}

static bool count_thread(struct walk *walk, const struct walk_thread *thread, void *state) {
    struct block_statistics *blocks = state;
    (void)walk;
    blocks->quick_count += (size_t)thread->quick_count;
    blocks->quick_bytes += (size_t)thread->quick_bytes;
    blocks->threads += thread->attached;
    return true;
}

void statistics_count_blocks(struct block_statistics *blocks) {
    struct walk walk;
    struct own_memory own;
    memset(blocks, 0, sizeof *blocks);
    start_ensure();
    if (registry_walk(&walk, &own)) {
        walk_arenas(&walk, count_blocks_of, blocks);
        walk_threads(&walk, count_thread, blocks);
    }
}
