/* divert.c - see divert.h.
 * Layer: api (includes hardened and below). */
#include "api/divert.h"

#include "api/cxx.h"
#include "api/entry.h"
#include "api/foreign.h"
#include "base/format.h"
#include "hardened/block.h"
#include "thread/large.h"

/* Mappings from this size on are not copied. */
#define COPIED_MOST_BYTES ((size_t)1 << 20)

void *divert_malloc(size_t bytes, size_t alignment, enum mark_origin origin, const void *caller) {
    report_caller = caller;
    if (!entry_allows(bytes)) {
        return NULL;
    }
    return LIKELY(alignment <= CHUNK_ALIGNMENT)
               ? hardened_malloc(bytes, origin, caller)
               : hardened_aligned(alignment, bytes, origin, caller);
}

void *divert_calloc(size_t bytes, const void *caller) {
    return entry_allows(bytes) ? hardened_calloc(bytes, caller) : NULL;
}

/* ---- free ----------------------------------------------------------------------------------- */

static const char *name_of(unsigned origin) {
    return origin == ORIGIN_MALLOC ? "malloc" : origin == ORIGIN_NEW ? "new" : "new[]";
}

static const char *wanted_by(unsigned origin) {
    return origin == ORIGIN_MALLOC ? "free" : origin == ORIGIN_NEW ? "delete" : "delete[]";
}

/* Whether the block may not be freed, which is said. Where a program has operators of its own, what
 * they made of our memory is not our business. */
static COLD bool report_other(const void *memory, unsigned from, enum mark_origin origin) {
    char what[64];
    if (!cxx_operators_are_ours()) {
        return false;
    }
    format_text(what, sizeof what, "%s of a block from %s", wanted_by(origin), name_of(from));
    report_misuse(what, memory);
    return true;
}

static COLD void free_other(void *memory, enum mark_origin origin, const void *caller) {
    if (!report_other(memory, slab_mark_of(slab_at(memory), memory)->origin, origin)) {
        hardened_free(memory, ORIGIN_ANY, caller);
    }
}

/* Of a block without a mark. */
static bool is_other(const struct block *block, enum mark_origin origin) {
    if (block->kind != BLOCK_MAPPED) {
        return false;
    }
    unsigned from = large_family_of(block->memory);
    return from != 0 && (from & origin) == 0 && report_other(block->memory, from, origin);
}

void divert_free(void *memory, enum mark_origin origin, const void *caller) {
    if (memory == NULL) {
        return;
    }
    report_caller = caller;
    enum hardened_verdict verdict = hardened_free(memory, origin, caller);
    if (UNLIKELY(verdict == HARDENED_OTHER_ORIGIN)) {
        free_other(memory, origin, caller);
    } else if (UNLIKELY(verdict == HARDENED_UNKNOWN)) {
        struct block block = entry_find_block(memory, "free", caller);
        if (!is_other(&block, origin)) {
            entry_free_found(&block);
        }
    }
}

/* ---- realloc -------------------------------------------------------------------------------- */

static void *move(const struct block *block, size_t old_bytes, size_t bytes, const void *caller) {
    void *fresh = divert_malloc(bytes, 1, ORIGIN_MALLOC, caller);
    if (fresh != NULL) {
        memcpy(fresh, block->memory, old_bytes < bytes ? old_bytes : bytes);
        divert_free(block->memory, ORIGIN_MALLOC, caller);
    }
    return fresh;
}

void *divert_realloc(void *memory, size_t bytes, const void *caller) {
    struct block block = entry_find_block(memory, "realloc", caller);
    if (UNLIKELY(block.kind == BLOCK_FOREIGN)) {
        return foreign_realloc(memory, bytes);
    }
    if (UNLIKELY(block.kind == BLOCK_INVALID) || bytes > REQUEST_MAX_BYTES) {
        return NULL;
    }
    size_t old_bytes = thread_usable_bytes(&block);
    bool stays_mapped =
        block.kind == BLOCK_MAPPED && old_bytes >= COPIED_MOST_BYTES && bytes >= COPIED_MOST_BYTES;
    if (stays_mapped) {
        bool may = bytes <= old_bytes || budget_allows(bytes - old_bytes);
        void *resized = may ? thread_realloc(&block, bytes) : NULL;
        if (resized != NULL) {
            large_note_family(resized, ORIGIN_MALLOC);
        }
        return resized;
    }
    return move(&block, old_bytes, bytes, caller);
}
