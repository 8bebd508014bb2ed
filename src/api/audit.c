/* audit.c - see audit.h.
 * Layer: api (includes thread and below).
 *
 * Nothing that is counted elsewhere is believed: heaps are walked chunk by chunk, and what is
 * free by the tiling must be what lies in the bins.
 *
 * I1: heaps of an arena add up to its system bytes (main's may have foreign gaps between pieces).
 * I2: chunks tile each heap up to top or fence; P and prev_size tell the truth about the chunk
 *     before; no two neighbours are free.
 * I3: a chunk in a bin is free by the tiling, and there are as many, with as many bytes.
 * I4: the page map leads from every granule of a heap to its record, or says mixed.
 * Links are checked by guarded reads first; only then may the modules' own audits follow them. */
#include "api/audit.h"

#include "api/registry.h"
#include "api/start.h"
#include "base/format.h"
#include "chunk/bin.h"
#include "chunk/fast_bin.h"
#include "chunk/heap.h"
#include "chunk/keep.h"
#include "chunk/mapped.h"
#include "pages/guard.h"
#include "thread/large.h"
#include "thread/operation.h"

#include "arenite/arenite.h"

/* What one arena's heaps and bins were found to hold. */
struct audit {
    struct walk_arena arena;
    struct walk_heap heap;  /* the one being walked */
    struct walk_chunk last; /* chunk before the current one; address 0: none */
    uint64_t heaps_bytes;
    size_t heap_count;
    size_t free_count;
    uint64_t free_bytes;
    size_t binned_count;
    uint64_t binned_bytes;
};

/* ---- tiling --------------------------------------------------------------------------------- */

/* Whether the chunk before was free stands in this one. */
static bool audit_last(struct walk *walk, struct audit *audit, const struct walk_chunk *chunk) {
    bool last_is_free = (chunk->size & CHUNK_PREV_IN_USE) == 0;
    if (!last_is_free) {
        return true;
    }
    if (audit->last.address == 0) {
        return walk_fail(walk, "the first chunk of a heap has a free one before it",
                         chunk->address);
    }
    if (chunk->prev_size != audit->last.bytes) {
        return walk_fail(walk, "the size of a free chunk does not stand in its successor",
                         audit->last.address);
    }
    if ((audit->last.size & CHUNK_PREV_IN_USE) == 0) {
        return walk_fail(walk, "two neighbouring chunks are free", audit->last.address);
    }
    if ((audit->last.size & (CHUNK_NON_MAIN | CHUNK_MMAPPED)) != 0) {
        return walk_fail(walk, "a free chunk has flags of one in use", audit->last.address);
    }
    audit->free_count++;
    audit->free_bytes += audit->last.bytes;
    return true;
}

/* Flags of the chunk before, if it is in use: they tell its arena. */
static bool audit_used_flags(struct walk *walk, const struct audit *audit,
                             const struct walk_chunk *chunk) {
    uint64_t expected = audit->arena.is_main ? 0 : CHUNK_NON_MAIN;
    bool last_in_use = audit->last.address != 0 && (chunk->size & CHUNK_PREV_IN_USE) != 0;
    if (last_in_use && (audit->last.size & (CHUNK_NON_MAIN | CHUNK_MMAPPED)) != expected) {
        return walk_fail(walk, "a chunk's flags name another arena", audit->last.address);
    }
    return true;
}

static bool audit_top(struct walk *walk, const struct audit *audit,
                      const struct walk_chunk *chunk) {
    bool ends_heap = chunk->address + chunk->bytes == audit->heap.start + audit->heap.bytes;
    bool is_top = chunk->address == audit->arena.top;
    if (audit->heap.is_newest && ends_heap != is_top) {
        return walk_fail(walk, "top is not the last chunk of the newest heap", chunk->address);
    }
    if (is_top && (chunk->size & CHUNK_FLAGS) != CHUNK_PREV_IN_USE) {
        return walk_fail(walk, "top has wrong flags", chunk->address);
    }
    return true;
}

static bool audit_chunk(struct walk *walk, const struct walk_chunk *chunk, unsigned index,
                        void *state) {
    struct audit *audit = state;
    (void)index;
    if (!audit_last(walk, audit, chunk) || !audit_used_flags(walk, audit, chunk) ||
        !audit_top(walk, audit, chunk)) {
        return false;
    }
    audit->last = *chunk;
    return true;
}

/* ---- heaps ---------------------------------------------------------------------------------- */

