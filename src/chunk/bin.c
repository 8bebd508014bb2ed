/* bin.c - putting chunks into bins, taking them out, finding one that fits.
 * Layer: chunk (includes base, os). See bin.h. */
#include "chunk/bin.h"

#include "os/report.h"

#if UINTPTR_MAX > 0xffffffffu
#define FIRST_STEP_LIMIT 48
#define FIRST_STEP_BASE 48
#else
#define FIRST_STEP_LIMIT 38
#define FIRST_STEP_BASE 56
#endif

/* Bins 64 bytes apart, then 512, 4 Ki, 32 Ki, 256 Ki, and one for the rest. */
unsigned bin_index_large(size_t bytes) {
    static const struct step {
        unsigned shift, limit, base;
    } steps[] = {{6, FIRST_STEP_LIMIT, FIRST_STEP_BASE},
                 {9, 20, 91},
                 {12, 10, 110},
                 {15, 4, 119},
                 {18, 2, 124}};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        size_t step = bytes >> steps[i].shift;
        if (step <= steps[i].limit) {
            return steps[i].base + (unsigned)step;
        }
    }
    return BIN_LAST;
}

static void map_set(struct arena *arena, unsigned index) {
    arena->binmap[index / 64] |= UINT64_C(1) << (index % 64);
}

/* Links may have been overwritten: none is followed before it is seen to lead back. */
static void expect_links(const struct heap *heap, const struct links *node) {
    if (UNLIKELY(!bin_links_agree_in(heap, node))) {
        report_corruption("corrupted large bin", chunk_memory(chunk_of_links(node)));
    }
}

static NOINLINE COLD void report_size_links(const struct chunk *chunk) {
    report_corruption("corrupted size links of a large bin", chunk_memory(chunk));
}

/* One step along the size links, to where sizes are smaller, or larger. */
static struct chunk *next_smaller(const struct heap *heap, const struct chunk *at) {
    struct chunk *next = at->fd_nextsize;
    if (UNLIKELY(!bin_may_follow_from(heap, next) || next->bk_nextsize != at ||
                 chunk_bytes(next) >= chunk_bytes(at))) {
        report_size_links(at);
    }
    return next;
}

static struct chunk *next_larger(const struct heap *heap, const struct chunk *at) {
    struct chunk *next = at->bk_nextsize;
    if (UNLIKELY(!bin_may_follow_from(heap, next) || next->fd_nextsize != at ||
                 chunk_bytes(next) <= chunk_bytes(at))) {
        report_size_links(at);
    }
    return next;
}

/* The size links are a circle: the largest leads to the smallest. */
static struct chunk *smallest_of(const struct heap *heap, const struct links *bin) {
    struct chunk *largest = bin_first(bin), *smallest = largest->bk_nextsize;
    if (UNLIKELY(!bin_may_follow_from(heap, smallest) || smallest->fd_nextsize != largest)) {
        report_size_links(largest);
    }
    return smallest;
}

/* Inserts `chunk` as first of its size in front of `next`, the first of the next smaller size
 * (or, in a circle, the largest). */
static void link_size_before(const struct heap *heap, struct chunk *chunk, struct chunk *next) {
    struct chunk *previous = next->bk_nextsize;
    if (UNLIKELY(!bin_may_follow_from(heap, previous) || previous->fd_nextsize != next)) {
        report_size_links(next);
    }
    chunk->fd_nextsize = next;
    chunk->bk_nextsize = previous;
    next->bk_nextsize = chunk;
    previous->fd_nextsize = chunk;
}

static void put_sorted(struct links *bin, struct chunk *chunk, size_t bytes) {
    const struct heap *heap = heap_find(chunk);
    struct links *before = bin; /* node that will follow the chunk */
    if (bin_is_empty(bin)) {
        chunk->fd_nextsize = chunk;
        chunk->bk_nextsize = chunk;
    } else if (bytes < chunk_bytes(bin_last(bin))) {
        link_size_before(heap, chunk, bin_first(bin));
    } else {
        struct chunk *at = bin_first(bin);
        while (bytes < chunk_bytes(at)) {
            at = next_smaller(heap, at);
        }
        expect_links(heap, &at->links);
        if (bytes == chunk_bytes(at)) {
            bin_clear_size_links(chunk, bytes); /* second of its size: the first keeps the links */
            before = at->links.fd;
        } else {
            link_size_before(heap, chunk, at);
            before = &at->links;
        }
    }
    expect_links(heap, before);
    bin_link_between(&chunk->links, before->bk, before);
}

void bin_put(struct arena *arena, struct chunk *chunk, size_t bytes) {
    unsigned index = bin_index(bytes);
    struct links *bin = bin_at(arena, index);
    if (bin_is_small(bytes)) {
        bin_link_between(&chunk->links, bin, bin->fd);
    } else {
        put_sorted(bin, chunk, bytes);
    }
    map_set(arena, index);
}

