/* bin.h - the doubly linked bins: unsorted, small, large; and the map of those that may be filled.
 * Layer: chunk (includes base, os).
 *
 *   bin 1        unsorted: chunks just freed or split off, any size; each gets one chance there
 *   bins 2..63   small: one size each, 16 (32-bit: 8) bytes apart, below 1024 (512)
 *   bins 64..126 large: ranges that widen logarithmically, sorted by size, largest first; the
 *                first chunk of each size is linked to the next size's by fd/bk_nextsize
 *
 * A bin is a circular list with its head in the arena: fd leads from the head to the front, bk to
 * the back. Chunks enter unsorted and small bins at the front and leave them at the back.
 *
 * I1: every chunk in a bin is free: its size stands in its successor too, whose P bit is clear.
 * I2: a small bin holds one size; a large bin is sorted descending, and chunks with
 *     fd_nextsize != NULL are exactly the first of each size there.
 * I3: binmap bit i is set if bin i holds a chunk (it may be set though the bin is empty).
 * All functions: under the arena's lock. A broken link or size found on the way is reported as
 * heap corruption. Source: ptmalloc's bins, with glibc's boundaries. */
#ifndef ARENITE_CHUNK_BIN_H
#define ARENITE_CHUNK_BIN_H

#include "chunk/arena.h"
#include "chunk/heap.h"
#include "os/report.h"

#define BIN_UNSORTED 1u
#define BIN_FIRST_SMALL 2u
#define SMALL_BINS 64u
#define BIN_LAST 126u

/* Chunk sizes below this have a small bin of their own. */
#define LARGE_MIN_BYTES (SMALL_BINS * CHUNK_ALIGNMENT)

INLINE bool bin_is_small(size_t bytes) {
    return bytes < LARGE_MIN_BYTES;
}

/* Bin for a chunk size. */
unsigned bin_index_large(size_t bytes);

INLINE unsigned bin_index(size_t bytes) {
    return bin_is_small(bytes) ? (unsigned)(bytes / CHUNK_ALIGNMENT) : bin_index_large(bytes);
}

INLINE struct links *bin_at(struct arena *arena, unsigned index) {
    return &arena->bins[index - 1];
}

INLINE bool bin_is_empty(const struct links *bin) {
    return bin->bk == bin;
}

/* Oldest chunk of a bin: the smallest one, where it is sorted. */
INLINE struct chunk *bin_last(const struct links *bin) {
    return chunk_of_links(bin->bk);
}

INLINE struct chunk *bin_first(const struct links *bin) {
    return chunk_of_links(bin->fd);
}

/* ---- list plumbing --------------------------------------------------------------------------- */

/* Links a chunk between two neighbours of a list. */
INLINE void bin_link_between(struct links *node, struct links *bk, struct links *fd) {
    node->fd = fd;
    node->bk = bk;
    fd->bk = node;
    bk->fd = node;
}

/* Whether an address may be followed: it lies in a heap, where the other arenas keep their bins
 * too, or in main's bins. What was written over a link mostly leads elsewhere. */
INLINE bool bin_may_follow(const void *address) {
    return LIKELY(is_aligned((uintptr_t)address, sizeof(void *))) &&
           ((uintptr_t)address - (uintptr_t)&main_arena < sizeof main_arena ||
            heap_find(address) != NULL);
}

/* The same, quicker where it lies in the heap that the link was found in (NULL: in none). */
INLINE bool bin_may_follow_from(const struct heap *heap, const void *address) {
    bool is_near = heap != NULL && heap_contains(heap, address);
    return LIKELY(is_near && is_aligned((uintptr_t)address, sizeof(void *))) ||
           bin_may_follow(address);
}

/* Whether a node's neighbours agree that it stands between them. */
INLINE bool bin_links_agree_in(const struct heap *heap, const struct links *node) {
    return LIKELY(bin_may_follow_from(heap, node->fd) && bin_may_follow_from(heap, node->bk)) &&
           LIKELY(node->fd->bk == node && node->bk->fd == node);
}

INLINE bool bin_links_agree(const struct links *node) {
    return bin_links_agree_in(heap_find(node), node);
}

