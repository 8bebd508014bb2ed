/* lru.h - which page goes first when frames run short: lists of folios, the least used at the end.
 * Layer: model (includes base).
 *
 *   anonymous:  new, kept ->[ inactive ]-> looked at: swapped out, or used: -> active
 *   files:      new, kept ->[ inactive ]-> looked at: dropped, or used:     -> active
 *   active:     activated ->[ active ]-> inactive, when too few are inactive
 *   unevictable: what mlock holds
 *
 * Folios are known by their first frame and linked through arrays with a place for every frame, so
 * that putting and taking cost nothing but the links; frame 0, nobody's, ends each list.
 *
 * I1: a folio is on one list at most; pages of a list = sum of its folios' pages.
 * Not thread-safe: callers serialise. */
#ifndef ARENITE_MODEL_LRU_H
#define ARENITE_MODEL_LRU_H

#include "model/address.h"
#include "model/memory.h"

enum lru_list {
    LRU_NONE,
    LRU_INACTIVE_ANON, /* anonymous and shared memory: what goes to swap */
    LRU_ACTIVE_ANON,
    LRU_INACTIVE_FILE,
    LRU_ACTIVE_FILE,
    LRU_UNEVICTABLE,
    LRU_LISTS
};

struct lru_ends {
    uint32_t first; /* the most recently used */
    uint32_t last;
    uint64_t pages;
};

struct lru {
    uint32_t *next; /* per frame: towards the end */
    uint32_t *previous;
    uint8_t *list; /* enum lru_list */
    struct lru_ends ends[LRU_LISTS];
};

/* -ENOMEM when the pool cannot hold the links (9 bytes a frame, touched as frames are used). */
int lru_init(struct lru *lru, size_t frames, struct model_memory *memory);

/* At the front, or at the end where reclaim looks first. The folio is on no list. */
void lru_put_first(struct lru *lru, enum lru_list list, struct pfn head, uint64_t pages);
void lru_put_last(struct lru *lru, enum lru_list list, struct pfn head, uint64_t pages);

/* Takes a folio off its list, if it is on one. */
void lru_take(struct lru *lru, struct pfn head, uint64_t pages);

INLINE enum lru_list lru_list_of(const struct lru *lru, struct pfn head) {
    return (enum lru_list)lru->list[head.number];
}

/* The folio to look at next; number 0: the list is empty. */
INLINE struct pfn lru_last(const struct lru *lru, enum lru_list list) {
    return (struct pfn){lru->ends[list].last};
}

INLINE uint64_t lru_pages(const struct lru *lru, enum lru_list list) {
    return lru->ends[list].pages;
}

#endif
