/* medium.c - the checks of medium.h.
 * Layer: chunk (includes base, os). */
#include "chunk/medium.h"

#include "chunk/heap.h"
#include "os/report.h"

#include <string.h>

/* Their chunks stay in use for the arenas. */
void medium_abandon(struct medium_lists *lists, const struct quick_slot *slot) {
    report_misuse(QUICK_DAMAGE, slot);
    memset(lists, 0, sizeof *lists);
}

bool medium_holds(const struct medium_lists *lists, size_t index, const struct quick_slot *slot) {
    const struct quick_slot *at = lists->head[index];
    size_t most = lists->held_bytes / MEDIUM_MIN_BYTES;
    for (size_t steps = 0; at != NULL && steps <= most; steps++) {
        if (at == slot) {
            return true;
        }
        at = quick_slot_next(at);
        if (!is_aligned((uintptr_t)at, CHUNK_ALIGNMENT) || heap_find(at) == NULL) {
            break; /* overwritten */
        }
    }
    return false;
}

const char *medium_audit(const struct medium_lists *lists) {
    size_t held = 0;
    for (size_t i = 0; i < MEDIUM_LISTS; i++) {
        for (const struct quick_slot *at = lists->head[i]; at != NULL; at = quick_slot_next(at)) {
            if (chunk_bytes(chunk_of_memory(at)) != medium_bytes(i)) {
                return "a chunk in a medium list has another size";
            }
            held += medium_bytes(i);
            if (at->key != quick_secret || held > lists->held_bytes) {
                return "a medium list holds an unkeyed chunk or more than is counted";
            }
        }
    }
    return held == lists->held_bytes ? NULL : "the medium lists do not add up to their sum";
}