/* Takes a node out of its list, which must agree about it. */
INLINE void bin_unlink_node(struct links *node) {
    struct links *fd = node->fd;
    struct links *bk = node->bk;
    if (UNLIKELY(!bin_links_agree(node))) {
        report_corruption("corrupted double-linked list of free chunks",
                          chunk_memory(chunk_of_links(node)));
    }
    fd->bk = bk;
    bk->fd = fd;
}

/* A large chunk that is not first of its size has no size links. */
INLINE void bin_clear_size_links(struct chunk *chunk, size_t bytes) {
    if (!bin_is_small(bytes)) {
        chunk->fd_nextsize = NULL;
        chunk->bk_nextsize = NULL;
    }
}

/* A chunk that was first of its size leaves the size links, or hands them to its equal. */
void bin_take_size_links(struct arena *arena, const struct heap *heap, struct chunk *chunk);

/* ---- putting and taking ---------------------------------------------------------------------- */

/* Puts a free chunk in front of the unsorted bin. Head and foot are the caller's business. */
INLINE void bin_put_unsorted(struct arena *arena, struct chunk *chunk, size_t bytes) {
    struct links *bin = bin_at(arena, BIN_UNSORTED);
    if (UNLIKELY(bin->fd->bk != bin)) {
        report_corruption("corrupted unsorted bin", chunk_memory(chunk_of_links(bin->fd)));
    }
    bin_clear_size_links(chunk, bytes);
    bin_link_between(&chunk->links, bin, bin->fd);
}

/* Puts a free chunk into the bin of its size and marks that in the map. */
void bin_put(struct arena *arena, struct chunk *chunk, size_t bytes);

/* Whether a free chunk's size is repeated behind it. It may have been overwritten: what it leads to
 * is read only if it lies in a heap. */
INLINE bool bin_size_is_right(const struct heap *heap, const struct chunk *chunk, size_t bytes) {
    const struct chunk *next = chunk_at(chunk, bytes);
    return LIKELY(bytes >= CHUNK_MIN_BYTES && bin_may_follow_from(heap, next)) &&
           LIKELY(next->prev_size == bytes);
}

/* Takes a chunk out of its list, whose links have been looked at. */
INLINE void bin_detach(struct chunk *chunk) {
    chunk->links.fd->bk = chunk->links.bk;
    chunk->links.bk->fd = chunk->links.fd;
}

/* Takes a chunk out of whatever bin it is in. */
INLINE void bin_take(struct arena *arena, struct chunk *chunk) {
    const struct heap *heap = heap_find(chunk);
    size_t bytes = chunk_bytes(chunk);
    if (UNLIKELY(!bin_size_is_right(heap, chunk, bytes))) {
        report_corruption("corrupted size of a free chunk", chunk_memory(chunk));
    }
    if (UNLIKELY(!bin_links_agree_in(heap, &chunk->links))) {
        report_corruption("corrupted double-linked list of free chunks", chunk_memory(chunk));
    }
    if (!bin_is_small(bytes) && chunk->fd_nextsize != NULL) {
        bin_take_size_links(arena, heap, chunk);
    }
    bin_detach(chunk);
}

/* Takes the oldest chunk of a small bin, marks it in use, NULL when there is none. */
INLINE struct chunk *bin_take_oldest(struct arena *arena, unsigned index) {
    struct links *bin = bin_at(arena, index);
    if (bin_is_empty(bin)) {
        return NULL;
    }
    struct chunk *chunk = bin_last(bin);
    bin_unlink_node(&chunk->links);
    chunk_mark_in_use_at(chunk, index * CHUNK_ALIGNMENT);
    return chunk;
}

/* Smallest chunk of at least `bytes` in the large bin, still linked; NULL when none is. Of several
 * equal ones the second, so that the size links need no change. */
struct chunk *bin_find_best(struct arena *arena, unsigned index, size_t bytes);

/* First bin from `index` on that holds a chunk, else 0. Clears the stale map bits it meets. */
unsigned bin_next_filled(struct arena *arena, unsigned index);

/* NULL when bins and map keep I1-I3, else the first broken one; sums the chunks up. */
const char *bin_audit(struct arena *arena, size_t *chunk_count, size_t *total_bytes);

#endif
