/* maple_node.h - the nodes of a maple tree: 256 bytes, four cache lines.
 * Layer: model (includes base).
 *
 * A node covers a range of indices, both ends included, and cuts it into up to 16 (leaf) or 10
 * (inner) slots. Pivot i is the last index of slot i; the last slot of all ends where the node
 * ends, which its parent knows, so one pivot less than slots is enough:
 *
 *      node [100, 499]   pivot   199   299   499                  unused pivots: all bits set
 *                        slot    A     -     B                    - is NULL: nothing there
 *                        range   100-199     300-499
 *                                      200-299
 *
 * An inner node also knows, per child, the largest range without an entry that lies in one leaf.
 *
 * Child pointers carry the child's kind in bits 3-6, so that a reader needs no look at the header
 * of a node that may just be retired.
 *
 * N1: pivots increase strictly; the last used slot's pivot, where there is one, is the node's last
 *     index; those behind it are MAPLE_LAST.
 * N2: readers may be in any node that was published. It changes by the store of one slot only;
 *     pivots never change. Gaps and header are the writer's alone.
 *
 * Against the kernel's node of the same size: the word in front holds no way to the parent, because
 * writers remember their way down, and the number of slots in use lies there instead of in the last
 * slot. Source: Howlett, Wilcox, "The Maple Tree, a modern data structure for a complex problem",
 * 2021; the kernel's layout as in Documentation/core-api/maple_tree.rst. */
#ifndef ARENITE_MODEL_MAPLE_NODE_H
#define ARENITE_MODEL_MAPLE_NODE_H

#include "base/check.h"

#define MAPLE_NODE_BYTES 256
#define MAPLE_LEAF_SLOTS 16
#define MAPLE_INNER_SLOTS 10
/* Every node but the top one has at least so many slots in use. */
#define MAPLE_LEAF_MINIMUM 6
#define MAPLE_INNER_MINIMUM 4
#define MAPLE_MAX_HEIGHT 31

/* The last index of all. */
#define MAPLE_LAST UINT64_MAX

/* The kernel's numbers; its kinds 0 (no ranges) and 2 (no gaps) never hold VMAs. */
enum maple_kind { MAPLE_LEAF_64 = 1, MAPLE_ARANGE_64 = 3 };

#define MAPLE_KIND_SHIFT 3
#define MAPLE_KIND_MASK ((uintptr_t)0x78)

/* An entry, a child pointer with its kind, or NULL; eight bytes on every host. */
struct maple_slot {
    _Alignas(8) void *pointer;
};

struct maple_node {
    /* Slots in use (1 .. 16), or'ed with a link among nodes that are being made or retired. */
    _Alignas(8) uintptr_t header;
    union {
        struct {
            uint64_t pivot[MAPLE_LEAF_SLOTS - 1];
            struct maple_slot slot[MAPLE_LEAF_SLOTS];
        } leaf;
        struct {
            uint64_t pivot[MAPLE_INNER_SLOTS - 1];
            struct maple_slot slot[MAPLE_INNER_SLOTS];
            uint64_t gap[MAPLE_INNER_SLOTS]; /* indices, of the child in this slot */
        } inner;
    };
};

_Static_assert(sizeof(struct maple_node) == MAPLE_NODE_BYTES, "four cache lines, as in the kernel");
_Static_assert(sizeof(struct maple_slot) == 8, "a slot is a 64-bit word");
_Static_assert(2 * MAPLE_LEAF_MINIMUM <= MAPLE_LEAF_SLOTS + 1, "a node too full makes two of them");
_Static_assert(2 * MAPLE_INNER_MINIMUM <= MAPLE_INNER_SLOTS + 1, "and so does an inner one");

#define MAPLE_USED_MASK ((uintptr_t)(MAPLE_NODE_BYTES - 1))

INLINE unsigned maple_used(const struct maple_node *node) {
    return (unsigned)(node->header & MAPLE_USED_MASK);
}

INLINE struct maple_node *maple_node_of(const void *child) {
    return (struct maple_node *)((uintptr_t)child & ~(uintptr_t)(MAPLE_NODE_BYTES - 1));
}

INLINE bool maple_is_leaf(const void *child) {
    return ((uintptr_t)child & MAPLE_KIND_MASK) == (uintptr_t)MAPLE_LEAF_64 << MAPLE_KIND_SHIFT;
}

INLINE void *maple_child(const struct maple_node *node, enum maple_kind kind) {
    return (void *)((uintptr_t)node | (uintptr_t)kind << MAPLE_KIND_SHIFT);
}

/* Level 0 is that of the leaves. */
INLINE unsigned maple_capacity(unsigned level) {
    return level == 0 ? MAPLE_LEAF_SLOTS : MAPLE_INNER_SLOTS;
}

INLINE unsigned maple_minimum(unsigned level) {
    return level == 0 ? MAPLE_LEAF_MINIMUM : MAPLE_INNER_MINIMUM;
}

INLINE struct maple_slot *maple_slots(struct maple_node *node, unsigned level) {
    return level == 0 ? node->leaf.slot : node->inner.slot;
}

INLINE uint64_t *maple_pivots(struct maple_node *node, unsigned level) {
    return level == 0 ? node->leaf.pivot : node->inner.pivot;
}

/* Pairs with the release stores that publish entries and nodes. */
INLINE void *maple_load(const struct maple_slot *slot) {
    return __atomic_load_n(&slot->pointer, __ATOMIC_ACQUIRE);
}

INLINE void maple_publish(struct maple_slot *slot, void *pointer) {
    __atomic_store_n(&slot->pointer, pointer, __ATOMIC_RELEASE);
}

/* The slot of a leaf that holds an index: the number of pivots below it, found by halving. */
INLINE unsigned maple_leaf_slot(const struct maple_node *node, uint64_t index) {
    const uint64_t *pivot = node->leaf.pivot;
    unsigned slot = 0;
    slot += (pivot[7] < index) * 8U;
    slot += (pivot[slot + 3] < index) * 4U;
    slot += (pivot[slot + 1] < index) * 2U;
    slot += pivot[slot] < index;
    return slot;
}

INLINE unsigned maple_inner_slot(const struct maple_node *node, uint64_t index) {
    unsigned slot = 0;
    while (slot < MAPLE_INNER_SLOTS - 1 && node->inner.pivot[slot] < index) {
        slot++;
    }
    return slot;
}

/* The last index of a slot in a node that ends at node_last. */
INLINE uint64_t maple_slot_last(const uint64_t *pivots, unsigned slot, unsigned capacity,
                                uint64_t node_last) {
    return slot < capacity - 1 && pivots[slot] < node_last ? pivots[slot] : node_last;
}

/* Indices in [first, last]; the whole 2^64 count as one less. */
INLINE uint64_t maple_length(uint64_t first, uint64_t last) {
    uint64_t length = last - first + 1;
    return length != 0 ? length : UINT64_MAX;
}

#endif
