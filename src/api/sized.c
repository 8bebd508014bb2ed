/* sized.c - free_sized and free_aligned_sized (C23), and the sizes that operators delete are told.
 * Layer: api (includes thread and below).
 *
 * The library knows a block's size, so what the caller says is not needed to free it; it is
 * compared, and a claim that cannot be true means that the pointer is not the block that the
 * caller believes. Sizes are known as the classes that requests are rounded to: a claim within the
 * right class passes. A block that may have been resized in place can be smaller than its class by
 * what realloc leaves unused. */
#include "api/sized.h"

#include "api/names.h"
#include "base/format.h"
#include "chunk/params.h"
#include "os/report.h"

#include "arenite/arenite.h"

static bool fits_slot(const struct claim *claim, const struct slab *slab) {
    if (slab_has_marks(slab)) {
        return claim->bytes == slab_usable_bytes(slab, claim->memory);
    }
    size_t class_index = class_of(sized_request(claim->bytes, claim->alignment));
    if (slab->class_index == (class_index == 0 ? 1 : class_index)) {
        return true;
    }
    if (slab->class_index >= SLAB_LONE_FIRST) {
        return claim->bytes <= slab->slot_bytes; /* served what nothing else could */
    }
    return claim->may_be_resized && claim->bytes <= slab->slot_bytes &&
           (claim->bytes > slab->slot_bytes / 2 || slab->slot_bytes <= SLOT_STAYS_BYTES);
}

/* A chunk may be larger than needed by what would not make a chunk of its own. */
static bool fits_chunk(const struct claim *claim, const struct chunk *chunk) {
    size_t most = claim->bytes <= REQUEST_MAX_BYTES ? chunk_bytes_for(claim->bytes) : SIZE_MAX;
    return most <= chunk_bytes(chunk) && chunk_bytes(chunk) - most <= CHUNK_MIN_BYTES;
}

bool sized_fits_chunk(const struct claim *claim, const struct heap *heap) {
    const struct chunk *chunk = chunk_of_memory(claim->memory);
    return entry_is_live(heap, chunk) && fits_chunk(claim, chunk);
}

/* How much of a mapping without a seal was asked for is not known. */
static bool fits_mapped(const struct claim *claim, const struct block *block) {
    bool is_sealed = params.slabs;
    return claim->bytes == block->mapped_bytes ||
           (!is_sealed && claim->bytes < block->mapped_bytes);
}

static bool has_size(const struct claim *claim, const struct block *block) {
    switch (block->kind) {
    case BLOCK_SLOT:
        return fits_slot(claim, block->slab);
    case BLOCK_MAPPED:
        return fits_mapped(claim, block);
    case BLOCK_GUARDED:
        return claim->bytes == block->guarded_bytes;
    default:
        return fits_chunk(claim, block->chunk);
    }
}

static bool has_alignment(const struct claim *claim) {
    return is_power_of_two(claim->alignment) &&
           is_aligned((uintptr_t)claim->memory, claim->alignment);
}

#define WHAT_BYTES 96

static COLD bool refuse(const struct claim *claim, const char *noun, size_t number) {
    char what[WHAT_BYTES];
    format_text(what, sizeof what, "%s with a wrong %s of %zu bytes", claim->operation, noun,
                number);
    report_misuse(what, claim->memory);
    return false;
}

bool sized_matches(const struct claim *claim, const struct block *block) {
    if (UNLIKELY(!has_alignment(claim))) {
        return refuse(claim, "alignment", claim->alignment);
    }
    return LIKELY(has_size(claim, block)) || refuse(claim, "size", claim->bytes);
}

static void free_claimed(const struct claim *claim) {
    if (claim->memory == NULL) {
        return;
    }
    struct block block = entry_find_block(claim->memory, claim->operation, claim->caller);
    bool is_ours = block.kind != BLOCK_FOREIGN && block.kind != BLOCK_INVALID;
    if (!is_ours || LIKELY(sized_matches(claim, &block))) {
        entry_free_found(&block);
    }
}

API_EXPORT_WEAK void API(free_sized)(void *memory, size_t bytes) {
    const struct claim claim = {memory, bytes, 1, true, "free_sized", ENTRY_CALLER()};
    free_claimed(&claim);
}

API_EXPORT_WEAK void API(free_aligned_sized)(void *memory, size_t alignment, size_t bytes) {
    const struct claim claim = {memory,        bytes, alignment, true, "free_aligned_sized",
                                ENTRY_CALLER()};
    free_claimed(&claim);
}
