/* lru.c - lists of folios, the least used at the end.
 * Layer: model (includes base). */
#include "model/lru.h"

#include "base/check.h"

#include <errno.h>

int lru_init(struct lru *lru, size_t frames, struct model_memory *memory) {
    *lru = (struct lru){
        .next = model_alloc_range(memory, frames * sizeof *lru->next),
        .previous = model_alloc_range(memory, frames * sizeof *lru->previous),
        .list = model_alloc_range(memory, frames),
    };
    bool made = lru->next != NULL && lru->previous != NULL && lru->list != NULL;
    return made ? 0 : -ENOMEM;
}

/* Between two neighbours; 0 stands for an end. */
static void put_between(struct lru *lru, enum lru_list list, uint32_t head, uint32_t before,
                        uint32_t after) {
    struct lru_ends *ends = &lru->ends[list];
    DEBUG_CHECK(lru->list[head] == LRU_NONE);
    lru->list[head] = (uint8_t)list;
    lru->previous[head] = before;
    lru->next[head] = after;
    *(before == 0 ? &ends->first : &lru->next[before]) = head;
    *(after == 0 ? &ends->last : &lru->previous[after]) = head;
}

void lru_put_first(struct lru *lru, enum lru_list list, struct pfn head, uint64_t pages) {
    put_between(lru, list, (uint32_t)head.number, 0, lru->ends[list].first);
    lru->ends[list].pages += pages;
}

void lru_put_last(struct lru *lru, enum lru_list list, struct pfn head, uint64_t pages) {
    put_between(lru, list, (uint32_t)head.number, lru->ends[list].last, 0);
    lru->ends[list].pages += pages;
}

void lru_take(struct lru *lru, struct pfn head, uint64_t pages) {
    uint32_t frame = (uint32_t)head.number;
    struct lru_ends *ends = &lru->ends[lru->list[frame]];
    if (lru->list[frame] == LRU_NONE) {
        return;
    }
    uint32_t before = lru->previous[frame];
    uint32_t after = lru->next[frame];
    *(before == 0 ? &ends->first : &lru->next[before]) = after;
    *(after == 0 ? &ends->last : &lru->previous[after]) = before;
    ends->pages -= pages;
    lru->list[frame] = LRU_NONE;
}
