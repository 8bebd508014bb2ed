/* large.c - see large.h.
 * Layer: thread (includes base, os, pages, chunk).
 *
 * Which slot a block belongs to is said by the table of mapped blocks, under its lock; hits change
 * the slot alone. A handler that interrupts one finds the thread inside an operation and goes the
 * long way. */
#include "thread/large.h"

#include "thread/operation.h"

#include "chunk/keep.h"
#include "chunk/mapped_seal.h"
#include "chunk/params.h"
#include "pages/policy.h"

static bool keeps_regions(const struct thread *thread) {
    return thread->attached != 0 && params.slabs && params.perturb == 0 &&
           __atomic_load_n(&policy.region_bytes, __ATOMIC_RELAXED) != 0;
}

/* ---- leaving slots -------------------------------------------------------------------------- */

/* What went with its pages is still to be told to the arena, where the next block of the size may
 * come from. */
static size_t unmap_cached(struct regions *regions, struct region *region) {
    void *memory = (void *)region->memory;
    size_t bytes = region->is_gone ? 0 : region->end - region->memory;
    if (region->is_gone) { /* told already, and not to be taken back */
        regions->told_bytes -= region->weight_bytes;
    }
    regions->misses += region->uses == 0;
    region_forget(regions, region);
    mapped_dissociate(region);
    mapped_free(memory);
    return bytes;
}

bool large_release(struct thread *thread) {
    bool any = thread->regions.cached_count != 0;
    for (size_t i = 0; i < REGION_SLOTS; i++) {
        struct region *region = &thread->regions.slots[i];
        if (region_state(region) == REGION_CACHED) {
            unmap_cached(&thread->regions, region);
        }
    }
    return any;
}

size_t large_leave(struct thread *thread, size_t most_bytes) {
    size_t kept_bytes = 0;
    for (size_t i = 0; i < REGION_SLOTS; i++) {
        struct region *region = &thread->regions.slots[i];
        size_t bytes = region->dirty_bytes;
        if (region_state(region) == REGION_LIVE) {
            mapped_dissociate(region);
        } else if (region_state(region) == REGION_CACHED && bytes != 0 &&
                   bytes <= most_bytes - kept_bytes) {
            kept_bytes += bytes;
        } else if (region_state(region) == REGION_CACHED) {
            unmap_cached(&thread->regions, region);
        }
    }
    return kept_bytes;
}

/* What it was doing to a slot may be half done: the table decides what is there. */
void large_abandon(struct thread *thread) {
    for (size_t i = 0; i < REGION_SLOTS; i++) {
        struct region *region = &thread->regions.slots[i];
        void *memory = (void *)region->memory;
        bool is_cached = region_state(region) == REGION_CACHED;
        if (memory != NULL && mapped_dissociate(region) && is_cached) {
            mapped_free(memory);
        }
    }
    thread->regions = (struct regions){.latest = 0};
}

/* ---- entering slots ------------------------------------------------------------------------- */

/* What is damaged takes the long way, which reports it. */
static bool is_intact(const struct region *region) {
    const struct chunk *chunk = chunk_of_memory((const void *)region->memory);
    const struct mapped_block block = {.memory = region->memory,
                                       .start = region->memory,
                                       .bytes = region->end - region->memory,
                                       .request = region->request};
    bool header = chunk_head(chunk) == ((region->end - (uintptr_t)chunk) | CHUNK_MMAPPED);
    return header && (region->request == 0 || mapped_seal_is_whole(&block));
}

/* New blocks push out the oldest cached one: its size is not asked for any more. */
void large_remember(struct thread *thread, struct chunk *chunk) {
    struct regions *regions = &thread->regions;
    if (chunk_bytes(chunk) < REGION_MIN_BYTES || !keeps_regions(thread)) {
        return;
    }
    struct region *region = region_find_empty(regions);
    if (region == NULL) {
        region = region_find_oldest(regions);
        if (region == NULL) {
            return;
        }
        keep_note_unmapped(thread->arena, unmap_cached(regions, region));
    }
    mapped_associate(chunk_memory(chunk), region);
}

void large_begin_resized(struct thread *thread, struct chunk *chunk, size_t bytes) {
    if (LIKELY(chunk == NULL || !chunk_is_mmapped(chunk))) {
        return;
    }
    large_remember(thread, chunk);
    if (params.slabs) {
        mapped_seal(chunk_memory(chunk), bytes);
    }
}

static void release_if(struct thread *thread, bool (*leaves)(const struct region *region)) {
    for (size_t i = 0; i < REGION_SLOTS; i++) {
        struct region *region = &thread->regions.slots[i];
        if (region_state(region) == REGION_CACHED && leaves(region)) {
            keep_note_unmapped(thread->arena, unmap_cached(&thread->regions, region));
        }
    }
}

static bool has_no_pages(const struct region *region) {
    return region->dirty_bytes == 0;
}

/* Pages of cached blocks that went back are free memory that the arena may be asked for instead. */
static void tell_arena(struct thread *thread) {
    struct regions *regions = &thread->regions;
    if (regions->gone_bytes > regions->told_bytes) {
        keep_note_unmapped(thread->arena, regions->gone_bytes - regions->told_bytes);
    } else {
        keep_note_mapped(thread->arena, regions->told_bytes - regions->gone_bytes);
    }
    regions->told_bytes = regions->gone_bytes;
}

