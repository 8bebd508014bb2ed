/* entry.h - the fast paths, written once for every public function that allocates or frees.
 * Layer: api (includes thread and below).
 *
 * A hit in the calling thread's quick lists touches nothing but the list and the block: no lock,
 * no atomic operation, no test whether the library has begun (see start.h). Everything else is a
 * call of entry_*_slow. */
#ifndef ARENITE_API_ENTRY_H
#define ARENITE_API_ENTRY_H

#include "chunk/free.h"
#include "chunk/heap.h"
#include "thread/thread.h"

/* Return address of the public function: names the caller in a diagnosis. */
#define ENTRY_CALLER() __builtin_return_address(0)

/* NULL and errno = ENOMEM when there is no memory. */
NOINLINE void *entry_malloc_slow(size_t bytes);
NOINLINE void entry_free_slow(void *memory, const void *caller);

/* alignment: a power of two. NULL without touching errno. */
void *entry_aligned(size_t alignment, size_t bytes);

/* What the pointer is; does not return when it is invalid. */
struct block entry_find_block(void *memory, const char *operation, const void *caller);

/* NULL: the quick lists cannot serve it. */
INLINE void *entry_malloc_quick(size_t bytes) {
    size_t index = quick_index_for(bytes);
    return LIKELY(index < QUICK_LISTS) ? quick_pop(&thread_current->quick, index) : NULL;
}

INLINE void *entry_malloc(size_t bytes) {
    void *memory = entry_malloc_quick(bytes);
    return LIKELY(memory != NULL) ? memory : entry_malloc_slow(bytes);
}

/* A chunk in this heap that the quick lists did not take. */
NOINLINE void entry_free_chunk(struct heap *heap, struct chunk *chunk, const void *caller);

/* The heap of a block where it is found at once, as nearly always, else NULL: the long way is
 * entry_find_block. */
INLINE struct heap *entry_find_heap(const void *memory) {
    page_entry entry = page_map_get(memory);
    struct heap *heap = (struct heap *)(entry - PAGE_CHUNKS); /* if it is of this kind */
    bool is_found =
        page_entry_kind(entry) == PAGE_CHUNKS && heap_contains(heap, chunk_of_memory(memory));
    return LIKELY(is_found) ? heap : NULL;
}

/* Whether a chunk of this heap has a header that can be true. */
INLINE bool entry_is_plausible(const struct heap *heap, const struct chunk *chunk) {
    size_t flags = heap->arena == &main_arena ? 0 : CHUNK_NON_MAIN;
    return LIKELY(free_header_is_plausible(chunk, heap_end(heap), flags));
}

/* The chunk lies in a heap of ours, so its header may be read; one test then sees that pointer
 * and size are aligned and the M flag is clear (P and A, the other two flags, may be either). */
INLINE bool entry_push_quick(struct chunk *chunk) {
    size_t bytes = chunk_head(chunk) & ~(CHUNK_PREV_IN_USE | CHUNK_NON_MAIN);
    size_t index = quick_index(bytes);
    return LIKELY(is_aligned((uintptr_t)chunk | bytes, CHUNK_ALIGNMENT) && index < QUICK_LISTS) &&
           LIKELY(quick_push_unless_freed(&thread_current->quick, index, chunk_memory(chunk)));
}

INLINE void entry_free(void *memory, const void *caller) {
    if (UNLIKELY(memory == NULL)) {
        return;
    }
    struct heap *heap = entry_find_heap(memory);
    struct chunk *chunk = chunk_of_memory(memory);
    if (UNLIKELY(heap == NULL)) {
        entry_free_slow(memory, caller);
    } else if (UNLIKELY(!entry_push_quick(chunk))) {
        entry_free_chunk(heap, chunk, caller);
    }
}

#endif
