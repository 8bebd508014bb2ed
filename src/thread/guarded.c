/* guarded.c - see guarded.h.
 * Layer: thread (includes pages and below). */
#include "thread/guarded.h"

#include "os/report.h"
#include "pages/guard.h"

struct block guarded_find(void *memory) {
    struct block block = {.kind = BLOCK_INVALID, .memory = memory};
    const struct guard_place *place = guard_find(memory);
    if (place == NULL || place->memory != (uintptr_t)memory) {
        block.error = "no block starts here";
        return block;
    }
    bool is_live = __atomic_load_n(&place->state, __ATOMIC_ACQUIRE) == GUARD_LIVE;
    block.kind = is_live ? BLOCK_GUARDED : BLOCK_FREED;
    block.guarded_bytes = place->bytes;
    return block;
}

void guarded_free(void *memory) {
    const struct guard_place *place = guard_find(memory);
    const void *damage = guard_find_damage(place);
    if (damage != NULL) {
        bool is_behind = (uintptr_t)damage >= place->memory;
        report_misuse(is_behind ? "overflow of a guarded block, seen when it is freed"
                                : "underflow of a guarded block, seen when it is freed",
                      damage);
    } else if (!guard_free(memory)) { /* another thread was faster */
        report_misuse("double free", memory);
    }
}
