/* quick.c - the slow side of quick lists: opening, draining, checking.
 * Layer: chunk (includes base, os). See quick.h. */
#include "chunk/quick.h"

#include "chunk/heap.h"
#include "os/report.h"

uintptr_t quick_secret;
struct quick_lists quick_closed;

/* Without room the list stays closed: how many chunks it held is not known any more. */
void quick_abandon(struct quick_lists *lists, size_t index) {
    report_misuse(QUICK_DAMAGE, lists->head[index]);
    lists->head[index] = NULL;
    lists->room[index] = 0;
}

bool quick_holds(const struct quick_lists *lists, size_t index, const struct quick_slot *slot) {
    const struct quick_slot *at = lists->head[index];
    for (size_t steps = 0; at != NULL && steps <= QUICK_COUNT_MAX; steps++) {
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

void quick_open(struct quick_lists *lists, size_t count, size_t limit_bytes) {
    for (size_t i = 0; i < QUICK_LISTS; i++) {
        lists->room[i] = quick_chunk_bytes(i) <= limit_bytes ? (uint16_t)count : 0;
    }
}

void quick_recount(struct quick_lists *lists, size_t count, size_t limit_bytes) {
    quick_open(lists, count, limit_bytes);
    for (size_t i = 0; i < QUICK_LISTS; i++) {
        for (const struct quick_slot *at = lists->head[i]; at != NULL && lists->room[i] != 0;
             at = quick_slot_next(at)) {
            lists->room[i]--;
        }
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