void bin_take_size_links(struct arena *arena, const struct heap *heap, struct chunk *chunk) {
    const struct links *bin = bin_at(arena, bin_index_large(chunk_bytes(chunk)));
    struct chunk *next = chunk->fd_nextsize;
    struct chunk *previous = chunk->bk_nextsize;
    if (UNLIKELY(!bin_may_follow_from(heap, next) || !bin_may_follow_from(heap, previous) ||
                 next->bk_nextsize != chunk || previous->fd_nextsize != chunk)) {
        report_size_links(chunk);
    }
    struct chunk *heir = chunk_of_links(chunk->links.fd);
    if (&heir->links != bin && heir->fd_nextsize == NULL) {
        heir->fd_nextsize = next == chunk ? heir : next;
        heir->bk_nextsize = next == chunk ? heir : previous;
        heir->fd_nextsize->bk_nextsize = heir;
        heir->bk_nextsize->fd_nextsize = heir;
    } else {
        next->bk_nextsize = previous;
        previous->fd_nextsize = next;
    }
}

struct chunk *bin_find_best(struct arena *arena, unsigned index, size_t bytes) {
    struct links *bin = bin_at(arena, index);
    if (bin_is_empty(bin) || chunk_bytes(bin_first(bin)) < bytes) {
        return NULL;
    }
    const struct heap *heap = heap_find(bin_first(bin));
    struct chunk *best = smallest_of(heap, bin);
    while (chunk_bytes(best) < bytes) {
        best = next_larger(heap, best);
    }
    if (&best->links != bin->bk) {
        expect_links(heap, &best->links);
        struct chunk *second = chunk_of_links(best->links.fd);
        if (chunk_bytes(second) == chunk_bytes(best)) {
            best = second;
        }
    }
    return best;
}

/* First set bit at or after `index`, BIN_COUNT when there is none. */
static unsigned map_next(const struct arena *arena, unsigned index) {
    uint64_t bits = arena->binmap[index / 64] >> (index % 64);
    if (bits != 0) {
        return index + lowest_set_bit(bits);
    }
    bits = index < 64 ? arena->binmap[1] : 0;
    return bits != 0 ? 64 + lowest_set_bit(bits) : BIN_COUNT;
}

unsigned bin_next_filled(struct arena *arena, unsigned index) {
    while ((index = map_next(arena, index)) != BIN_COUNT) {
        if (!bin_is_empty(bin_at(arena, index))) {
            return index;
        }
        arena->binmap[index / 64] &= ~(UINT64_C(1) << (index % 64));
    }
    return 0;
}

static const char *audit_links(const struct links *node) {
    if (node->fd->bk != node || node->bk->fd != node) {
        return "a bin's links disagree";
    }
    return NULL;
}

/* One chunk of a bin against the chunk before it in the list (NULL for the first). */
static const char *audit_chunk(unsigned index, const struct chunk *chunk,
                               const struct chunk *larger) {
    size_t bytes = chunk_bytes(chunk);
    if (chunk_next(chunk)->prev_size != bytes || chunk_in_use_at(chunk, bytes)) {
        return "a chunk in a bin is not marked free";
    }
    if (index == BIN_UNSORTED) {
        return NULL;
    }
    if (bin_index(bytes) != index) {
        return "a chunk is in the wrong bin";
    }
    if (bin_is_small(bytes)) {
        return NULL;
    }
    if (larger != NULL && chunk_bytes(larger) < bytes) {
        return "a large bin is not sorted";
    }
    bool first_of_size = larger == NULL || chunk_bytes(larger) != bytes;
    if (first_of_size != (chunk->fd_nextsize != NULL)) {
        return "a large bin's size links are not at the first of each size";
    }
    if (first_of_size &&
        (chunk->fd_nextsize->bk_nextsize != chunk || chunk->bk_nextsize->fd_nextsize != chunk)) {
        return "a large bin's size links disagree";
    }
    return NULL;
}

static const char *audit_bin(struct arena *arena, unsigned index, size_t *count, size_t *total) {
    struct links *bin = bin_at(arena, index);
    const char *error = audit_links(bin);
    const struct chunk *larger = NULL;
    for (struct links *node = bin->fd; node != bin && error == NULL; node = node->fd) {
        const struct chunk *chunk = chunk_of_links(node);
        error = audit_links(node);
        if (error == NULL) {
            error = audit_chunk(index, chunk, larger);
        }
        larger = chunk;
        *count += 1;
        *total += chunk_bytes(chunk);
    }
    bool marked = (arena->binmap[index / 64] >> (index % 64) & 1) != 0;
    if (error == NULL && index != BIN_UNSORTED && !marked && !bin_is_empty(bin)) {
        return "a filled bin is not marked in the map";
    }
    return error;
}

const char *bin_audit(struct arena *arena, size_t *chunk_count, size_t *total_bytes) {
    *chunk_count = 0;
    *total_bytes = 0;
    for (unsigned index = BIN_UNSORTED; index <= BIN_LAST; index++) {
        const char *error = audit_bin(arena, index, chunk_count, total_bytes);
        if (error != NULL) {
            return error;
        }
    }
    return NULL;
}
