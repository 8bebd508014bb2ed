/* buddy.c - the buddy allocator (contract, picture and invariants in buddy.h).
 * Layer: pages (includes only base).
 *
 * A list element is named by its place in `links`: the heads of the orders come first, unit u
 * follows at BUDDY_ORDERS + u. An empty list is a head that links to itself. */
#include "pages/buddy.h"

#include "base/bits.h"
#include "base/check.h"

_Static_assert(BUDDY_ORDERS <= 32, "a bit of `orders` per order");
_Static_assert(sizeof(struct buddy_links) == 8, "metadata is links of 8 bytes, then bytes");

#define MAX_UNITS ((uint32_t)1 << 31)

static uint32_t block_units(unsigned order) {
    return (uint32_t)1 << order;
}

static uint32_t element_of(uint32_t unit) {
    return BUDDY_ORDERS + unit;
}

static uint32_t unit_of(uint32_t element) {
    return element - BUDDY_ORDERS;
}

static bool begins_free_block(const struct buddy *buddy, uint32_t unit, unsigned order) {
    return unit < buddy->units && buddy->order_of[unit] == order + 1;
}

size_t buddy_metadata_bytes(uint32_t units) {
    return ((size_t)units + BUDDY_ORDERS) * sizeof(struct buddy_links) + units;
}

void buddy_init(struct buddy *buddy, uint32_t units, void *metadata) {
    DEBUG_CHECK(units <= MAX_UNITS);
    DEBUG_CHECK(is_aligned((uintptr_t)metadata, sizeof(struct buddy_links)));
    struct buddy_links *links = metadata;
    *buddy = (struct buddy){
        .units = units, .links = links, .order_of = (uint8_t *)(links + BUDDY_ORDERS + units)};
    for (uint32_t order = 0; order < BUDDY_ORDERS; order++) {
        links[order] = (struct buddy_links){.next = order, .previous = order};
    }
    for (uint32_t unit = 0; unit < units; unit++) {
        buddy->order_of[unit] = 0;
    }
}

/* ---- the lists ------------------------------------------------------------------------------ */

static void put_block(struct buddy *buddy, uint32_t unit, unsigned order) {
    uint32_t element = element_of(unit);
    uint32_t next = buddy->links[order].next;
    buddy->links[element] = (struct buddy_links){.next = next, .previous = order};
    buddy->links[next].previous = element;
    buddy->links[order].next = element;
    buddy->order_of[unit] = (uint8_t)(order + 1);
    buddy->blocks[order]++;
    buddy->orders |= (uint32_t)1 << order;
    buddy->free_units += block_units(order);
}

static void take_block(struct buddy *buddy, uint32_t unit, unsigned order) {
    struct buddy_links links = buddy->links[element_of(unit)];
    buddy->links[links.previous].next = links.next;
    buddy->links[links.next].previous = links.previous;
    buddy->order_of[unit] = 0;
    if (--buddy->blocks[order] == 0) {
        buddy->orders &= ~((uint32_t)1 << order);
    }
    buddy->free_units -= block_units(order);
}

/* ---- taking --------------------------------------------------------------------------------- */

/* Halves a block already taken until it has the order wanted; upper halves become free. */
static void split_block(struct buddy *buddy, uint32_t unit, unsigned order, unsigned wanted) {
    while (order > wanted) {
        order--;
        put_block(buddy, unit + block_units(order), order);
    }
}

uint32_t buddy_alloc(struct buddy *buddy, unsigned order) {
    DEBUG_CHECK(order <= BUDDY_MAX_ORDER);
    uint32_t candidates = buddy->orders >> order;
    if (candidates == 0) {
        return BUDDY_NONE;
    }
    unsigned found = order + lowest_set_bit(candidates);
    uint32_t unit = unit_of(buddy->links[found].next);
    take_block(buddy, unit, found);
    split_block(buddy, unit, found, order);
    return unit;
}

