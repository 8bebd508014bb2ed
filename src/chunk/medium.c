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

bool medium_holds(struct medium_lists *lists, size_t bytes, const struct quick_slot *slot) {
    const struct quick_slot *at = medium_list_of(lists, bytes)->head;
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

/* Stores are ordered so that each list is whole, but for a chunk that is lost; the sum may lag. */
void medium_recount(struct medium_lists *lists) {
    lists->held_bytes = 0;
    for (size_t i = 0; i < MEDIUM_LISTS; i++) {
        struct medium_list *list = &lists->lists[i];
        for (const struct quick_slot *at = list->head; at != NULL; at = quick_slot_next(at)) {
            lists->held_bytes += list->bytes;
        }
    }
}

static const char *audit_list(struct medium_lists *lists, const struct medium_list *list,
                              size_t *held_bytes) {
    for (const struct quick_slot *at = list->head; at != NULL; at = quick_slot_next(at)) {
        if (chunk_bytes(chunk_of_memory(at)) != list->bytes ||
            medium_list_of(lists, list->bytes) != list) {
            return "a chunk in a medium list has another size";
        }
        *held_bytes += list->bytes;
        if (at->key != quick_secret || *held_bytes > lists->held_bytes) {
            return "a medium list holds an unkeyed chunk or more than is counted";
        }
    }
    return NULL;
}

const char *medium_audit(struct medium_lists *lists) {
    size_t held_bytes = 0;
    const char *error = NULL;
    for (size_t i = 0; i < MEDIUM_LISTS && error == NULL; i++) {
        error = audit_list(lists, &lists->lists[i], &held_bytes);
    }
    if (error == NULL && held_bytes != lists->held_bytes) {
        error = "the medium lists do not add up to their sum";
    }
    return error;
}
