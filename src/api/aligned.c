/* aligned.c - the functions that take an alignment, and malloc_usable_size.
 * Layer: api (includes thread and below).
 *
 * As in glibc 2.36: memalign and aligned_alloc are one function, round an alignment up to a power
 * of two and put no condition on the size; posix_memalign demands a power of two that is a
 * multiple of sizeof(void *), and tells errors by its result alone. An alignment that every block
 * has anyway makes the request a plain malloc.
 * Thread-safe. */
#include "api/divert.h"
#include "api/entry.h"
#include "api/foreign.h"
#include "api/names.h"
#include "api/start.h"

#include "arenite/arenite.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

/* The largest power of two that a size_t holds. */
#define ALIGNMENT_MAX (SIZE_MAX / 2 + 1)

static bool is_within_limit(size_t alignment, size_t bytes) {
    size_t sum;
    return !add_overflows(bytes, alignment, &sum) && !add_overflows(sum, CHUNK_MIN_BYTES, &sum) &&
           sum <= REQUEST_MAX_BYTES;
}

/* A small class that is a multiple of the alignment has it. */
INLINE void *aligned_quick(size_t alignment, size_t bytes) {
    bool is_small = alignment <= SLAB_MAX_ALIGNMENT && bytes <= SLAB_SMALL_MAX_BYTES;
    return is_small ? entry_malloc_quick(align_up(bytes + (bytes == 0), alignment)) : NULL;
}

void *entry_aligned(size_t alignment, size_t bytes, enum mark_origin origin) {
    void *slot = aligned_quick(alignment, bytes);
    if (LIKELY(slot != NULL)) {
        return slot;
    }
    if (UNLIKELY(!is_within_limit(alignment, bytes))) {
        return NULL;
    }
    start_ensure();
    if (divert_is_on()) {
        return divert_malloc(bytes, alignment, origin, report_caller);
    }
    return budget_allows(bytes) ? thread_aligned(alignment, bytes) : NULL;
}

static NOINLINE void *aligned_missed(size_t alignment, size_t bytes) {
    ENTRY_NOTE_FRAME();
    if (alignment <= CHUNK_ALIGNMENT) {
        return entry_malloc(bytes);
    }
    void *memory = entry_aligned(alignment, bytes, ORIGIN_MALLOC);
    if (UNLIKELY(memory == NULL)) {
        errno = ENOMEM;
    }
    return memory;
}

INLINE void *aligned_or_enomem(size_t alignment, size_t bytes) {
    void *slot = aligned_quick(alignment, bytes);
    return LIKELY(slot != NULL) ? slot : aligned_missed(alignment, bytes);
}

static void *align_by_any(size_t alignment, size_t bytes) {
    if (UNLIKELY(alignment > ALIGNMENT_MAX)) {
        errno = EINVAL;
        return NULL;
    }
    size_t power = alignment <= 1 ? 1 : (size_t)1 << log2_ceil(alignment);
    return aligned_or_enomem(power, bytes);
}

API_EXPORT_WEAK void *API(memalign)(size_t alignment, size_t bytes) {
    report_caller = ENTRY_CALLER();
    return align_by_any(alignment, bytes);
}

API_EXPORT_WEAK void *API(aligned_alloc)(size_t alignment, size_t bytes) {
    report_caller = ENTRY_CALLER();
    return align_by_any(alignment, bytes);
}

API_EXPORT_WEAK int API(posix_memalign)(void **memory, size_t alignment, size_t bytes) {
    ENTRY_NOTE_CALLER();
    if (!is_power_of_two(alignment) || alignment % sizeof(void *) != 0) {
        return EINVAL;
    }
    int saved_errno = errno;
    void *block = aligned_or_enomem(alignment, bytes);
    errno = saved_errno;
    if (UNLIKELY(block == NULL)) {
        return ENOMEM;
    }
    *memory = block;
    return 0;
}

API_EXPORT_WEAK void *API(valloc)(size_t bytes) {
    report_caller = ENTRY_CALLER();
    return aligned_or_enomem(os_page_bytes(), bytes);
}

API_EXPORT_WEAK void *API(pvalloc)(size_t bytes) {
    report_caller = ENTRY_CALLER();
    size_t page = os_page_bytes();
    size_t padded;
    if (UNLIKELY(add_overflows(bytes, page - 1, &padded))) {
        errno = ENOMEM;
        return NULL;
    }
    return aligned_or_enomem(page, align_down(padded, page));
}

/* Of a block that is not found at once, or about which there is something to say. */
static COLD size_t usable_bytes_slow(void *memory, const void *caller) {
    struct block block = entry_find_block(memory, "malloc_usable_size", caller);
    if (UNLIKELY(block.kind == BLOCK_FOREIGN)) {
        return foreign_usable_bytes(memory);
    }
    if (UNLIKELY(block.kind == BLOCK_INVALID)) {
        return 0;
    }
    return thread_usable_bytes(&block);
}

API_EXPORT_WEAK size_t API(malloc_usable_size)(void *memory) {
    if (memory == NULL) {
        return 0;
    }
    if (divert_is_on()) {
        return usable_bytes_slow(memory, ENTRY_CALLER());
    }
    const struct slab *slab = entry_find_slab(memory);
    if (LIKELY(slab != NULL)) {
        return slab->slot_bytes;
    }
    struct heap *heap = entry_find_heap(memory);
    struct chunk *chunk = chunk_of_memory(memory);
    if (LIKELY(heap != NULL) && entry_is_live(heap, chunk)) {
        return chunk_usable_bytes(chunk);
    }
    return usable_bytes_slow(memory, ENTRY_CALLER());
}

API_LIBC_ALIAS(memalign);
API_LIBC_ALIAS(valloc);
API_LIBC_ALIAS(pvalloc);
