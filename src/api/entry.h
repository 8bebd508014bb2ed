/* entry.h - the fast paths, written once for every public function that allocates or frees.
 * Layer: api (includes thread and below).
 *
 * A hit in the calling thread's quick lists touches nothing but the list and the block: no lock,
 * no atomic operation, no test whether the library has begun (see start.h). Everything else is a
 * call of entry_*_slow. */
#ifndef ARENITE_API_ENTRY_H
#define ARENITE_API_ENTRY_H

#include "api/budget.h"
#include "chunk/free.h"
#include "chunk/heap.h"
#include "os/report.h"
#include "slab/mark.h"
#include "thread/thread.h"

/* Return address of the public function: names the caller in a diagnosis. */
#define ENTRY_CALLER() __builtin_return_address(0)

/* Notes who called, for a diagnosis and for traces: in a public function, or one it jumps to. */
#define ENTRY_NOTE_CALLER()             \
    do {                                \
        report_caller = ENTRY_CALLER(); \
        report_frame = REPORT_FRAME();  \
    } while (false)

/* The same in a function that may have been called: then somebody else has noted the frame. */
#define ENTRY_NOTE_FRAME()                     \
    do {                                       \
        if (ENTRY_CALLER() == report_caller) { \
            report_frame = REPORT_FRAME();     \
        }                                      \
    } while (false)

/* NULL and errno = ENOMEM when there is no memory. The caller that the first names in a diagnosis
 * is its own: the fast path jumps there. */
NOINLINE void *entry_malloc_slow(size_t bytes);
NOINLINE void *entry_malloc_for(size_t bytes, const void *caller);
/* The caller it names in a diagnosis is its own: the fast path jumps here. */
NOINLINE void entry_free_slow(void *memory);
NOINLINE void entry_free_for(void *memory, const void *caller);
/* For what entry_find_block returned. */
void entry_free_found(const struct block *block);

/* alignment: a power of two; for which family of functions. NULL without touching errno. */
void *entry_aligned(size_t alignment, size_t bytes, enum mark_origin origin);

/* What the pointer is. One that is no live block of ours and cannot be libc's is reported; if that
 * returns, the operation is to be dropped: kind is BLOCK_INVALID. */
struct block entry_find_block(void *memory, const char *operation, const void *caller);

/* Whether a request may be served at all: there can be such a block, and a budget allows it. */
INLINE bool entry_allows(size_t bytes) {
    return LIKELY(bytes <= REQUEST_MAX_BYTES) && budget_allows(bytes);
}

/* NULL: the class's cache cannot serve it. */
INLINE void *entry_malloc_quick(size_t bytes) {
    struct thread *thread = thread_current;
    size_t offset = (bytes + SLAB_STEP_BYTES - 1) & ~(SLAB_STEP_BYTES - 1);
    OPAQUE(offset);
    return LIKELY(offset <= SLAB_SMALL_MAX_BYTES)
               ? slot_list_pop((struct slot_list *)((uintptr_t)thread + offset),
                               thread->secrets.mask)
               : NULL;
}

INLINE void *entry_malloc(size_t bytes) {
    void *memory = entry_malloc_quick(bytes);
    return LIKELY(memory != NULL) ? memory : entry_malloc_slow(bytes);
}

/* The heap of a block where it is found at once, as nearly always, else NULL: the long way is
 * entry_find_block. */
INLINE struct heap *entry_find_heap(const void *memory) {
    page_entry entry = page_map_get(memory);
    struct heap *heap = page_entry_record(entry);
    bool is_found =
        page_entry_kind(entry) == PAGE_CHUNKS && heap_contains(heap, chunk_of_memory(memory));
    return LIKELY(is_found) ? heap : NULL;
}

/* The slab of a live slot, else NULL: the long way is entry_find_block. */
INLINE struct slab *entry_find_slab(const void *memory) {
    struct slab *slab = slab_at(memory);
    bool is_live = slab != NULL && slab_is_slot(slab, memory) && !slot_looks_free(memory);
    return is_live ? slab : NULL;
}

/* Whether a chunk of this heap is in use, as far as its own header and the next one tell; what lies
 * in a list looks freed as well. */
INLINE bool entry_is_live(const struct heap *heap, const struct chunk *chunk) {
    size_t flags = heap->arena == &main_arena ? 0 : CHUNK_NON_MAIN;
    uintptr_t end = heap_end(heap);
    return LIKELY(free_header_is_plausible(chunk, end, flags)) &&
           LIKELY(free_neighbour_is_plausible(chunk, end)) &&
           LIKELY(!quick_looks_freed(chunk_memory(chunk)));
}

/* Whatever lies at the address, the word that is compared here is a slab's owner or no thread:
 * 0 for nothing of ours and for NULL, a heap's predecessor for a chunk (see page_map.h). */
INLINE void entry_free_or(void *memory, void (*slow)(void *memory)) {
    struct thread *const *first = page_entry_run(page_map_get(memory));
    struct slab *slab = (struct slab *)(uintptr_t)first;
    struct thread *thread = thread_current;
    if (LIKELY(LOAD_RELAXED(first) == thread) &&
        LIKELY(slab_accepts(slab, memory, thread->secrets.tag))) {
        if (UNLIKELY(slot_list_push(slab->list, memory, &thread->secrets))) {
            thread_look_at(slab);
        }
    } else {
        slow(memory);
    }
}

INLINE void entry_free(void *memory) {
    entry_free_or(memory, entry_free_slow);
}

#endif
