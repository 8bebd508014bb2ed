/* buddy.h - the buddy allocator, pure: it hands out numbers and touches nothing that it manages.
 * Layer: pages (includes only base).
 *
 * Units are numbered 0 .. units - 1. A block of order k is 2^k units, its first a multiple of 2^k.
 * The buddy of a block is the other half of the block of order k + 1 that holds it; its first unit
 * differs in bit k alone. A free block whose buddy is free and of the same order merges with it; a
 * block larger than wanted is halved, the lower half used, the upper half freed.
 *
 *      order 2   |       0       |       4       |
 *      order 1   |   0   |   2   |   4   |   6   |     buddy of 4 at order 1: 4 ^ 2 = 6
 *      order 0   | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 |
 *
 * What a unit is (a granule of memory, a page frame), where new memory comes from and who owns
 * what is handed out is the caller's business. Nothing is free at first: buddy_add puts ranges in.
 * A block, once handed out, may come back in other pieces, and pieces of several together.
 *
 * I1: free blocks do not overlap, and every one is wholly within [0, units).
 * I2: no two free blocks of the same order below BUDDY_MAX_ORDER are buddies.
 * I3: the list of an order holds exactly its free blocks; bit k of `orders` says it is not empty.
 * I4: free_units is the sum over the free blocks.
 * I5: free_units + (units handed out or claimed) = added_units.
 *
 * Each order has one list, last freed first taken; a user who wants several classes of memory has
 * one buddy for each. Cost: alloc and free O(orders), no search. Not thread-safe: callers lock.
 * Source: Knowlton, CACM 8(10), 1965; Knuth, The Art of Computer Programming 1, section 2.5,
 * algorithms R and S; the orders and names are those of Linux. */
#ifndef ARENITE_PAGES_BUDDY_H
#define ARENITE_PAGES_BUDDY_H

#include "base/compiler.h"

#define BUDDY_MAX_ORDER 10
#define BUDDY_ORDERS (BUDDY_MAX_ORDER + 1)
#define BUDDY_MAX_BLOCK_UNITS ((uint32_t)1 << BUDDY_MAX_ORDER)
#define BUDDY_NONE UINT32_MAX

/* Links of one circular list element: a free block's first unit, or the head of an order's list. */
struct buddy_links {
    uint32_t next;
    uint32_t previous;
};

struct buddy {
    uint32_t units;
    uint32_t orders;               /* bit k: the list of order k is not empty */
    struct buddy_links *links;     /* the BUDDY_ORDERS list heads, then one per unit */
    uint8_t *order_of;             /* per unit: 1 + order where a free block begins, else 0 */
    uint32_t blocks[BUDDY_ORDERS]; /* free blocks per order */
    uint32_t free_units;
    uint32_t added_units;
};

/* Bytes of metadata that buddy_init needs for so many units (at most 2^31). */
size_t buddy_metadata_bytes(uint32_t units);

/* metadata: so many bytes, aligned to 8, of any contents; it stays the caller's. Only the heads and
 * the byte per unit are written, so that the links of units not yet added stay untouched. */
void buddy_init(struct buddy *buddy, uint32_t units, void *metadata);

/* Puts the units [first, first + count) under management, free. They must not have been. */
void buddy_add(struct buddy *buddy, uint32_t first, uint32_t count);

/* Takes a block of an order; its first unit, or BUDDY_NONE. */
uint32_t buddy_alloc(struct buddy *buddy, unsigned order);

/* Takes count consecutive units: the block of the smallest order that holds them, whose tail is
 * given back at once. count > 0; BUDDY_NONE also when count exceeds the largest block. */
uint32_t buddy_alloc_count(struct buddy *buddy, uint32_t count);

/* Takes exactly [first, first + count) out of the free blocks; false, with nothing changed, when
 * not all of it is free. */
bool buddy_claim(struct buddy *buddy, uint32_t first, uint32_t count);

/* Gives back a block, or any range of units that were handed out. */
void buddy_free(struct buddy *buddy, uint32_t first, unsigned order);
void buddy_free_range(struct buddy *buddy, uint32_t first, uint32_t count);

/* Passes the units [first, first + count), which are under `from`'s management, to another buddy
 * over as many units: the free ones are free there, the others will come back there. */
void buddy_pass(struct buddy *from, struct buddy *to, uint32_t first, uint32_t count);

/* First unit of the free block that holds a unit, and its order; BUDDY_NONE when it is not free,
 * *order then untouched. */
uint32_t buddy_find(const struct buddy *buddy, uint32_t unit, unsigned *order);

/* True when every unit of [first, first + count) is free. */
bool buddy_is_free(const struct buddy *buddy, uint32_t first, uint32_t count);

/* The highest order that has a free block, or -1. */
int buddy_largest_order(const struct buddy *buddy);

/* Recounts everything from lists and unit bytes; NULL, or the first broken invariant. */
const char *buddy_audit(const struct buddy *buddy);

#endif