static bool audit_page_map(struct walk *walk, const struct walk_heap *heap) {
    uint64_t granule = UINT64_C(1) << walk->registry.granule_shift;
    uint64_t page_map_at = walk->roots[WALK_ROOT_PAGE_MAP_ZERO_LEAF] - PAGE_RECORD_BYTES;
    uint64_t wanted = heap->address - page_map_at + PAGE_NOT_RUN;
    if (walk->registry.pointer_bytes == sizeof(uint32_t)) {
        wanted &= UINT32_MAX;
    }
    for (uint64_t at = heap->start & ~(granule - 1); at < heap->start + heap->bytes;
         at += granule) {
        uint64_t entry;
        if (!walk_page_entry(walk, at, &entry)) {
            return false;
        }
        if (entry != wanted && entry != PAGE_NOT_RUN) {
            return walk_fail(walk, "the page map does not lead to a heap", at);
        }
    }
    return true;
}

/* The fence of an older heap takes at most three headers at its end. */
static bool audit_end(struct walk *walk, const struct audit *audit) {
    uint64_t end = audit->heap.start + audit->heap.bytes;
    if (audit->last.address == 0) {
        return walk_fail(walk, "a heap holds no chunk", audit->heap.start);
    }
    if (!audit->heap.is_newest && end - audit->last.address > 3 * CHUNK_HEADER_BYTES) {
        return walk_fail(walk, "an older heap does not end in a fence", audit->last.address);
    }
    return true;
}

static bool audit_heap(struct walk *walk, const struct walk_heap *heap, void *state) {
    struct audit *audit = state;
    audit->heap = *heap;
    audit->last = (struct walk_chunk){0};
    audit->heaps_bytes += heap->bytes;
    audit->heap_count++;
    if (heap->arena != audit->arena.address) {
        return walk_fail(walk, "a heap names another arena", heap->address);
    }
    if (heap->bytes > heap->committed_bytes || heap->committed_bytes > heap->reserved_bytes) {
        return walk_fail(walk, "a heap uses more than is committed", heap->address);
    }
    return audit_page_map(walk, heap) && walk_chunks(walk, heap, audit_chunk, audit) &&
           audit_end(walk, audit);
}

/* ---- bins ----------------------------------------------------------------------------------- */

static bool is_in_arena(const struct audit *audit, uint64_t address) {
    const struct heap *heap = heap_find((const void *)(uintptr_t)address);
    return heap != NULL && (uintptr_t)heap->arena == audit->arena.address;
}

/* The successor of a listed chunk, which tells whether that one is free. */
static bool find_successor(struct walk *walk, const struct audit *audit,
                           const struct walk_chunk *chunk, struct walk_chunk *next) {
    if (chunk->bytes < CHUNK_MIN_BYTES || !is_in_arena(audit, chunk->address) ||
        !is_in_arena(audit, chunk->address + chunk->bytes)) {
        return walk_fail(walk, "a list holds what is no chunk of its arena", chunk->address);
    }
    return walk_chunk_at(walk, chunk->address + chunk->bytes, next);
}

static bool audit_binned(struct walk *walk, const struct walk_chunk *chunk, unsigned index,
                         void *state) {
    struct audit *audit = state;
    struct walk_chunk next;
    if (!find_successor(walk, audit, chunk, &next)) {
        return false;
    }
    if ((next.size & CHUNK_PREV_IN_USE) != 0) {
        return walk_fail(walk, "a chunk in a bin is marked in use", chunk->address);
    }
    if (index != BIN_UNSORTED && bin_index((size_t)chunk->bytes) != index) {
        return walk_fail(walk, "a chunk is in the wrong bin", chunk->address);
    }
    audit->binned_count++;
    audit->binned_bytes += chunk->bytes;
    return true;
}

static bool audit_fast(struct walk *walk, const struct walk_chunk *chunk, unsigned index,
                       void *state) {
    struct walk_chunk next;
    if (!find_successor(walk, state, chunk, &next)) {
        return false;
    }
    if (chunk->bytes != fast_bin_bytes(index)) {
        return walk_fail(walk, "a fast chunk is in the wrong bin", chunk->address);
    }
    return (next.size & CHUNK_PREV_IN_USE) != 0 ||
           walk_fail(walk, "a fast chunk is marked free", chunk->address);
}

/* ---- arenas --------------------------------------------------------------------------------- */

static bool audit_sums(struct walk *walk, const struct audit *audit) {
    const struct walk_arena *arena = &audit->arena;
    bool may_have_gaps = arena->is_main && audit->heap_count > 1;
    if (audit->heaps_bytes > arena->system_bytes ||
        (audit->heaps_bytes < arena->system_bytes && !may_have_gaps)) {
        return walk_fail(walk, "an arena's heaps do not add up to its system bytes",
                         arena->address);
    }
    if (arena->system_bytes > arena->system_max_bytes) {
        return walk_fail(walk, "an arena has more than its maximum", arena->address);
    }
    if (audit->binned_count != audit->free_count || audit->binned_bytes != audit->free_bytes) {
        return walk_fail(walk, "free chunks and chunks in bins do not agree", arena->address);
    }
    return true;
}

