/* slab.c - see slab.h.
 * Layer: slab (includes base, os, pages). */
#include "slab/slab.h"

#include "os/os.h"
#include "os/report.h"
#include "slab/holes.h"

/* Stands for the guard of a slab that has none; at offset 0, where its address is looked at. */
static struct slot no_slot;
#define NO_SLOT (SLAB_CHECKS ? &no_slot : NULL)

struct slab slab_none = {
    .free = NO_SLOT,
    .start = (uintptr_t)NO_SLOT,
    .tag = 1, /* no_slot never carries it */
    .mark = 1,
};

/* live * SLAB_GROUPS / (capacity + 1), without the division. */
unsigned slab_group_of(const struct slab *slab) {
    unsigned group = 0, live = slab_live(slab) * SLAB_GROUPS;
    for (unsigned next = slab->capacity + 1u; live >= next && group < SLAB_GROUPS - 1;) {
        live -= next;
        group++;
    }
    return group;
}

/* Told when live falls to this number: the largest that belongs to the next emptier group. */
int32_t slab_group_floor(const struct slab *slab, unsigned group) {
    uint32_t first = (group * (slab->capacity + 1u) + SLAB_GROUPS - 1) / SLAB_GROUPS;
    return first == 0 ? 0 : (int32_t)first - 1;
}

