/* sized.c - free_sized and free_aligned_sized (C23).
 * Layer: api (includes thread and below).
 *
 * The block's own header holds its size, so what the caller says is not needed to free it; it is
 * compared, and a claim that cannot be true means that the pointer is not the block that the
 * caller believes. After a realloc the newest size is the true one; any size up to what the block
 * can hold passes, because requests are rounded up. */
#include "api/entry.h"
#include "api/names.h"

#include "arenite/arenite.h"
#include "base/format.h"

/* What the caller says about a block. */
struct claim {
    void *memory;
    size_t bytes;
    size_t alignment;
    const char *operation;
    const void *caller;
};

static bool has_size(const struct claim *claim, const struct block *block) {
    size_t usable = thread_usable_bytes(block);
    return claim->bytes <= usable;
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

static bool is_true(const struct claim *claim, const struct block *block) {
    if (UNLIKELY(!has_size(claim, block))) {
        return refuse(claim, "size", claim->bytes);
    }
    if (UNLIKELY(!has_alignment(claim))) {
        return refuse(claim, "alignment", claim->alignment);
    }
    return true;
}

static void free_claimed(const struct claim *claim) {
    if (claim->memory == NULL) {
        return;
    }
    struct block block = entry_find_block(claim->memory, claim->operation, claim->caller);
    bool is_ours = block.kind != BLOCK_FOREIGN && block.kind != BLOCK_INVALID;
    if (!is_ours || LIKELY(is_true(claim, &block))) {
        entry_free_found(&block);
    }
}

API_EXPORT_WEAK void API(free_sized)(void *memory, size_t bytes) {
    const struct claim claim = {memory, bytes, 1, "free_sized", ENTRY_CALLER()};
    free_claimed(&claim);
}

API_EXPORT_WEAK void API(free_aligned_sized)(void *memory, size_t alignment, size_t bytes) {
    const struct claim claim = {memory, bytes, alignment, "free_aligned_sized", ENTRY_CALLER()};
    free_claimed(&claim);
}
