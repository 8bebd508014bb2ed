/* ram.c - the frames that user pages lie in.
 * Layer: model (includes base). */
#include "model/ram.h"

#include <errno.h>
#include <string.h>

int ram_init(struct ram *ram, struct frames *frames, struct model_memory *memory) {
    size_t pages = frames->pages;
    ram->frames = frames;
    ram->mappings = model_alloc_range(memory, pages * sizeof *ram->mappings);
    ram->huge = model_alloc_range(memory, (pages >> HUGE_ORDER) + 1);
    ram->written = model_alloc_range(memory, pages);
    bool made = ram->mappings != NULL && ram->huge != NULL && ram->written != NULL;
    return made ? 0 : -ENOMEM;
}

static uint32_t head_of(const struct ram *ram, struct pfn frame) {
    uint32_t unit = (uint32_t)frame.number;
    return ram->huge[unit >> HUGE_ORDER] ? unit & ~(uint32_t)(HUGE_PAGES - 1) : unit;
}

struct pfn ram_take(struct ram *ram, unsigned order) {
    uint32_t unit =
        (uint32_t)frames_take(ram->frames, 0, order, FRAME_MOVABLE, FRAME_ORDINARY).number;
    if (unit == 0) {
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
    frames_give(ram->frames, 0, (struct pfn){head}, order);
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
            frames_give(ram->frames, 0, (struct pfn){unit}, 0);
        }
    }
}

uint64_t ram_free_pages(const struct ram *ram) {
    return frames_free_pages(ram->frames);
}
