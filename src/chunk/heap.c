/* heap.c - mapping, growing, shrinking and unmapping heaps.
 * Layer: chunk (includes base, os, pages). See heap.h. */
#include "chunk/heap.h"

#include "chunk/params.h"

#include <errno.h>

/* Where a reservation of full size ended that happened to leave an aligned place behind it: the
 * next heap may fit there without reserving twice the size. A hint only. */
static uintptr_t next_place;

static uintptr_t take_next_place(void) {
    return __atomic_exchange_n(&next_place, 0, __ATOMIC_RELAXED);
}

static int heap_extend_map(struct heap *heap, size_t old_bytes, size_t new_bytes) {
    return page_map_set(heap->start + old_bytes, heap->start + new_bytes, heap, PAGE_CHUNKS);
}

static void heap_retract_map(struct heap *heap, size_t old_bytes, size_t new_bytes) {
    uintptr_t first = align_up(heap->start + new_bytes, GRANULE_BYTES);
    uintptr_t end = heap->start + old_bytes;
    if (first < end) {
        page_map_clear(first, end, heap);
    }
}

int heap_set_bytes(struct heap *heap, size_t bytes) {
    size_t old_bytes = heap->bytes;
    if (bytes > old_bytes) {
        int status = heap_extend_map(heap, old_bytes, bytes);
        if (status != 0) {
            return status;
        }
    }
    __atomic_store_n(&heap->bytes, bytes, __ATOMIC_RELAXED);
    if (bytes < old_bytes) {
        heap_retract_map(heap, old_bytes, bytes);
    }
    return 0;
}

/* Cuts an aligned piece out of a reservation of twice its size. */
static void *trim_to_alignment(uintptr_t raw, size_t bytes) {
    uintptr_t start = align_up(raw, bytes);
    if (start != raw) {
        os_release((void *)raw, start - raw);
    } else {
        __atomic_store_n(&next_place, start + bytes, __ATOMIC_RELAXED);
    }
    os_release((void *)(start + bytes), bytes - (start - raw));
    return (void *)start;
}

/* Reserves exactly `bytes` and keeps them only if they happen to be aligned. */
static void *reserve_at(size_t bytes, uintptr_t hint) {
    void *place = os_reserve(bytes, (void *)hint);
    if (place == NULL || is_aligned((uintptr_t)place, bytes)) {
        return place;
    }
    os_release(place, bytes);
    return NULL;
}

static void *reserve_aligned(size_t bytes) {
    uintptr_t hint = bytes == HEAP_MAX_BYTES ? take_next_place() : 0;
    if (hint != 0) {
        void *place = reserve_at(bytes, hint);
        if (place != NULL) {
            return place;
        }
    }
    void *raw = os_reserve(2 * bytes, NULL);
    return raw != NULL ? trim_to_alignment((uintptr_t)raw, bytes) : reserve_at(bytes, 0);
}

/* The full size first, then quarters of it while they hold what is needed. */
static void *reserve_by_ladder(size_t needed_bytes, size_t *reserved_bytes) {
    size_t smallest = (size_t)1024 * 1024;
    for (size_t bytes = HEAP_MAX_BYTES; bytes >= smallest && bytes >= needed_bytes; bytes /= 4) {
        void *place = reserve_aligned(bytes);
        if (place != NULL) {
            *reserved_bytes = bytes;
            return place;
        }
    }
    return NULL;
}

static size_t first_commit_bytes(size_t bytes, size_t pad_bytes) {
    size_t wanted = bytes;
    if (bytes + pad_bytes < HEAP_MIN_BYTES) {
        wanted = HEAP_MIN_BYTES;
    } else if (bytes + pad_bytes <= HEAP_MAX_BYTES) {
        wanted = bytes + pad_bytes;
    } else {
        wanted = HEAP_MAX_BYTES;
    }
    return align_up(wanted, os_page_bytes());
}

struct heap *heap_map(size_t bytes, size_t pad_bytes) {
    if (bytes > HEAP_MAX_BYTES) {
        return NULL;
    }
    if (pad_bytes > HEAP_MAX_BYTES) {
        pad_bytes = HEAP_MAX_BYTES;
    }
    size_t reserved = 0;
    struct heap *heap = reserve_by_ladder(align_up(bytes, os_page_bytes()), &reserved);
    if (heap == NULL) {
        return NULL;
    }
    size_t commit = first_commit_bytes(bytes, pad_bytes);
    if (commit > reserved) {
        commit = reserved;
    }
    if (page_map_prepare((uintptr_t)heap, (uintptr_t)heap + reserved) != 0 ||
        os_commit(heap, commit) != 0) {
        os_release(heap, reserved);
        return NULL;
    }
    heap->start = (uintptr_t)heap;
    heap->committed_bytes = commit;
    heap->reserved_bytes = reserved;
    heap_set_bytes(heap, commit);
    return heap;
}

void heap_unmap(struct heap *heap) {
    size_t reserved = heap->reserved_bytes;
    uintptr_t end = heap->start + reserved;
    __atomic_compare_exchange_n(&next_place, &end, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
    heap_set_bytes(heap, 0);
    if (os_release(heap, reserved) != 0) {
        os_purge(heap, heap->committed_bytes);
    }
}

int heap_grow(struct heap *heap, size_t delta_bytes) {
    size_t room = heap->reserved_bytes - heap->bytes;
    if (delta_bytes < params.step_bytes && room >= params.step_bytes) {
        delta_bytes = params.step_bytes;
    }
    size_t bytes = heap->bytes + align_up(delta_bytes, os_page_bytes());
    if (bytes > heap->reserved_bytes || bytes < heap->bytes) {
        return -ENOMEM;
    }
    if (bytes > heap->committed_bytes) {
        uintptr_t from = heap->start + heap->committed_bytes;
        int status = os_commit((void *)from, heap->start + bytes - from);
        if (status != 0) {
            return status;
        }
        heap->committed_bytes = bytes;
    }
    return heap_set_bytes(heap, bytes);
}

int heap_shrink(struct heap *heap, size_t delta_bytes) {
    size_t bytes = heap->bytes - delta_bytes;
    if (delta_bytes > heap->bytes || bytes < sizeof(struct heap)) {
        return -EINVAL;
    }
    int status = os_purge((void *)(heap->start + bytes), delta_bytes);
    if (status != 0) {
        return status;
    }
    return heap_set_bytes(heap, bytes);
}

/* Only pieces of the main arena can share a granule. Their records are only ever added, so the
 * chain may be walked without its lock. */
static struct heap *find_in_main(const void *address) {
    struct heap *piece = __atomic_load_n(&main_arena.heap, __ATOMIC_ACQUIRE);
    while (piece != NULL && !heap_contains(piece, address)) {
        piece = piece->prev;
    }
    return piece;
}

struct heap *heap_find(const void *address) {
    page_entry entry = page_map_get(address);
    struct heap *heap = page_entry_record(entry);
    switch (page_entry_kind(entry)) {
    case PAGE_CHUNKS:
        return heap_contains(heap, address) ? heap : NULL;
    case PAGE_MIXED:
        return find_in_main(address);
    default:
        return NULL;
    }
}
