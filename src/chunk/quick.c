/* quick.c - the slow side of quick lists: opening, draining, checking.
 * Layer: chunk (includes base, os). See quick.h. */
#include "chunk/quick.h"

#include "os/report.h"

uintptr_t quick_secret;
struct quick_lists quick_closed;

void quick_report_corruption(const struct quick_slot *slot) {
    report_corruption("corrupted free list: the chunk was written to after it was freed", slot);
}

/* The key may be there by chance (or left from an earlier life): only a chunk that really lies in
 * its list was freed twice. */
COLD void quick_check_double_free(const struct quick_lists *lists, size_t index,
                                  const struct quick_slot *slot) {
    size_t steps = 0;
    for (const struct quick_slot *at = lists->head[index]; at != NULL; at = quick_slot_next(at)) {
        if (at == slot) {
            report_corruption("double free", slot);
        }
        if (!is_aligned((uintptr_t)at, CHUNK_ALIGNMENT) || ++steps > QUICK_COUNT_MAX) {
            quick_report_corruption(at);
        }
    }
}

void quick_open(struct quick_lists *lists, size_t count, size_t limit_bytes) {
    for (size_t i = 0; i < QUICK_LISTS; i++) {
        lists->room[i] = quick_chunk_bytes(i) <= limit_bytes ? (uint16_t)count : 0;
    }
}

void *quick_drain(struct quick_lists *lists) {
    for (size_t i = 0; i < QUICK_LISTS; i++) {
        void *memory = quick_pop(lists, i);
        if (memory != NULL) {
            lists->room[i] = 0;
            return memory;
        }
        lists->room[i] = 0;
    }
    return NULL;
}

const char *quick_audit(const struct quick_lists *lists, size_t count) {
    for (size_t i = 0; i < QUICK_LISTS; i++) {
        size_t length = 0;
        for (struct quick_slot *at = lists->head[i]; at != NULL; at = quick_slot_next(at)) {
            if (chunk_bytes(chunk_of_memory(at)) != quick_chunk_bytes(i)) {
                return "a chunk in a quick list has another size";
            }
            if (at->key != quick_secret || ++length > count) {
                return "a quick list is longer than its capacity or holds an unkeyed chunk";
            }
        }
        if (lists->room[i] != 0 && length + lists->room[i] != count) {
            return "a quick list's room and length do not add up";
        }
    }
    return NULL;
}
