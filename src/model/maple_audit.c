/* maple_audit.c - recounts a maple tree: every node, pivot, slot and gap, from the top down.
 * Layer: model (includes base). */
#include "model/maple_tree.h"

/* What the walk in the order of indices has seen. */
struct maple_count {
    const struct maple_tree *tree;
    size_t nodes;
    size_t entries;
    bool last_is_empty; /* the range before */
    const char *broken; /* the first complaint, or NULL */
};

static bool expect(struct maple_count *count, bool holds, const char *what) {
    if (!holds && count->broken == NULL) {
        count->broken = what;
    }
    return count->broken == NULL;
}

/* N1 and T2; true when the slots in use can be walked. */
static bool node_is_sound(struct maple_count *count, struct maple_node *node, unsigned level,
                          uint64_t first, uint64_t last) {
    unsigned capacity = maple_capacity(level);
    unsigned used = maple_used(node);
    bool is_top = level + 1 == count->tree->height;
    unsigned minimum = is_top ? (level > 0 ? 2 : 1) : maple_minimum(level);
    const uint64_t *pivots = maple_pivots(node, level);
    if (!expect(count, node->header == used, "maple: a node in the tree carries a link") ||
        !expect(count, used >= minimum, "maple: a node has too few slots in use") ||
        !expect(count, used <= capacity, "maple: a node has too many slots in use")) {
        return false;
    }
    for (unsigned slot = 0; slot < capacity - 1; slot++) {
        bool is_in_order = pivots[slot] > first || (slot == 0 && pivots[slot] == first);
        if (slot + 1 < used) {
            expect(count, is_in_order && pivots[slot] < last, "maple: pivots do not increase");
            first = pivots[slot];
        } else if (slot + 1 == used) {
            expect(count, pivots[slot] == last, "maple: the last pivot is not the node's end");
        } else {
            expect(count, pivots[slot] == MAPLE_LAST, "maple: an unused pivot is set");
        }
    }
    return count->broken == NULL;
}

/* The longest empty range of a leaf. */
static uint64_t count_leaf(struct maple_count *count, struct maple_node *leaf, uint64_t first,
                           uint64_t last) {
    uint64_t longest = 0;
    for (unsigned slot = 0; slot < maple_used(leaf); slot++) {
        uint64_t slot_last = maple_slot_last(leaf->leaf.pivot, slot, MAPLE_LEAF_SLOTS, last);
        bool is_empty = leaf->leaf.slot[slot].pointer == NULL;
        uint64_t length = is_empty ? maple_length(first, slot_last) : 0;
        expect(count, !is_empty || !count->last_is_empty, "maple: two empty ranges meet");
        longest = length > longest ? length : longest;
        count->last_is_empty = is_empty;
        count->entries += !is_empty;
        first = slot_last + 1;
    }
    return longest;
}

/* Counts a subtree; the longest empty range in it. */
static uint64_t count_subtree(struct maple_count *count, const void *child, unsigned level,
                              uint64_t first, uint64_t last) {
    struct maple_node *node = maple_node_of(child);
    if (!expect(count, node != NULL && maple_is_leaf(child) == (level == 0),
                "maple: a leaf is not on the lowest level") ||
        !node_is_sound(count, node, level, first, last)) {
        return 0;
    }
    count->nodes++;
    if (level == 0) {
        return count_leaf(count, node, first, last);
    }
    uint64_t longest = 0;
    for (unsigned slot = 0; slot < maple_used(node); slot++) {
        uint64_t slot_last = maple_slot_last(node->inner.pivot, slot, MAPLE_INNER_SLOTS, last);
        uint64_t gap =
            count_subtree(count, node->inner.slot[slot].pointer, level - 1, first, slot_last);
        expect(count, node->inner.gap[slot] == gap, "maple: a gap is not the longest of its child");
        longest = gap > longest ? gap : longest;
        first = slot_last + 1;
    }
    return longest;
}

const char *maple_audit(const struct maple_tree *tree, size_t *entries) {
    struct maple_count count = {.tree = tree};
    if (expect(&count, tree->height <= MAPLE_MAX_HEIGHT, "maple: too high") &&
        expect(&count, (tree->height == 0) == (tree->root.pointer == NULL),
               "maple: a tree without a top has a height") &&
        tree->height > 0) {
        count_subtree(&count, tree->root.pointer, tree->height - 1, 0, MAPLE_LAST);
    }
    expect(&count, count.nodes == tree->nodes, "maple: nodes are miscounted");
    *entries = count.entries;
    return count.broken;
}
