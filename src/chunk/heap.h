/* heap.h - a contiguous piece of an arena's memory, and the mapped heaps of thread arenas.
 * Layer: chunk (includes base, os, pages).
 *
 * A thread arena's heap is a reservation aligned to its size, readable and writable up to
 * committed_bytes and tiled with chunks up to `bytes`; its record (heap_info in the documents)
 * stands at its start. The main arena's pieces of the program break have records out of line.
 * An arena's heaps are chained from the newest to the oldest.
 *
 * 64 MiB (32-bit: 1 MiB) is what is asked for; where address space is short 16, 4 and 1 MiB do.
 *
 * I1: page map entries of kind PAGE_CHUNKS lead from every granule of [start, start + bytes) to
 *     this record, or say PAGE_MIXED.
 * I2: bytes <= committed_bytes <= reserved_bytes, all multiples of the page size.
 * I3: memory in [start + bytes, start + reserved_bytes) is zero or inaccessible.
 * `bytes` is written under the arena's lock and may be read by anybody: an address is in the heap
 * when it is in [start, start + bytes) at any time while its block is live. */
#ifndef ARENITE_CHUNK_HEAP_H
#define ARENITE_CHUNK_HEAP_H

#include "chunk/arena.h"
#include "pages/page_map.h"

#define HEAP_MAX_BYTES (SIZE_BYTES == 8 ? (size_t)64 * 1024 * 1024 : (size_t)1024 * 1024)
#define HEAP_MIN_BYTES ((size_t)32 * 1024)

struct heap {
    /* Page-map entries keep a kind in the low bits of this record's address. */
    _Alignas(PAGE_RECORD_ALIGNMENT) struct arena *arena;
    struct heap *prev; /* older heap of the same arena */
    uintptr_t start;
    size_t bytes;
    size_t committed_bytes;
    size_t reserved_bytes;
};
_Static_assert(sizeof(struct heap) % CHUNK_ALIGNMENT == 0, "the arena or a chunk follows");

INLINE size_t heap_bytes(const struct heap *heap) {
    return __atomic_load_n(&heap->bytes, __ATOMIC_RELAXED);
}

INLINE bool heap_contains(const struct heap *heap, const void *address) {
    return (uintptr_t)address - heap->start < heap_bytes(heap);
}

INLINE uintptr_t heap_end(const struct heap *heap) {
    return heap->start + heap_bytes(heap);
}

/* Changes how far the heap reaches, page map included. Growing fails (-ENOMEM) without changes
 * when the page map cannot grow. */
int heap_set_bytes(struct heap *heap, size_t bytes);

/* Maps a heap with at least `bytes` ready for use, its record included, and pad_bytes more if
 * there is room. NULL when even the smallest reservation that fits is refused. */
struct heap *heap_map(size_t bytes, size_t pad_bytes);
/* Gives the heap back; its memory is gone unless the kernel refuses, then it stays mapped and
 * empty. */
void heap_unmap(struct heap *heap);

/* Moves the end up by at least delta_bytes, in whole pages. -ENOMEM when the reservation is used
 * up or the kernel refuses. */
int heap_grow(struct heap *heap, size_t delta_bytes);
/* Moves the end down by delta_bytes (whole pages) and drops those pages. */
int heap_shrink(struct heap *heap, size_t delta_bytes);

/* The heap that an address lies in, NULL when it is in none of ours. Any address is safe. */
struct heap *heap_find(const void *address);

#endif
