/* slab.c - see slab.h.
 * Layer: slab (includes base, os, pages). */
#include "slab/slab.h"

#include "os/chance.h"
#include "os/report.h"
#include "slab/holes.h"
#include "slab/mark.h"

_Alignas(SLOT_STEP_BYTES) struct slot slot_end = {.next = 1};
struct slot_secrets slot_secrets = {0, 1};

struct slab slab_none = {.own = {.head = &slot_end}};

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

static uint64_t inverse_of(uint32_t slot_bytes) {
    return (UINT64_MAX / slot_bytes + 1) | 1;
}

/* 0 < error <= 2 * slot_bytes: what slot 1's product is. */
static uint64_t inverse_error(const struct slab *slab) {
    return slab->inverse * slab->slot_bytes;
}

void slab_format(struct slab *slab, size_t class_index) {
    size_t colour = slab->start / class_span_bytes(class_index) % class_colours(class_index);
    struct slot *guard = (struct slot *)slab->start;
    slab->own.head = &slot_end;
    slab->carved = 0;
    slab->limit = 0;
    slab->own.until = 0;
    slab->own.floor = 0;
    compiler_fence(); /* left between here and the end, it is known to be empty */
    slab->origin =
        slab->start + class_first_offset(class_index) + colour * class_alignment(class_index);
    memset(guard, 0, slab->origin - slab->start);
    slab->slot_bytes = (uint32_t)class_bytes(class_index);
    slab->span_bytes = (uint32_t)class_span_bytes(class_index);
    slab->inverse = inverse_of(slab->slot_bytes);
    slab->class_index = (uint16_t)class_index;
    slab->capacity = (uint16_t)class_capacity(class_index);
    slab->is_zero = false;
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

void slab_format_bare(struct slab *slab, size_t count) {
    slab->origin = slab->start;
    slab->slot_bytes = SLAB_STEP_BYTES;
    slab->span_bytes = (uint32_t)(count * SLAB_STEP_BYTES);
    slab->inverse = inverse_of(slab->slot_bytes);
    slab->class_index = 1;
    slab->capacity = slab->carved = (uint16_t)count;
    slab->own = (struct slot_list){.head = &slot_end, .until = (int32_t)count};
    slab->list = &slab->own;
    slab->state = SLAB_FULL;
    slab->limit = slab->carved * inverse_error(slab);
}

/* Links fresh slots in ascending order in front of `after`; returns the first. */
static struct slot *link_in_order(const struct slab *slab, uintptr_t first, size_t count,
                                  struct slot *after) {
    uintptr_t flag = slab->is_zero ? SLOT_FRESH : 0;
    for (uintptr_t at = first + count * slab->slot_bytes; at != first;) {
        at -= slab->slot_bytes;
        slot_set_next((struct slot *)at, after, flag);
        after = (struct slot *)at;
    }
    return after;
}

/* Slots whose order among one another is chance; those of a window stay together, which the
 * processor's prefetching lives on. */
#define CHANCE_WINDOW ((size_t)8)

/* Which slot of its window comes at this place: any odd factor and any mask make all of them come,
 * of a whole window; else they go round. */
INLINE size_t order_by_chance(size_t place, size_t window, uint64_t chance) {
    size_t factor = (chance & 7) | 1, mask = chance >> 3 & 7;
    return window == CHANCE_WINDOW ? (place * factor ^ mask) % CHANCE_WINDOW
                                   : (place + mask) % window;
}

/* The same with each window in an order of its own. What lies there may be another class's, and so
 * may the marks. */
static struct slot *link_by_chance(const struct slab *slab, uintptr_t first, size_t count,
                                   struct slot *after) {
    static struct chance chance;
    memset(slab_marks(slab) + slab->carved, 0, count * sizeof(struct slot_mark));
    if (!slab->is_zero) {
        memset((void *)first, 0, count * slab->slot_bytes);
    }
    for (size_t past = count; past != 0;) {
        size_t window = (past - 1) % CHANCE_WINDOW + 1;
        uint64_t drawn = chance_next(&chance);
        past -= window;
        for (size_t place = 0; place < window; place++) {
            size_t index = past + order_by_chance(place, window, drawn);
            struct slot *slot = (struct slot *)(first + index * slab->slot_bytes);
            slot_set_next(slot, after, slab->is_zero ? SLOT_FRESH : 0);
            after = slot;
        }
    }
    return after;
}

void slab_carve(struct slab *slab) {
    size_t count = carve_count(slab);
    uintptr_t first = slab->origin + slab_carved_bytes(slab);
    struct slot *after = UNLIKELY(slab_has_marks(slab))
                             ? link_by_chance(slab, first, count, slab->own.head)
                             : link_in_order(slab, first, count, slab->own.head);
    slab->carved = (uint16_t)(slab->carved + count);
    __atomic_store_n(&slab->limit, slab->carved * inverse_error(slab), __ATOMIC_RELAXED);
    compiler_fence();
    slab->own.head = after;
}

void slab_report_damage(const struct slab *slab) {
    report_misuse("corrupted free list of a slab: a freed block was written to", slab->own.head);
}

static bool is_list_slot(const struct slab *slab, const struct slot *slot) {
    return slab_is_slot(slab, slot) && slot_tag_is_right(slot) && slot_is_intact(slot);
}

bool slab_list_holds(const struct slab *slab, const struct slot *slot) {
    const struct slot *at = slab->own.head;
    for (uint32_t steps = 0; at != &slot_end; steps++, at = slot_next(at)) {
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

void slot_mark_travelling(struct slot *slot) {
    slot_set_tag(slot, slot_secrets.tag);
    slot->next = travelling_mark(slot);
}

bool slot_is_travelling(const struct slot *slot) {
    return slot_tag_is_right(slot) && slot->next == travelling_mark(slot);
}

bool slot_seems_listed(const struct slot *slot) {
    return slot_looks_free(slot) && (slot_is_intact(slot) || slot_is_travelling(slot));
}

/* Carving may have been left after it wrote to slots that do not count as carved yet. */
static void clear_next(const struct slab *slab) {
    struct slot *next = (struct slot *)(slab->origin + slab_carved_bytes(slab));
    if (slab->is_zero && slab_can_carve(slab) && (next->word != 0 || next->link != NULL)) {
        *next = (struct slot){.word = 0};
    }
}

void slab_recount(struct slab *slab) {
    uint32_t free_slots = 0;
    for (const struct slot *at = slab->own.head; at != &slot_end; at = slot_next(at)) {
        if (!is_list_slot(slab, at) || ++free_slots > slab->capacity) {
            slab->own.head = &slot_end; /* torn: what was in the list is lost */
            free_slots = 0;
            break;
        }
    }
    slab->own.floor = 0;
    slab->own.until = (int32_t)((uint32_t)(slab->carved) - free_slots - slab_hidden(slab));
    clear_next(slab);
}

/* Of whole words. */
static bool is_all_zero(uintptr_t start, size_t bytes) {
    const uint32_t *words = (const uint32_t *)start;
    size_t i = 0;
    while (i < bytes / sizeof *words && words[i] == 0) {
        i++;
    }
    return i == bytes / sizeof *words;
}

/* A fresh slot is what its word says, of a slab that knows what it was cut from. */
static bool is_truly_fresh(const struct slab *slab, const struct slot *slot) {
    size_t words = sizeof *slot;
    return slab->is_zero && is_all_zero((uintptr_t)slot + words, slab->slot_bytes - words);
}

static bool is_guard_whole(const struct slab *slab) {
    return is_all_zero(slab->start, slab->origin - slab->start);
}

/* What lies behind the last carved slot, as far as a short overflow of that one reaches. */
#define LOOK_BEHIND_BYTES ((size_t)64)
static bool is_rest_whole(const struct slab *slab) {
    uintptr_t rest = slab->origin + slab_carved_bytes(slab);
    size_t bytes = slab->slot_bytes < LOOK_BEHIND_BYTES ? slab->slot_bytes : LOOK_BEHIND_BYTES;
    return !slab->is_zero || !slab_can_carve(slab) || is_all_zero(rest, bytes);
}

const struct slot *slab_find_damage(const struct slab *slab, size_t *budget) {
    const struct slot *guard = (const struct slot *)slab->start;
    uint32_t free_slots = 0;
    if (!is_guard_whole(slab)) {
        return guard;
    }
    if (!is_rest_whole(slab)) {
        return (const struct slot *)(slab->origin + slab_carved_bytes(slab));
    }
    for (const struct slot *at = slab->own.head; at != &slot_end; at = slot_next(at)) {
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
    uint32_t free_slots = 0;
    for (const struct slot *at = slab->own.head; at != &slot_end; at = slot_next(at)) {
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
    if (free_slots + slab_hidden(slab) + slab_live(slab) != slab->carved) {
        return "a slab's live and free slots do not add up";
    }
    return NULL;
}