uint32_t buddy_alloc_count(struct buddy *buddy, uint32_t count) {
    DEBUG_CHECK(count > 0);
    if (count > BUDDY_MAX_BLOCK_UNITS) {
        return BUDDY_NONE;
    }
    unsigned order = log2_ceil(count);
    uint32_t unit = buddy_alloc(buddy, order);
    if (unit != BUDDY_NONE) {
        buddy_free_range(buddy, unit + count, block_units(order) - count);
    }
    return unit;
}

/* Takes the free block that holds `first`, keeps of it what lies below `end` from `first` on, and
 * frees the rest. Returns the end of what it kept. */
static uint32_t claim_from_block(struct buddy *buddy, uint32_t first, uint32_t end) {
    unsigned order = 0;
    uint32_t block = buddy_find(buddy, first, &order);
    uint32_t block_end = block + block_units(order);
    uint32_t kept_end = block_end < end ? block_end : end;
    take_block(buddy, block, order);
    buddy_free_range(buddy, block, first - block);
    buddy_free_range(buddy, kept_end, block_end - kept_end);
    return kept_end;
}

bool buddy_claim(struct buddy *buddy, uint32_t first, uint32_t count) {
    if (!buddy_is_free(buddy, first, count)) {
        return false;
    }
    uint32_t end = first + count;
    while (first < end) {
        first = claim_from_block(buddy, first, end);
    }
    return true;
}

/* ---- giving --------------------------------------------------------------------------------- */

void buddy_free(struct buddy *buddy, uint32_t first, unsigned order) {
    DEBUG_CHECK(order <= BUDDY_MAX_ORDER && is_aligned(first, block_units(order)));
    DEBUG_CHECK(first < buddy->units && block_units(order) <= buddy->units - first);
    DEBUG_CHECK(buddy_find(buddy, first, &(unsigned){0}) == BUDDY_NONE);
    while (order < BUDDY_MAX_ORDER) {
        uint32_t other = first ^ block_units(order);
        if (!begins_free_block(buddy, other, order)) {
            break;
        }
        take_block(buddy, other, order);
        first &= ~block_units(order);
        order++;
    }
    put_block(buddy, first, order);
}

/* The largest block that may begin at `first` and ends within count units. */
static unsigned order_at(uint32_t first, uint32_t count) {
    unsigned order = log2_floor(count);
    unsigned aligned = first == 0 ? BUDDY_MAX_ORDER : lowest_set_bit(first);
    order = order < aligned ? order : aligned;
    return order < BUDDY_MAX_ORDER ? order : BUDDY_MAX_ORDER;
}

void buddy_free_range(struct buddy *buddy, uint32_t first, uint32_t count) {
    while (count > 0) {
        unsigned order = order_at(first, count);
        buddy_free(buddy, first, order);
        first += block_units(order);
        count -= block_units(order);
    }
}

void buddy_add(struct buddy *buddy, uint32_t first, uint32_t count) {
    DEBUG_CHECK(first <= buddy->units && count <= buddy->units - first);
    buddy->added_units += count;
    buddy_free_range(buddy, first, count);
}

void buddy_pass(struct buddy *from, struct buddy *to, uint32_t first, uint32_t count) {
    DEBUG_CHECK(from->units == to->units && count <= from->added_units);
    from->added_units -= count;
    to->added_units += count;
    for (uint32_t end = first + count; first < end;) {
        unsigned order = 0;
        if (buddy_find(from, first, &order) == BUDDY_NONE) {
            first++;
            continue;
        }
        uint32_t rest_end = claim_from_block(from, first, end);
        buddy_free_range(to, first, rest_end - first);
        first = rest_end;
    }
}

/* ---- asking --------------------------------------------------------------------------------- */

uint32_t buddy_find(const struct buddy *buddy, uint32_t unit, unsigned *order) {
    for (unsigned k = 0; k < BUDDY_ORDERS; k++) {
        uint32_t block = unit & ~(block_units(k) - 1);
        if (begins_free_block(buddy, block, k)) {
            *order = k;
            return block;
        }
    }
    return BUDDY_NONE;
}

