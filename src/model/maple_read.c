/* maple_read.c - the ways down a maple tree that readers take, with or without a writer beside.
 * Layer: model (includes base).
 *
 * Each pointer is loaded once, with acquire, and what hangs below is then fixed but for single
 * slots (N2). A reader in a node that was replaced meanwhile reads the state before: the epoch
 * keeps it from being reused. */
#include "model/maple_tree.h"

/* A slot of a leaf, and the range of the leaf. */
struct place {
    const struct maple_node *leaf;
    unsigned slot;
    uint64_t leaf_first;
    uint64_t leaf_last;
};

/* Finds the leaf slot that holds an index; false when the tree has no node. */
static bool descend(const struct maple_tree *tree, uint64_t index, struct place *place) {
    const void *child = maple_load(&tree->root);
    if (child == NULL) {
        return false;
    }
    uint64_t first = 0;
    uint64_t last = MAPLE_LAST;
    while (!maple_is_leaf(child)) {
        const struct maple_node *node = maple_node_of(child);
        unsigned slot = maple_inner_slot(node, index);
        first = slot > 0 ? node->inner.pivot[slot - 1] + 1 : first;
        last = maple_slot_last(node->inner.pivot, slot, MAPLE_INNER_SLOTS, last);
        child = maple_load(&node->inner.slot[slot]);
    }
    place->leaf = maple_node_of(child);
    place->slot = maple_leaf_slot(place->leaf, index);
    place->leaf_first = first;
    place->leaf_last = last;
    return true;
}

void *maple_load_at(const struct maple_tree *tree, uint64_t index) {
    const void *child = maple_load(&tree->root);
    if (child == NULL) {
        return NULL;
    }
    while (!maple_is_leaf(child)) {
        const struct maple_node *node = maple_node_of(child);
        child = maple_load(&node->inner.slot[maple_inner_slot(node, index)]);
    }
    const struct maple_node *leaf = maple_node_of(child);
    return maple_load(&leaf->leaf.slot[maple_leaf_slot(leaf, index)]);
}

static uint64_t leaf_slot_last(const struct maple_node *leaf, unsigned slot, uint64_t leaf_last) {
    return maple_slot_last(leaf->leaf.pivot, slot, MAPLE_LEAF_SLOTS, leaf_last);
}

void maple_walk_start(struct maple_walk *walk, const struct maple_tree *tree, uint64_t index) {
    *walk = (struct maple_walk){.tree = tree, .next_index = index};
}

/* Goes to the leaf where the walk goes on; false at the end. */
static bool walk_descend(struct maple_walk *walk) {
    struct place place;
    if (walk->ended || !descend(walk->tree, walk->next_index, &place)) {
        walk->ended = true;
        return false;
    }
    walk->leaf = place.leaf;
    walk->slot = place.slot;
    walk->leaf_last = place.leaf_last;
    return true;
}

void *maple_walk_next(struct maple_walk *walk) {
    void *entry = NULL;
    while (entry == NULL) {
        if (walk->leaf == NULL && !walk_descend(walk)) {
            return NULL;
        }
        entry = maple_load(&walk->leaf->leaf.slot[walk->slot]);
        uint64_t last = leaf_slot_last(walk->leaf, walk->slot, walk->leaf_last);
        walk->slot++;
        walk->next_index = last + 1;
        walk->ended = last == MAPLE_LAST;
        walk->leaf = last == walk->leaf_last ? NULL : walk->leaf;
    }
    return entry;
}

void *maple_find(const struct maple_tree *tree, uint64_t index) {
    struct maple_walk walk;
    maple_walk_start(&walk, tree, index);
    return maple_walk_next(&walk);
}

void *maple_find_last(const struct maple_tree *tree, uint64_t index) {
    struct place place;
    while (descend(tree, index, &place)) {
        for (unsigned above = place.slot + 1; above > 0; above--) {
            void *entry = maple_load(&place.leaf->leaf.slot[above - 1]);
            if (entry != NULL) {
                return entry;
            }
        }
        if (place.leaf_first == 0) {
            break;
        }
        index = place.leaf_first - 1;
    }
    return NULL;
}
