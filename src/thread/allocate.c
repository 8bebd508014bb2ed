/* allocate.c - the slow side of allocation: which arena, and what if it fails.
 * Layer: thread (includes base, os, pages, chunk). See thread.h.
 *
 * A thread uses its own arena and waits for its lock; when that arena cannot grow, another is
 * tried. A signal handler that interrupted a slow operation of its own thread waits for nothing:
 * it takes any arena whose lock is free, and pages of its own when there is none. */
#include "thread/large.h"
#include "thread/operation.h"
#include "thread/reclaim.h"
#include "thread/remote.h"
#include "thread/sample.h"
#include "thread/slabs.h"

#include "chunk/alloc.h"
#include "chunk/heap.h"
#include "chunk/mapped.h"
#include "chunk/params.h"

#include <string.h>

/* How often a handler looks for a free arena before it gives up. */
#define REENTRANT_TRIES 10000u

/* What is asked for. */
struct request {
    size_t bytes;
    size_t alignment; /* CHUNK_ALIGNMENT: any block has it */
    size_t *dirty;    /* not NULL: wanted zeroed; of chunks, told how much may not be */
};

INLINE struct chunk *alloc_locked(const struct chunk_caller *caller,
                                  const struct request *request) {
    size_t bytes = chunk_bytes_for(request->bytes);
    if (request->dirty != NULL) {
        return arena_alloc_zero_known(caller, bytes, request->dirty);
    }
    if (request->alignment > CHUNK_ALIGNMENT) {
        return arena_alloc_aligned(caller, request->alignment, bytes);
    }
    return arena_alloc(caller, bytes);
}

INLINE struct chunk *alloc_in(struct arena *arena, struct quick_lists *quick,
                              const struct request *request) {
    const struct chunk_caller caller = {arena, quick};
    if (UNLIKELY(!arena_lock(arena))) {
        return NULL;
    }
    struct chunk *chunk = alloc_locked(&caller, request);
    arena_unlock(arena);
    return chunk;
}

/* Pages of its own for a request that no arena can serve. */
static COLD struct chunk *alloc_mapped(struct request request) {
    size_t bytes;
    if (add_overflows(request.bytes, request.alignment + CHUNK_MIN_BYTES, &bytes)) {
        return NULL;
    }
    struct chunk *chunk = mapped_alloc(bytes);
    if (chunk == NULL) {
        return NULL;
    }
    if (request.dirty != NULL) {
        *request.dirty = 0;
    }
    return chunk_of_memory(mapped_align(chunk_memory(chunk), request.alignment));
}

/* With one thread there is one arena, as there is one break: what it cannot serve nobody can. */
static COLD struct chunk *alloc_elsewhere(struct arena *failed, struct quick_lists *quick,
                                          struct request request) {
    if (os_is_single_threaded() || request.bytes > HEAP_MAX_BYTES) {
        return NULL;
    }
    struct arena *other = arena_retry(failed);
    return other != NULL ? alloc_in(other, quick, &request) : NULL;
}

/* The thread's arena failed: because it was set aside by a fork, or cannot grow. */
static COLD struct chunk *alloc_after_failure(struct thread *thread, struct arena *arena,
                                              struct request request) {
    if (arena_is_usable(arena)) {
        return alloc_elsewhere(arena, &thread->quick, request);
    }
    arena = arena_attach();
    if (!arena_is_usable(arena)) {
        return alloc_mapped(request);
    }
    if (thread->arena != NULL) {
        thread->arena = arena;
    }
    return alloc_in(arena, &thread->quick, &request);
}

/* A thread without a state of its own uses main. */
INLINE struct chunk *alloc_for(struct thread *thread, const struct request *request) {
    struct arena *arena = thread->arena != NULL ? thread->arena : &main_arena;
    struct chunk *chunk = alloc_in(arena, &thread->quick, request);
    return LIKELY(chunk != NULL) ? chunk : alloc_after_failure(thread, arena, *request);
}

static struct chunk *alloc_in_any(const struct request *request) {
    struct arena *arena = arena_lock_any();
    if (arena == NULL) {
        return NULL;
    }
    const struct chunk_caller caller = {arena, &quick_closed};
    struct chunk *chunk = alloc_locked(&caller, request);
    arena_unlock(arena);
    return chunk;
}

INLINE void *seal(struct chunk *chunk, const struct request *request) {
    if (UNLIKELY(chunk_is_mmapped(chunk)) && params.slabs) {
        mapped_seal(chunk_memory(chunk), request->bytes);
    }
    return chunk_memory(chunk);
}

/* Other threads leave their arenas soon; that the interrupted one leaves its own can take as long
 * as signals keep coming, so it is not waited for. */
static COLD struct chunk *alloc_reentrant(struct request request) {
    struct chunk *chunk = NULL;
    for (unsigned tries = 0; chunk == NULL && tries < REENTRANT_TRIES; tries++) {
        chunk = alloc_in_any(&request);
        if (chunk == NULL) {
            chunk = alloc_mapped(request);
        }
    }
    return chunk;
}

/* A slab for one block, from granules that slabs took when there was more memory. */
static void *alloc_lone_slot(struct thread *thread, size_t class_index) {
    remote_collect(thread);
    slabs_trim(thread);
    depot_trim(thread);
    return cache_alloc(thread, class_index);
}

/* No heap can grow any more, perhaps because slabs once took what there was: then their free
 * granules serve. */
static COLD void *alloc_lone(struct thread *thread, const struct request *request) {
    size_t class_index = class_of_lone(request->bytes);
    if (!params.slabs || params.hardened || thread->attached == 0 || class_index >= SLAB_CLASSES ||
        request->alignment > class_alignment(class_index)) {
        return NULL;
    }
    if (request->dirty != NULL) {
        *request->dirty = request->bytes;
    }
    return alloc_lone_slot(thread, class_index);
}