bool buddy_is_free(const struct buddy *buddy, uint32_t first, uint32_t count) {
    if (first > buddy->units || count > buddy->units - first) {
        return false;
    }
    uint32_t end = first + count;
    while (first < end) {
        unsigned order = 0;
        uint32_t block = buddy_find(buddy, first, &order);
        if (block == BUDDY_NONE) {
            return false;
        }
        first = block + block_units(order);
    }
    return true;
}

int buddy_largest_order(const struct buddy *buddy) {
    return buddy->orders == 0 ? -1 : (int)log2_floor(buddy->orders);
}

/* ---- audit ---------------------------------------------------------------------------------- */

/* One list: links whole, elements of this order, as many as counted (I3). */
static const char *audit_list(const struct buddy *buddy, unsigned order) {
    uint32_t elements = element_of(buddy->units);
    uint32_t count = 0;
    uint32_t previous = order;
    for (uint32_t at = buddy->links[order].next; at != order; at = buddy->links[at].next) {
        if (at >= elements || at < BUDDY_ORDERS) {
            return "buddy: a list links to no unit";
        }
        if (buddy->links[at].previous != previous) {
            return "buddy: a list's backward link is broken";
        }
        if (!begins_free_block(buddy, unit_of(at), order)) {
            return "buddy: a list holds a block that is not free of its order";
        }
        if (++count > buddy->blocks[order]) {
            return "buddy: a list is longer than its count";
        }
        previous = at;
    }
    if (buddy->links[order].previous != previous || count != buddy->blocks[order]) {
        return "buddy: a list is shorter than its count";
    }
    bool marked = (buddy->orders >> order & 1) != 0;
    return marked == (count > 0) ? NULL : "buddy: the mask of orders is wrong";
}

/* One free block by the unit bytes: aligned, inside, alone in its units, no free buddy (I1, I2). */
static const char *audit_block(const struct buddy *buddy, uint32_t unit, unsigned order) {
    if (order > BUDDY_MAX_ORDER || !is_aligned(unit, block_units(order))) {
        return "buddy: a free block is not aligned to its order";
    }
    if (block_units(order) > buddy->units - unit) {
        return "buddy: a free block reaches beyond the end";
    }
    for (uint32_t inside = unit + 1; inside < unit + block_units(order); inside++) {
        if (buddy->order_of[inside] != 0) {
            return "buddy: free blocks overlap";
        }
    }
    if (order < BUDDY_MAX_ORDER && begins_free_block(buddy, unit ^ block_units(order), order)) {
        return "buddy: two free buddies were not merged";
    }
    return NULL;
}

/* All unit bytes: as many free blocks as the lists hold, free_units their sum (I3, I4, I5). */
static const char *audit_units(const struct buddy *buddy) {
    uint32_t blocks[BUDDY_ORDERS] = {0};
    uint32_t free_units = 0;
    for (uint32_t unit = 0; unit < buddy->units; unit++) {
        if (buddy->order_of[unit] == 0) {
            continue;
        }
        unsigned order = buddy->order_of[unit] - 1u;
        const char *broken = audit_block(buddy, unit, order);
        if (broken != NULL) {
            return broken;
        }
        blocks[order]++;
        free_units += block_units(order);
        unit += block_units(order) - 1;
    }
    for (unsigned order = 0; order < BUDDY_ORDERS; order++) {
        if (blocks[order] != buddy->blocks[order]) {
            return "buddy: a free block is on no list";
        }
    }
    if (free_units != buddy->free_units) {
        return "buddy: free_units is not the sum of the free blocks";
    }
    return free_units <= buddy->added_units ? NULL : "buddy: more units free than were added";
}

const char *buddy_audit(const struct buddy *buddy) {
    for (unsigned order = 0; order < BUDDY_ORDERS; order++) {
        const char *broken = audit_list(buddy, order);
        if (broken != NULL) {
            return broken;
        }
    }
    return audit_units(buddy);
}