/* What needs following pointers in place: sizes in order, size links, binmap, flags. */
static bool audit_modules(struct walk *walk, struct arena *arena) {
    size_t count;
    size_t bytes;
    const char *error = bin_audit(arena, &count, &bytes);
    if (error == NULL) {
        error = fast_bin_audit(arena, &count, &bytes);
    }
    if (error == NULL) {
        error = keep_audit(arena);
    }
    return error == NULL || walk_fail(walk, error, (uintptr_t)arena);
}

static bool audit_locked(struct walk *walk, struct arena *arena) {
    struct audit audit = {0};
    if (!walk_arena_at(walk, (uintptr_t)arena, &audit.arena)) {
        return false;
    }
    return walk_heaps(walk, &audit.arena, audit_heap, &audit) &&
           walk_fast_bins(walk, &audit.arena, audit_fast, &audit) &&
           walk_bins(walk, &audit.arena, audit_binned, &audit) && audit_sums(walk, &audit) &&
           audit_modules(walk, arena);
}

static bool audit_arena(struct walk *walk, uint64_t at, void *state) {
    struct arena *arena = (struct arena *)(uintptr_t)at;
    const bool *may_wait = state;
    if (!(*may_wait ? arena_lock(arena) : arena_try_lock(arena))) {
        return true;
    }
    bool sound = audit_locked(walk, arena);
    arena_unlock(arena);
    return sound;
}

bool audit_arena_is_sound(struct arena *arena) {
    struct walk walk;
    struct own_memory own;
    return registry_walk(&walk, &own) && audit_locked(&walk, arena);
}

/* ---- threads and mapped blocks -------------------------------------------------------------- */

static bool audit_quick_chunk(struct walk *walk, const struct walk_chunk *chunk, unsigned index,
                              void *state) {
    (void)state;
    struct walk_chunk next;
    if (chunk->bytes != quick_chunk_bytes(index)) {
        return walk_fail(walk, "a chunk in a quick list has another size", chunk->address);
    }
    return walk_chunk_at(walk, chunk->address + chunk->bytes, &next) &&
           ((next.size & CHUNK_PREV_IN_USE) != 0 ||
            walk_fail(walk, "a chunk in a quick list is marked free", chunk->address));
}

/* The lists of a running thread change as they are read: only still ones are looked at. */
static bool audit_thread(struct walk *walk, const struct walk_thread *at, void *state) {
    const struct thread *thread = (const struct thread *)(uintptr_t)at->address;
    (void)state;
    if (thread != thread_own && !os_is_single_threaded()) {
        return true;
    }
    if (at->attached && at->arena == 0) {
        return walk_fail(walk, "an attached thread has no arena", at->address);
    }
    if (!walk_quick_lists(walk, at, audit_quick_chunk, NULL)) {
        return false;
    }
    const char *error = quick_audit(&thread->quick, params.quick_count);
    if (error == NULL) {
        error = large_audit(thread);
    }
    return error == NULL || walk_fail(walk, error, at->address);
}

static bool audit_mapped_block(struct walk *walk, const struct walk_mapped *block, void *state) {
    (void)state;
    if (block->memory - block->start >= block->bytes) {
        return walk_fail(walk, "a mapped block's address lies outside its mapping", block->memory);
    }
    return true;
}

/* The table may grow while others run: the walk is for still processes, the recount for all. */
static bool audit_mapped(struct walk *walk) {
    if (os_is_single_threaded() && !walk_mapped_blocks(walk, audit_mapped_block, NULL)) {
        return false;
    }
    const char *error = mapped_audit();
    return error == NULL || walk_fail(walk, error, walk->roots[WALK_ROOT_MAPPED_TABLE]);
}

/* Others take and free guarded blocks without a lock. */
static bool audit_guards(struct walk *walk) {
    const char *error = os_is_single_threaded() ? guard_audit() : NULL;
    return error == NULL || walk_fail(walk, error, guard_pool.start);
}

static bool audit_all(struct walk *walk, bool outermost) {
    return walk_arenas(walk, audit_arena, &outermost) &&
           (!outermost || (walk_threads(walk, audit_thread, NULL) && audit_mapped(walk) &&
                           audit_slabs(walk) && audit_guards(walk)));
}

bool audit_run(char text[AUDIT_TEXT_BYTES]) {
    struct operation operation;
    struct walk walk;
    struct own_memory own;
    start_ensure();
    bool outermost = operation_enter(&operation);
    bool sound = registry_walk(&walk, &own) && audit_all(&walk, outermost);
    operation_leave(&operation);
    if (!sound) {
        format_text(text, AUDIT_TEXT_BYTES, "%s: %p", walk.what,
                    (const void *)(uintptr_t)walk.where);
    }
    return sound;
}

EXPORT const char *arenite_audit(void) {
    static char text[AUDIT_TEXT_BYTES];
    return audit_run(text) ? NULL : text;
}
