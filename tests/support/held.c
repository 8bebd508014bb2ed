/* held.c - see held.h.
 * Layer: tests (includes libc only). */
#include "held.h"

#include "support.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define WHOLE_BYTES ((size_t)2048)
#define EDGE_BYTES ((size_t)128)
#define STEP_BYTES ((size_t)4096)

/* One piece of a block: [start, start + bytes). */
struct piece {
    size_t start;
    size_t bytes;
};

/* The index-th piece that is filled, of 0 bytes behind the last. */
static struct piece piece_at(size_t bytes, size_t index) {
    struct piece piece = {0, 0};
    size_t steps = bytes / STEP_BYTES;
    if (bytes <= WHOLE_BYTES) {
        piece.bytes = index == 0 ? bytes : 0;
    } else if (index == 0) {
        piece.bytes = EDGE_BYTES;
    } else if (index < steps) {
        piece = (struct piece){index * STEP_BYTES, sizeof(uint64_t)};
    } else if (index == (steps > 1 ? steps : 1)) {
        piece = (struct piece){bytes - EDGE_BYTES, EDGE_BYTES};
    }
    return piece;
}

/* Each piece has a tag of its own, so that moved contents are noticed. */
static uint64_t piece_tag(const struct held *held, struct piece piece) {
    return held->tag * 31 + piece.start;
}

void held_fill(const struct held *held) {
    struct piece piece;
    for (size_t i = 0; (piece = piece_at(held->bytes, i)).bytes != 0; i++) {
        test_pattern_fill(held->memory + piece.start, piece.bytes, piece_tag(held, piece));
    }
}

bool held_begins(const struct held *held, size_t bytes) {
    struct piece piece;
    for (size_t i = 0; (piece = piece_at(held->bytes, i)).bytes != 0; i++) {
        size_t past = piece.start + piece.bytes;
        size_t common = past <= bytes ? piece.bytes : piece.start < bytes ? bytes - piece.start : 0;
        if (!test_pattern_holds(held->memory + piece.start, common, piece_tag(held, piece))) {
            return false;
        }
    }
    return true;
}

bool held_is_intact(const struct held *held) {
    return held_begins(held, held->bytes);
}

bool held_is_zero(const struct held *held) {
    const unsigned char *at = held->memory;
    return held->bytes == 0 || (at[0] == 0 && memcmp(at, at + 1, held->bytes - 1) == 0);
}

static int by_address(const void *a, const void *b) {
    uintptr_t first = (uintptr_t)((const struct held *)a)->memory;
    uintptr_t second = (uintptr_t)((const struct held *)b)->memory;
    return (first > second) - (first < second);
}

static bool neighbours_overlap(const struct held *sorted, size_t count) {
    for (size_t i = 1; i < count; i++) {
        const struct held *before = &sorted[i - 1];
        size_t bytes = before->bytes != 0 ? before->bytes : 1;
        if (before->memory != NULL &&
            (uintptr_t)sorted[i].memory - (uintptr_t)before->memory < bytes) {
            return true;
        }
    }
    return false;
}

bool held_overlap(const struct held *blocks, size_t count) {
    size_t bytes = count * sizeof *blocks;
    struct held *sorted =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (sorted == MAP_FAILED) {
        return false;
    }
    memcpy(sorted, blocks, bytes);
    qsort(sorted, count, sizeof *sorted, by_address);
    bool overlap = neighbours_overlap(sorted, count);
    munmap(sorted, bytes);
    return overlap;
}
