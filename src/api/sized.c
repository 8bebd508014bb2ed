/* sized.c - free_sized and free_aligned_sized (C23).
 * Layer: api (includes thread and below).
 *
 * The block's own header holds its size, so what the caller says is not needed to free it; it is
 * compared, and a claim that cannot be true means that the pointer is not the block that the
 * caller believes. After a realloc the newest size is the true one; any size up to what the block
 * can hold passes, because requests are rounded up. */
#include "api/entry.h"
#include "api/foreign.h"
#include "api/names.h"

#include "arenite/arenite.h"
#include "os/report.h"

/* What the caller says about a block. */
struct claim {
    void *memory;
    size_t bytes;
    size_t alignment;
    const char *operation;
    const void *caller;
};

static void check_claim(const struct claim *claim, const struct block *block) {
    size_t usable = thread_usable_bytes(block);
    if (UNLIKELY(claim->bytes > usable)) {
        report_fatal("%s of %p with a size of %zu bytes, but the block has %zu", claim->operation,
                     claim->memory, claim->bytes, usable);
    }
    if (UNLIKELY(!is_power_of_two(claim->alignment) ||
                 !is_aligned((uintptr_t)claim->memory, claim->alignment))) {
        report_fatal("%s of %p with an alignment of %zu, which the block does not have",
                     claim->operation, claim->memory, claim->alignment);
    }
}

static void free_claimed(const struct claim *claim) {
    if (claim->memory == NULL) {
        return;
    }
    struct block block = entry_find_block(claim->memory, claim->operation, claim->caller);
    if (UNLIKELY(block.kind == BLOCK_FOREIGN)) {
        foreign_free(claim->memory, claim->caller);
        return;
    }
    check_claim(claim, &block);
    thread_free(&block);
}

API_EXPORT_WEAK void API(free_sized)(void *memory, size_t bytes) {
    const struct claim claim = {memory, bytes, 1, "free_sized", ENTRY_CALLER()};
    free_claimed(&claim);
}

API_EXPORT_WEAK void API(free_aligned_sized)(void *memory, size_t alignment, size_t bytes) {
    const struct claim claim = {memory, bytes, alignment, "free_aligned_sized", ENTRY_CALLER()};
    free_claimed(&claim);
}
