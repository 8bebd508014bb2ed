/* ram.c - the frames that user pages lie in.
 * Layer: model (includes base and the buddy core). */
#include "model/ram.h"

#include <errno.h>
#include <string.h>

int ram_init(struct ram *ram, uint64_t pages, struct model_memory *memory) {
    uint32_t units = pages < UINT32_MAX / 2 ? (uint32_t)pages : UINT32_MAX / 2;
    void *metadata = model_alloc_range(memory, buddy_metadata_bytes(units));
    ram->mappings = model_alloc_range(memory, (size_t)units * sizeof *ram->mappings);
    ram->huge = model_alloc_range(memory, (size_t)(units >> HUGE_ORDER) + 1);
    ram->written = model_alloc_range(memory, units);
    if (metadata == NULL || ram->mappings == NULL || ram->huge == NULL || ram->written == NULL ||
        units < 2) {
        return -ENOMEM;
    }
    buddy_init(&ram->buddy, units, metadata);
    buddy_add(&ram->buddy, 1, units - 1);
    return 0;
}

static uint32_t head_of(const struct ram *ram, struct pfn frame) {
    uint32_t unit = (uint32_t)frame.number;
    return ram->huge[unit >> HUGE_ORDER] ? unit & ~(uint32_t)(HUGE_PAGES - 1) : unit;
}

struct pfn ram_take(struct ram *ram, unsigned order) {
    uint32_t unit = buddy_alloc(&ram->buddy, order);
    if (unit == BUDDY_NONE) {
        return (struct pfn){0};
    }
    ram->mappings[unit] = 1;
    memset(&ram->written[unit], 0, (size_t)1 << order);
    if (order == HUGE_ORDER) {
        ram->huge[unit >> HUGE_ORDER] = 1;
    }
    return (struct pfn){unit};
}

void ram_share(struct ram *ram, struct pfn frame) {
    ram->mappings[head_of(ram, frame)]++;
}

void ram_drop(struct ram *ram, struct pfn frame) {
    uint32_t head = head_of(ram, frame);
    if (--ram->mappings[head] != 0) {
        return;
    }
    unsigned order = ram->huge[head >> HUGE_ORDER] ? HUGE_ORDER : 0;
    ram->huge[head >> HUGE_ORDER] = 0;
    buddy_free(&ram->buddy, head, order);
}

uint32_t ram_mappings(const struct ram *ram, struct pfn frame) {
    return ram->mappings[head_of(ram, frame)];
}

bool ram_is_huge(const struct ram *ram, struct pfn frame) {
    return ram->huge[frame.number >> HUGE_ORDER] != 0;
}

struct pfn ram_head(const struct ram *ram, struct pfn frame) {
    return (struct pfn){head_of(ram, frame)};
}

void ram_split(struct ram *ram, struct pfn head, const bool mapped[HUGE_PAGES]) {
    ram->huge[head.number >> HUGE_ORDER] = 0;
    for (uint32_t i = 0; i < HUGE_PAGES; i++) {
        uint32_t unit = (uint32_t)head.number + i;
        ram->mappings[unit] = mapped[i];
        if (!mapped[i]) {
            buddy_free(&ram->buddy, unit, 0);
        }
    }
}

uint64_t ram_free_pages(const struct ram *ram) {
    return ram->buddy.free_units;
}