static uint64_t mix(uint64_t value) {
    value = (value ^ (value >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ (value >> 27)) * UINT64_C(0x94d049bb133111eb);
    return value ^ (value >> 31);
}

static uint64_t inverse_of(uint32_t slot_bytes) {
    return (UINT64_MAX / slot_bytes + 1) | 1;
}

/* 0 < error <= 2 * slot_bytes: what slot 1's product is. */
static uint64_t inverse_error(const struct slab *slab) {
    return slab->inverse * slab->slot_bytes;
}

void slab_format(struct slab *slab, size_t class_index, uint64_t seed) {
    uint64_t mixed = mix(seed ^ (uint64_t)slab->start);
    size_t colour = slab->start / class_span_bytes(class_index) % class_colours(class_index);
    struct slot *guard = (struct slot *)slab->start;
    slab->origin =
        slab->start + class_first_offset(class_index) + colour * class_alignment(class_index);
    memset(guard, 0, slab->origin - slab->start);
    slab->slot_bytes = (uint32_t)class_bytes(class_index);
    slab->span_bytes = (uint32_t)class_span_bytes(class_index);
    slab->inverse = inverse_of(slab->slot_bytes);
    slab->class_index = (uint16_t)class_index;
    slab->capacity = (uint16_t)class_capacity(class_index);
    slab->free = guard;
    slab->carved = 0;
    slab->is_zero = false;
    slab->limit = 0;
    slab->tag = (uint32_t)mixed | 1;
    slab->mark = slab->tag;
    slab->until = 0;
    slab->floor = 0;
}

/* Slots to carve this time: to the end of the page that the next one starts in; one at least. */
static size_t carve_count(const struct slab *slab) {
    uintptr_t next = slab->origin + slab_carved_bytes(slab);
    uintptr_t page_end = align_down(next, os_page_bytes()) + os_page_bytes();
    size_t whole = (page_end - next) / slab->slot_bytes;
    size_t left = (size_t)slab->capacity - slab->carved;
    size_t count = whole != 0 ? whole : 1;
    return count < left ? count : left;
}

/* Linked in ascending order in front of what the list held. */
void slab_carve(struct slab *slab) {
    size_t count = carve_count(slab);
    uintptr_t first = slab->origin + slab_carved_bytes(slab);
    uintptr_t after = (uintptr_t)slab->free;
    for (uintptr_t at = first + count * slab->slot_bytes; at != first;) {
        at -= slab->slot_bytes;
        struct slot *slot = (struct slot *)at;
        if (slab->is_zero) {
            slot_set_next_fresh(slot, after);
        } else {
            slot_set_next(slot, after);
        }
        slot_set_tag(slot, slab->tag);
        after = at;
    }
    slab->carved = (uint16_t)(slab->carved + count);
    __atomic_store_n(&slab->limit, slab->carved * inverse_error(slab), __ATOMIC_RELAXED);
    compiler_fence();
    slab->free = (struct slot *)first;
}

void slab_report_damage(const struct slab *slab) {
    report_misuse("corrupted free list of a slab: a freed block was written to", slab->free);
}

static const struct slot *next_of(const struct slab *slab, const struct slot *slot) {
    return slab_next_slot(slab, slot);
}

static bool is_list_slot(const struct slab *slab, const struct slot *slot) {
    return slab_is_slot(slab, slot) && slab_tag_is_right(slab, slot);
}

bool slab_list_holds(const struct slab *slab, const struct slot *slot) {
    const struct slot *at = slab->free;
    for (uint32_t steps = 0; (uintptr_t)at != slab->start; steps++, at = next_of(slab, at)) {
        if (at == slot) {
            return true;
        }
        if (!is_list_slot(slab, at) || steps > slab->capacity) {
            report_corruption("corrupted free list of a slab: a freed block was written to", at);
        }
    }
    return false;
}

/* No list word looks like this: it would lead from a slot to itself. */
static uint32_t travelling_mark(const struct slot *slot) {
    return (uint32_t)(uintptr_t)slot;
}

void slab_mark_travelling(const struct slab *slab, struct slot *slot) {
    slot_set_tag(slot, slab->mark);
    slot->next = travelling_mark(slot);
}

bool slab_is_travelling(const struct slab *slab, const struct slot *slot) {
    return slab_tag_is_right(slab, slot) && slot->next == travelling_mark(slot);
}

bool slab_seems_listed(const struct slab *slab, const struct slot *slot) {
    size_t span_bytes = class_span_bytes(slab->class_index); /* the owner's line is not read here */
    uintptr_t start = align_down(slab->origin, span_bytes);
    size_t next = slot->next & (span_bytes - 1);
    return slab_is_travelling(slab, slot) || next == 0 ||
           slab_is_slot(slab, (const void *)(start + next));
}

void slab_recount(struct slab *slab) {
    uint32_t free_slots = 0;
    for (const struct slot *at = slab->free; (uintptr_t)at != slab->start; at = next_of(slab, at)) {
        if (!is_list_slot(slab, at) || ++free_slots > slab->capacity) {
            slab->free = (struct slot *)slab->start; /* torn: what was in the list is lost */
            free_slots = 0;
            break;
        }
    }
    slab->floor = 0;
    slab->until = (int32_t)((uint32_t)(slab->carved) - free_slots - slab_hidden(slab));
}

/* Of whole words. */
static bool is_all_zero(uintptr_t start, size_t bytes) {
    const uint64_t *words = (const uint64_t *)start;
    size_t i = 0;
    while (i < bytes / sizeof *words && words[i] == 0) {
        i++;
    }
    return i == bytes / sizeof *words;
}

/* A fresh slot is what its word says, of a slab that knows what it was cut from. */
static bool is_truly_fresh(const struct slab *slab, const struct slot *slot) {
    size_t links = offsetof(struct slot, next_remote);
    return slab->is_zero && is_all_zero((uintptr_t)slot + links, slab->slot_bytes - links);
}

static bool is_guard_whole(const struct slab *slab) {
    return is_all_zero(slab->start, slab->origin - slab->start);
}

const struct slot *slab_find_damage(const struct slab *slab, size_t *budget) {
    const struct slot *guard = (const struct slot *)slab->start;
    uint32_t free_slots = 0;
    if (!is_guard_whole(slab)) {
        return guard;
    }
    for (const struct slot *at = slab->free; at != guard; at = next_of(slab, at)) {
        if (!is_list_slot(slab, at) || (slot_is_fresh(at) && !is_truly_fresh(slab, at))) {
            return at;
        }
        if (*budget == 0) {
            return NULL;
        }
        (*budget)--;
        free_slots++;
    }
    return free_slots + slab_hidden(slab) + slab_live(slab) == slab->carved ? NULL : guard;
}

const char *slab_audit(const struct slab *slab) {
    const struct slot *guard = (const struct slot *)slab->start;
    uint32_t free_slots = 0;
    for (const struct slot *at = slab->free; at != guard; at = next_of(slab, at)) {
        if (!is_list_slot(slab, at)) {
            return "a slab's list holds something that is no free slot";
        }
        if (++free_slots > slab->capacity) {
            return "a slab's list is circular";
        }
        if (slot_is_fresh(at) && !is_truly_fresh(slab, at)) {
            return "a slot that was never handed out is not zero";
        }
    }
    if (!is_guard_whole(slab)) {
        return "what lies in front of a slab's slots was written to";
    }
    if (slab->tag != slab->mark) {
        return "a slab's tag is not its mark";
    }
    if (free_slots + slab_hidden(slab) + slab_live(slab) != slab->carved) {
        return "a slab's live and free slots do not add up";
    }
    return NULL;
}