/* What all threads may cache is one number; a quarter of it each of them may. */
static size_t cache_share(void) {
    size_t all = __atomic_load_n(&policy.region_bytes, __ATOMIC_RELAXED), threads = thread_count();
    return all / (threads == 0 ? 1 : threads > 4 ? 4 : threads);
}

static void put(struct thread *thread, struct region *region) {
    struct regions *regions = &thread->regions;
    if (UNLIKELY(retention_ticks(&regions->retention))) {
        regions->most_bytes = cache_share();
    }
    region_put(regions, region);
    if (UNLIKELY(regions->gone_bytes != regions->told_bytes)) {
        tell_arena(thread);
    }
    if (UNLIKELY(regions->useless != 0)) {
        release_if(thread, region_is_useless);
    }
}

/* Cached ones are not pushed out by one that is freed: then all would go round. */
static bool large_keep(struct thread *thread, void *memory) {
    struct regions *regions = &thread->regions;
    bool keeps = keeps_regions(thread) && chunk_bytes(chunk_of_memory(memory)) >= REGION_MIN_BYTES;
    struct region *region = region_find(regions, (uintptr_t)memory);
    if (region == NULL && keeps) {
        region = region_find_empty(regions);
        if (region == NULL || !mapped_associate(memory, region)) {
            return false;
        }
    }
    if (region == NULL || region_state(region) != REGION_LIVE || !is_intact(region)) {
        return false;
    }
    put(thread, region);
    return true;
}

bool large_free(struct thread *thread, void *memory) {
    size_t bytes = chunk_bytes(chunk_of_memory(memory));
    if (large_keep(thread, memory)) {
        return true;
    }
    bool was_live = mapped_free(memory);
    if (was_live && thread->arena != NULL) {
        keep_note_unmapped(thread->arena, bytes);
    }
    return was_live;
}

/* The first few sizes are mapped whatever the dynamic threshold has become: a slot then keeps what
 * is sparse, which a heap cannot know. */
struct chunk *large_map(struct thread *thread, size_t bytes) {
    bool is_wanted = params.dynamic && keeps_regions(thread) && region_pays(&thread->regions);
    if (!is_wanted || region_count(&thread->regions) > REGION_SLOTS / 2 || !mapped_is_allowed()) {
        return NULL;
    }
    struct chunk *chunk = mapped_alloc(chunk_bytes_for(bytes));
    if (chunk != NULL) {
        keep_note_mapped(thread->arena, chunk_bytes(chunk));
    }
    return chunk;
}

/* ---- hits ----------------------------------------------------------------------------------- */

static void *take_fit(struct thread *thread, size_t bytes, bool zeroed) {
    struct regions *regions = &thread->regions;
    struct region *region = region_find_fit(regions, bytes);
    if (region == NULL && region_note_seek(regions)) {
        release_if(thread, has_no_pages);
    }
    if (region == NULL || !region_take(regions, region, zeroed)) {
        return NULL;
    }
    void *memory = (void *)region->memory;
    if (region->request != bytes) {
        mapped_seal(memory, bytes);
    }
    return memory;
}

static NOINLINE void *take(size_t bytes, bool zeroed) {
    struct operation operation;
    operation_enter(&operation);
    void *memory = take_fit(thread_own, bytes, zeroed);
    operation_leave(&operation);
    return memory;
}

void *large_pop(size_t bytes, bool zeroed) {
    return thread_current->regions.cached_count != 0 ? take(bytes, zeroed) : NULL;
}

bool large_push(void *memory) {
    struct operation operation;
    struct regions *regions = &thread_current->regions;
    struct region *region = region_find(regions, (uintptr_t)memory);
    if (region == NULL || region_state(region) != REGION_LIVE || !is_intact(region)) {
        return false;
    }
    operation_enter(&operation);
    bool is_still = region->memory == (uintptr_t)memory && region_state(region) == REGION_LIVE;
    if (LIKELY(is_still)) {
        put(thread_own, region);
    }
    operation_leave(&operation);
    return is_still;
}

/* As operations: a lock is taken, which handlers must not wait for. */
void large_note_family(void *memory, unsigned family) {
    struct operation operation;
    operation_enter(&operation);
    mapped_note_family(memory, family);
    operation_leave(&operation);
}

unsigned large_family_of(const void *memory) {
    struct operation operation;
    struct mapped_block block = {.family = 0};
    operation_enter(&operation);
    bool found = mapped_find(memory, &block);
    operation_leave(&operation);
    return found ? (unsigned)block.family : 0;
}

/* ---- audit ---------------------------------------------------------------------------------- */

const char *large_audit(const struct thread *thread) {
    const char *error = region_audit(&thread->regions);
    for (size_t i = 0; error == NULL && i < REGION_SLOTS; i++) {
        const struct region *region = &thread->regions.slots[i];
        struct mapped_block block;
        bool is_used = region_state(region) != REGION_EMPTY;
        if (is_used && (!mapped_find((void *)region->memory, &block) || block.region != region)) {
            error = "the table of mapped blocks does not name a large block's slot";
        }
    }
    return error;
}
