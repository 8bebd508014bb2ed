/* chunk.h - the boundary-tag chunk: its header, its flags, its neighbours.
 * Layer: chunk (includes base).
 *
 * Heaps are tiled with chunks; a chunk knows its size and, when the one before it is free, that
 * one's size too, so that freeing can merge both ways in constant time (Knuth vol. 1, 2.5C).
 *
 *   chunk ->  +----------------------+
 *             | prev_size            |  only while the previous chunk is free; else its user's
 *             +----------------------+
 *             | size           |A|M|P|
 *   memory -> +----------------------+
 *             | fd, bk               |  only while this chunk is free (links of its bin);
 *             | fd/bk_nextsize       |  the latter only in large bins
 *             |  ...                 |
 *   next  ->  +----------------------+
 *             | prev_size            |  lent to this chunk's user while in use
 *
 * P: the previous chunk is in use. M: the chunk is a mapping of its own (then A and P are 0, and
 * prev_size is the distance to the mapping's start). A: it belongs to an arena other than main.
 *
 * I1: sizes are multiples of CHUNK_ALIGNMENT and at least CHUNK_MIN_BYTES.
 * I2: two adjacent chunks are never both free, fast-bin and quick-list chunks excepted: those
 *     count as in use (the next chunk's P stays set).
 * I3: a free chunk's size stands again in the prev_size of its successor.
 *
 * On 32 bits the layout is that of the classic ptmalloc documents: 8-byte granularity, smallest
 * chunk 16 bytes. Source: the field's common knowledge of dlmalloc/ptmalloc. */
#ifndef ARENITE_CHUNK_CHUNK_H
#define ARENITE_CHUNK_CHUNK_H

#include "base/bits.h"

struct chunk;

/* A node of a bin's circular list; the bin's head is one too. */
struct links {
    struct links *fd; /* towards newer or smaller chunks */
    struct links *bk;
};

struct chunk {
    size_t prev_size;
    size_t size; /* with flags in its low three bits */
    struct links links;
    struct chunk *fd_nextsize; /* next smaller size of the large bin, circular */
    struct chunk *bk_nextsize;
};

#define SIZE_BYTES sizeof(size_t)
#define CHUNK_ALIGNMENT (2 * SIZE_BYTES)
#define CHUNK_HEADER_BYTES (2 * SIZE_BYTES)
#define CHUNK_MIN_BYTES (4 * SIZE_BYTES)
_Static_assert(CHUNK_MIN_BYTES == offsetof(struct chunk, fd_nextsize),
               "the smallest chunk holds header and links");
_Static_assert(UINTPTR_MAX == 0xffffffffu || CHUNK_MIN_BYTES == 32, "64-bit minimum");

#define CHUNK_PREV_IN_USE ((size_t)1)
#define CHUNK_MMAPPED ((size_t)2)
#define CHUNK_NON_MAIN ((size_t)4)
#define CHUNK_FLAGS ((size_t)7)

/* Requests above this fail: a pointer difference could not express them. */
#define REQUEST_MAX_BYTES ((size_t)PTRDIFF_MAX)

/* Chunk size that serves a request: header word, rounded up, at least the minimum. The request is
 * at most REQUEST_MAX_BYTES. */
INLINE size_t chunk_bytes_for(size_t request_bytes) {
    size_t bytes = align_up(request_bytes + SIZE_BYTES, CHUNK_ALIGNMENT);
    return bytes < CHUNK_MIN_BYTES ? CHUNK_MIN_BYTES : bytes;
}

INLINE struct chunk *chunk_at(const void *base, size_t offset) {
    return (struct chunk *)((uintptr_t)base + offset);
}

INLINE struct chunk *chunk_of_memory(const void *memory) {
    return (struct chunk *)((uintptr_t)memory - CHUNK_HEADER_BYTES);
}

INLINE void *chunk_memory(const struct chunk *chunk) {
    return (void *)((uintptr_t)chunk + CHUNK_HEADER_BYTES);
}

INLINE struct chunk *chunk_of_links(const struct links *links) {
    return (struct chunk *)((uintptr_t)links - offsetof(struct chunk, links));
}

/* The size with its flags. The owner of a live block reads it, and its neighbour's, without a lock
 * while the arena's holder changes the neighbour, or flips the P bit: hence atomic accesses,
 * relaxed, as nothing is followed that was read so. */
INLINE size_t chunk_head(const struct chunk *chunk) {
    return __atomic_load_n(&chunk->size, __ATOMIC_RELAXED);
}

INLINE size_t chunk_bytes(const struct chunk *chunk) {
    return chunk_head(chunk) & ~CHUNK_FLAGS;
}

INLINE struct chunk *chunk_next(const struct chunk *chunk) {
    return chunk_at(chunk, chunk_bytes(chunk));
}

/* Only while the previous chunk is free. */
INLINE struct chunk *chunk_prev(const struct chunk *chunk) {
    return (struct chunk *)((uintptr_t)chunk - chunk->prev_size);
}

INLINE bool chunk_prev_in_use(const struct chunk *chunk) {
    return (chunk_head(chunk) & CHUNK_PREV_IN_USE) != 0;
}

INLINE bool chunk_is_mmapped(const struct chunk *chunk) {
    return (chunk_head(chunk) & CHUNK_MMAPPED) != 0;
}

/* Bytes that the user of the chunk may write: all but the header, plus the successor's prev_size;
 * a mapping has no successor. */
INLINE size_t chunk_usable_bytes(const struct chunk *chunk) {
    size_t overhead = chunk_is_mmapped(chunk) ? CHUNK_HEADER_BYTES : SIZE_BYTES;
    return chunk_bytes(chunk) - overhead;
}

INLINE void chunk_set_head(struct chunk *chunk, size_t bytes_and_flags) {
    __atomic_store_n(&chunk->size, bytes_and_flags, __ATOMIC_RELAXED);
}

/* A header that lies inside a larger chunk now is no chunk's any more: without a size it passes for
 * none, so that a later free of it is noticed. */
INLINE void chunk_clear_head(struct chunk *chunk) {
    chunk_set_head(chunk, 0);
}

/* Changes the size, keeps the flags. */
INLINE void chunk_set_bytes(struct chunk *chunk, size_t bytes) {
    chunk_set_head(chunk, bytes | (chunk->size & CHUNK_FLAGS));
}

/* Repeats a free chunk's size at its end (I3). */
INLINE void chunk_set_foot(struct chunk *chunk, size_t bytes) {
    chunk_at(chunk, bytes)->prev_size = bytes;
}

/* Whether a chunk of the given size is in use stands in its successor. */
INLINE bool chunk_in_use_at(const struct chunk *chunk, size_t bytes) {
    return chunk_prev_in_use(chunk_at(chunk, bytes));
}

INLINE void chunk_mark_in_use_at(struct chunk *chunk, size_t bytes) {
    struct chunk *next = chunk_at(chunk, bytes);
    __atomic_store_n(&next->size, next->size | CHUNK_PREV_IN_USE, __ATOMIC_RELAXED);
}

INLINE void chunk_mark_free_at(struct chunk *chunk, size_t bytes) {
    struct chunk *next = chunk_at(chunk, bytes);
    __atomic_store_n(&next->size, next->size & ~CHUNK_PREV_IN_USE, __ATOMIC_RELAXED);
}

#endif