void *thread_lone_slot(size_t bytes) {
    struct operation operation;
    size_t class_index = class_of_lone(bytes);
    void *slot = NULL;
    if (operation_enter(&operation) && thread_own->attached != 0 && class_index < SLAB_CLASSES) {
        quarantine_flush(thread_own);
        slot = alloc_lone_slot(thread_own, class_index);
    }
    operation_leave(&operation);
    return slot;
}

/* An aligned request does not open the lists, as in glibc. */
INLINE void *alloc_or_lone(const struct request *request) {
    bool is_plain = request->alignment <= CHUNK_ALIGNMENT;
    struct thread *thread = is_plain ? thread_attach() : thread_attach_bare();
    struct chunk *chunk = NULL;
    if (UNLIKELY(request->bytes >= MMAP_THRESHOLD_DEFAULT_BYTES) && is_plain) {
        chunk = large_map(thread, request->bytes);
    }
    chunk = chunk != NULL ? chunk : alloc_for(thread, request);
    if (UNLIKELY(chunk == NULL) && params.slabs && thread_reclaim(thread, 0).any) {
        chunk = alloc_for(thread, request);
    }
    if (UNLIKELY(chunk != NULL && chunk_is_mmapped(chunk))) {
        large_remember(thread, chunk);
    }
    return LIKELY(chunk != NULL) ? seal(chunk, request) : alloc_lone(thread, request);
}

INLINE void *allocate(const struct request *request) {
    struct operation operation;
    bool outermost = operation_enter(&operation);
    void *memory = NULL;
    if (LIKELY(outermost)) {
        memory = alloc_or_lone(request);
    } else {
        struct chunk *chunk = alloc_reentrant(*request);
        memory = chunk != NULL ? seal(chunk, request) : NULL;
    }
    operation_leave(&operation);
    return memory;
}

/* Cleared where zeros are wanted; a guarded block holds zeros anyway. */
static void *slot_for(struct thread *thread, size_t class_index, const struct request *request) {
    void *slot = NULL;
    if (sample_is_due(thread, class_index)) {
        slot = sample_take(thread, class_index, request->alignment, request->bytes);
    }
    if (LIKELY(slot == NULL)) {
        slot = cache_alloc(thread, class_index);
        slot = request->dirty != NULL && slot != NULL ? slot_clear(slot, request->bytes) : slot;
    }
    return slot;
}

/* From a slab, if slabs serve the class and there is memory for them; NULL sends the caller to the
 * chunks. Perturbing needs the long way, so slabs are off then; hardened slots come another way. */
static void *alloc_slot(size_t class_index, const struct request *request) {
    struct operation operation;
    if (!params.slabs || params_wants_detour() || class_index >= SLAB_CLASSES) {
        return NULL;
    }
    void *slot = NULL;
    if (operation_enter(&operation)) {
        struct thread *thread = thread_attach();
        if (thread->attached != 0) {
            slot = slot_for(thread, class_index == 0 ? 1 : class_index, request);
        }
    }
    operation_leave(&operation);
    return slot;
}

/* What every slow allocation ends with. */
INLINE void *told(void *memory, size_t bytes) {
    operation_event(THREAD_EVENT_ALLOC, memory, bytes);
    return memory;
}

/* M_PERTURB: fresh memory holds the complement of the byte that freed memory holds. */
INLINE void *perturbed(void *memory, size_t bytes) {
    if (UNLIKELY(params.perturb != 0) && memory != NULL) {
        memset(memory, params.perturb ^ 0xff, bytes);
    }
    return memory;
}

void *thread_slot(size_t bytes) {
    const struct request request = {bytes, CHUNK_ALIGNMENT, NULL};
    void *slot = alloc_slot(class_of(bytes), &request);
    return slot != NULL ? told(slot, bytes) : NULL;
}

void *thread_malloc(size_t bytes) {
    const struct request request = {bytes, CHUNK_ALIGNMENT, NULL};
    void *slot = alloc_slot(class_of(bytes), &request);
    if (slot != NULL) {
        return told(slot, bytes);
    }
    return told(perturbed(allocate(&request), bytes), bytes);
}

/* A class that is a multiple of the alignment has it. */
void *thread_aligned(size_t alignment, size_t bytes) {
    const struct request request = {bytes, alignment, NULL};
    if (alignment <= SLAB_MAX_ALIGNMENT && bytes <= SLAB_MAX_BYTES) {
        size_t class_index = class_of(align_up(bytes + (bytes == 0), alignment));
        void *slot = alloc_slot(class_index, &request);
        if (slot != NULL) {
            return told(slot, bytes);
        }
    }
    return told(perturbed(allocate(&request), bytes), bytes);
}

void *thread_calloc(size_t bytes) {
    size_t dirty = 0;
    const struct request request = {bytes, CHUNK_ALIGNMENT, &dirty};
    void *slot = alloc_slot(class_of(bytes), &request);
    if (slot != NULL) {
        return told(slot, bytes);
    }
    void *large = bytes >= REGION_MIN_BYTES ? large_pop(bytes, true) : NULL;
    if (large != NULL) {
        return told(large, bytes);
    }
    void *memory = allocate(&request);
    if (memory != NULL) {
        memset(memory, 0, dirty);
    }
    return told(memory, bytes);
}

void *operation_alloc_in(struct arena *arena, size_t bytes) {
    const struct request request = {bytes, CHUNK_ALIGNMENT, NULL};
    struct chunk *chunk = alloc_in(arena, &quick_closed, &request);
    if (chunk == NULL) {
        chunk = alloc_elsewhere(arena, &quick_closed, request);
    }
    return chunk != NULL ? chunk_memory(chunk) : NULL;
}
