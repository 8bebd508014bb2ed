/* medium.c - the checks of medium.h.
 * Layer: chunk (includes base, os). */
#include "chunk/medium.h"

#include "os/report.h"

COLD void medium_check_double_free(const struct medium_lists *lists, size_t index,
                                   const struct quick_slot *slot) {
    for (const struct quick_slot *at = lists->head[index]; at != NULL; at = quick_slot_next(at)) {
        if (at == slot) {
            report_corruption("double free", slot);
        }
        if (!is_aligned((uintptr_t)at, CHUNK_ALIGNMENT)) {
            quick_report_corruption(at);
        }
    }
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
