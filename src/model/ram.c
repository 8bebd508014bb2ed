/* ram.c - the frames that user pages lie in.
 * Layer: model (includes base). */
#include "model/ram.h"

#include <errno.h>
#include <string.h>

int ram_init(struct ram *ram, struct frames *frames, uint64_t swap_slots,
             struct model_memory *memory) {
    size_t pages = frames->pages;
    *ram = (struct ram){
        .frames = frames,
        .mappings = model_alloc_range(memory, pages * sizeof *ram->mappings),
        .huge = model_alloc_range(memory, (pages >> HUGE_ORDER) + 1),
        .middle = model_alloc_range(memory, pages),
        .state = model_alloc_range(memory, pages),
        .owners = model_alloc_range(memory, pages * sizeof *ram->owners),
    };
    bool made = ram->mappings != NULL && ram->huge != NULL && ram->middle != NULL &&
                ram->state != NULL && ram->owners != NULL;
    int error = made ? lru_init(&ram->lru, pages, memory) : -ENOMEM;
    return error < 0 ? error : swap_init(&ram->swap, swap_slots, pages, memory);
}

static uint32_t head_of(const struct ram *ram, struct pfn frame) {
    uint32_t unit = (uint32_t)frame.number;
    return ram->huge[unit >> HUGE_ORDER] ? unit & ~(uint32_t)(HUGE_PAGES - 1) : unit;
}

struct pfn ram_take(struct ram *ram, unsigned order, struct frame_owner owner, enum lru_list list) {
    struct pfn head = frames_take(ram->frames, 0, order, FRAME_MOVABLE, FRAME_ORDINARY);
    if (head.number == 0) {
        return head;
    }
    ram->mappings[head.number] = 1;
    memset(&ram->state[head.number], 0, (size_t)1 << order);
    ram->owners[head.number] = owner;
    if (order == HUGE_ORDER) {
        ram->huge[head.number >> HUGE_ORDER] = 1;
    }
    lru_put_first(&ram->lru, list, head, (uint64_t)1 << order);
    return head;
}

struct pfn ram_take_middle(struct ram *ram, unsigned order, struct frame_owner owner,
                           enum lru_list list) {
    struct pfn head = frames_take(ram->frames, 0, order, FRAME_MOVABLE, FRAME_ORDINARY);
    for (uint64_t i = 0; head.number != 0 && i < (uint64_t)1 << order; i++) {
        struct pfn frame = {head.number + i};
        ram->mappings[frame.number] = 0;
        ram->state[frame.number] = 0;
        ram->middle[frame.number] = (uint8_t)order;
        ram->owners[frame.number] = (struct frame_owner){owner.file, owner.index + i};
        lru_put_first(&ram->lru, list, frame, 1);
    }
    return head;
}

void ram_give(struct ram *ram, struct pfn head) {
    ram->middle[head.number] = 0;
    unsigned order = ram->huge[head.number >> HUGE_ORDER] ? HUGE_ORDER : 0;
    if (swap_slot_of(&ram->swap, head) != 0) {
        swap_uncache(&ram->swap, head);
    }
    lru_take(&ram->lru, head, (uint64_t)1 << order);
    ram->huge[head.number >> HUGE_ORDER] = 0;
    frames_give(ram->frames, 0, head, order);
}

void ram_share(struct ram *ram, struct pfn frame) {
    ram->mappings[head_of(ram, frame)]++;
}

void ram_drop(struct ram *ram, struct pfn frame) {
    struct pfn head = {head_of(ram, frame)};
    if (--ram->mappings[head.number] != 0) {
        return;
    }
    swap_slot slot = swap_slot_of(&ram->swap, head);
    if (slot == 0 || swap_entries(&ram->swap, slot) == 0) {
        ram_give(ram, head);
    }
}

void ram_drop_slot(struct ram *ram, swap_slot slot) {
    struct pfn copy = swap_frame_of(&ram->swap, slot);
    swap_drop(&ram->swap, slot);
    bool unused = copy.number != 0 && swap_entries(&ram->swap, slot) == 0;
    if (unused && ram->mappings[copy.number] == 0) {
        ram_give(ram, copy);
    }
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

struct folio ram_folio_of(const struct ram *ram, struct pfn frame) {
    uint8_t middle = ram->middle[frame.number];
    uint64_t pages = ram_is_huge(ram, frame) ? HUGE_PAGES : (uint64_t)1 << middle;
    return (struct folio){{frame.number & ~(pages - 1)}, pages, middle};
}

bool ram_folio_has(const struct ram *ram, const struct folio *folio, struct pfn frame) {
    return frame.number - folio->head.number < folio->pages &&
           ram->middle[frame.number] == folio->middle;
}

uint32_t ram_folio_mappings(const struct ram *ram, const struct folio *folio) {
    if (ram_is_huge(ram, folio->head)) {
        return ram_mappings(ram, folio->head);
    }
    uint32_t mappings = 0;
    for (uint64_t i = 0; i < folio->pages; i++) {
        struct pfn frame = {folio->head.number + i};
        mappings += ram_folio_has(ram, folio, frame) ? ram->mappings[frame.number] : 0;
    }
    return mappings;
}

void ram_part(struct ram *ram, const struct folio *folio) {
    for (uint64_t i = 0; i < folio->pages; i++) {
        struct pfn frame = {folio->head.number + i};
        if (ram_folio_has(ram, folio, frame)) {
            ram->middle[frame.number] = 0;
        }
    }
}

void ram_split(struct ram *ram, struct pfn head, const uint32_t mappings[HUGE_PAGES]) {
    enum lru_list list = lru_list_of(&ram->lru, head);
    struct frame_owner owner = ram->owners[head.number];
    uint8_t lazy = ram->state[head.number] & FRAME_LAZY;
    lru_take(&ram->lru, head, HUGE_PAGES);
    ram->huge[head.number >> HUGE_ORDER] = 0;
    for (uint32_t i = 0; i < HUGE_PAGES; i++) {
        struct pfn frame = {head.number + i};
        ram->mappings[frame.number] = mappings[i];
        if (mappings[i] == 0) {
            frames_give(ram->frames, 0, frame, 0);
            continue;
        }
        ram->owners[frame.number] = (struct frame_owner){owner.file, owner.index + i};
        ram_set(ram, frame, lazy);
        lru_put_last(&ram->lru, list, frame, 1);
    }
}

void ram_move_first(struct ram *ram, struct pfn head, enum lru_list list) {
    lru_take(&ram->lru, head, ram_pages(ram, head));
    lru_put_first(&ram->lru, list, head, ram_pages(ram, head));
}

void ram_move_last(struct ram *ram, struct pfn head, enum lru_list list) {
    lru_take(&ram->lru, head, ram_pages(ram, head));
    lru_put_last(&ram->lru, list, head, ram_pages(ram, head));
}

uint64_t ram_free_pages(const struct ram *ram) {
    return frames_free_pages(ram->frames);
}
