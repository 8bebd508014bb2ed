/* fast_bin.c - pushing, popping and consolidating fast chunks.
 * Layer: chunk (includes base, os). See fast_bin.h. */
#include "chunk/fast_bin.h"

#include "chunk/free.h"
#include "os/report.h"

static void consolidate_bin(struct arena *arena, unsigned index) {
    struct chunk *chunk = arena->fast[index];
    arena->fast[index] = NULL;
    while (chunk != NULL) {
        fast_bin_check(chunk, index);
        struct chunk *next = fast_bin_next(chunk);
        fast_bin_set_key(chunk, 0);
        free_merge(arena, chunk);
        chunk = next;
    }
}

void fast_bin_consolidate(struct arena *arena) {
    arena->flags &= ~(uint32_t)ARENA_HAS_FAST;
    for (unsigned index = 0; index < FAST_BINS; index++) {
        consolidate_bin(arena, index);
    }
}

static const char *audit_bin(const struct arena *arena, unsigned index, size_t *count) {
    size_t length = 0;
    for (const struct chunk *at = arena->fast[index]; at != NULL; at = fast_bin_next(at)) {
        if (chunk_bytes(at) != fast_bin_bytes(index)) {
            return "a fast chunk is in the wrong bin";
        }
        if (!chunk_in_use_at(at, chunk_bytes(at))) {
            return "a fast chunk is marked free";
        }
        if (++length > arena->system_bytes / CHUNK_MIN_BYTES) {
            return "a fast bin is circular";
        }
    }
    *count = length;
    return NULL;
}

const char *fast_bin_audit(const struct arena *arena, size_t *chunk_count, size_t *total_bytes) {
    *chunk_count = 0;
    *total_bytes = 0;
    for (unsigned index = 0; index < FAST_BINS; index++) {
        size_t count = 0;
        const char *error = audit_bin(arena, index, &count);
        if (error != NULL) {
            return error;
        }
        *chunk_count += count;
        *total_bytes += count * fast_bin_bytes(index);
    }
    bool flagged = (arena->flags & ARENA_HAS_FAST) != 0;
    return *chunk_count != 0 && !flagged ? "fast chunks exist but the flag says none" : NULL;
}
