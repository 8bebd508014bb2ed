/* maple_row.c - what a change of a maple tree does on one level; see maple_row.h.
 * Layer: model (includes base). */
#include "model/maple_row.h"

#include <string.h>

/* ---- nodes made and left ------------------------------------------------------------------- */

static struct maple_node *linked_by(const struct maple_node *node) {
    return (struct maple_node *)(node->header & ~MAPLE_USED_MASK);
}

static void put_on(struct maple_node **chain, struct maple_node *node) {
    node->header = maple_used(node) | (uintptr_t)*chain;
    *chain = node;
}

static void bury(struct splice *splice, struct maple_node *node) {
    put_on(&splice->dead, node);
}

static void bury_subtree(struct splice *splice, const void *child) {
    struct maple_node *node = maple_node_of(child);
    if (!maple_is_leaf(child)) {
        for (unsigned slot = 0; slot < maple_used(node); slot++) {
            bury_subtree(splice, node->inner.slot[slot].pointer);
        }
    }
    bury(splice, node);
}

static void bury_slots(struct splice *splice, const struct maple_step *step, unsigned from,
                       unsigned to) {
    for (unsigned slot = from; slot < to; slot++) {
        bury_subtree(splice, step->node->inner.slot[slot].pointer);
    }
}

/* Buries what lies wholly between the two ways down. */
void splice_bury_between(struct splice *splice) {
    for (unsigned level = 1; level < splice->tree->height; level++) {
        const struct maple_step *left = &splice->left.step[level];
        const struct maple_step *right = &splice->right.step[level];
        if (left->node == right->node) {
            bury_slots(splice, left, left->slot + 1, right->slot);
            break;
        }
        bury_slots(splice, left, left->slot + 1, maple_used(left->node));
        bury_slots(splice, right, 0, right->slot);
    }
}

/* Buries the nodes of one level on both ways down. */
void splice_bury_level(struct splice *splice, unsigned level) {
    bury(splice, splice->left.step[level].node);
    if (splice->right.step[level].node != splice->left.step[level].node) {
        bury(splice, splice->right.step[level].node);
    }
}

/* The change did not happen: what was made goes back, what was buried lives on. */
void splice_undo(struct splice *splice) {
    while (splice->fresh != NULL) {
        struct maple_node *node = splice->fresh;
        splice->fresh = linked_by(node);
        object_give(splice->tree->source, node);
    }
    while (splice->dead != NULL) {
        struct maple_node *node = splice->dead;
        splice->dead = linked_by(node);
        node->header = maple_used(node);
    }
}

/* The change is visible: what was made belongs to the tree, what was buried is retired. */
void splice_settle(struct splice *splice) {
    struct maple_tree *tree = splice->tree;
    while (splice->fresh != NULL) {
        struct maple_node *node = splice->fresh;
        splice->fresh = linked_by(node);
        node->header = maple_used(node);
        tree->nodes++;
    }
    while (splice->dead != NULL) {
        struct maple_node *node = splice->dead;
        splice->dead = linked_by(node);
        epoch_retire(&tree->limbo, (struct epoch_item *)node);
        tree->nodes--;
    }
}

/* ---- the row of a level -------------------------------------------------------------------- */

void splice_add(struct splice *splice, uint64_t last, void *pointer, uint64_t gap) {
    DEBUG_CHECK(splice->count < SPLICE_MAX_ITEMS);
    splice->items[splice->count++] = (struct maple_item){last, pointer, gap};
}

static struct maple_item item_of(const struct maple_step *step, unsigned level) {
    return (struct maple_item){maple_step_slot_last(step, level), maple_step_pointer(step, level),
                               level > 0 ? step->node->inner.gap[step->slot] : 0};
}

/* Adds the slots [from, to) of a step's node. */
void splice_add_slots(struct splice *splice, const struct maple_step *step, unsigned level,
                      unsigned from, unsigned to) {
    struct maple_step at = *step;
    for (at.slot = from; at.slot < to; at.slot++) {
        struct maple_item item = item_of(&at, level);
        splice_add(splice, item.last, item.pointer, item.gap);
    }
}

void splice_compose_leaf(struct splice *splice) {
    const struct maple_step *left = &splice->left.step[0];
    const struct maple_step *right = &splice->right.step[0];
    uint64_t last = splice->edits[splice->edit_count - 1].last;
    splice->row_first = left->first;
    splice_add_slots(splice, left, 0, 0, left->slot);
    if (maple_step_slot_first(left, 0) < splice->first) {
        splice_add(splice, splice->first - 1, maple_step_pointer(left, 0), 0);
    }
    for (unsigned i = 0; i < splice->edit_count; i++) {
        splice_add(splice, splice->edits[i].last, splice->edits[i].entry, 0);
    }
    if (maple_step_slot_last(right, 0) > last) {
        splice_add(splice, maple_step_slot_last(right, 0), maple_step_pointer(right, 0), 0);
    }
    splice_add_slots(splice, right, 0, right->slot + 1, maple_used(right->node));
}

/* Between what the left way leaves below it and the right way above: the pieces just made. */
void splice_compose_inner(struct splice *splice, unsigned level, const struct maple_item *pieces,
                          unsigned count) {
    const struct maple_step *left = &splice->left.step[level];
    const struct maple_step *right = &splice->right.step[level];
    splice->row_first = left->first;
    splice->count = 0;
    splice_add_slots(splice, left, level, 0, left->slot);
    for (unsigned i = 0; i < count; i++) {
        splice_add(splice, pieces[i].last, pieces[i].pointer, pieces[i].gap);
    }
    splice_add_slots(splice, right, level, right->slot + 1, maple_used(right->node));
}

/* Moves one way to the next node of a level. Nodes above that it leaves were at the end of what it
 * replaces, so nothing of them is left but the node itself. */
static bool move_way(struct splice *splice, unsigned level, enum maple_direction direction) {
    struct maple_path *way = direction == MAPLE_DOWN ? &splice->left : &splice->right;
    const struct maple_path *other = direction == MAPLE_DOWN ? &splice->right : &splice->left;
    struct maple_path before = *way;
    unsigned height = splice->tree->height;
    if (!maple_path_move(way, height, level + 1, level, direction)) {
        return false;
    }
    for (unsigned above = level + 1; above < height; above++) {
        struct maple_node *node = before.step[above].node;
        if (node == way->step[above].node) {
            break;
        }
        if (node != other->step[above].node) {
            bury(splice, node);
        }
    }
    return true;
}

/* Takes the neighbour of a level into the row; false when there is none. */
static bool take_in(struct splice *splice, unsigned level, enum maple_direction direction) {
    if (!move_way(splice, level, direction)) {
        return false;
    }
    const struct maple_path *way = direction == MAPLE_DOWN ? &splice->left : &splice->right;
    const struct maple_step *step = &way->step[level];
    unsigned used = maple_used(step->node);
    if (direction == MAPLE_DOWN) {
        unsigned count = splice->count;
        memmove(splice->items + used, splice->items, count * sizeof *splice->items);
        splice->count = 0;
        splice->row_first = step->first;
        splice_add_slots(splice, step, level, 0, used);
        splice->count += count;
    } else {
        splice_add_slots(splice, step, level, 0, used);
    }
    bury(splice, step->node);
    return true;
}

static bool has_sibling(const struct splice *splice, unsigned level,
                        enum maple_direction direction) {
    const struct maple_path *way = direction == MAPLE_DOWN ? &splice->left : &splice->right;
    return maple_step_can_move(&way->step[level + 1], direction);
}

/* A row too short for a node: takes in a sibling, else a neighbour under another parent. */
bool splice_lengthen(struct splice *splice, unsigned level) {
    enum maple_direction first = has_sibling(splice, level, MAPLE_DOWN) ? MAPLE_DOWN : MAPLE_UP;
    return take_in(splice, level, first) ||
           take_in(splice, level, first == MAPLE_DOWN ? MAPLE_UP : MAPLE_DOWN);
}

/* A row too long for a node: takes in a sibling with which it makes two nodes, one of them left
 * with room. Returns how many items the lower node then gets, or 0: no such sibling. */
unsigned splice_share(struct splice *splice, unsigned level) {
    unsigned capacity = maple_capacity(level);
    unsigned minimum = maple_minimum(level);
    for (enum maple_direction side = MAPLE_DOWN; side <= MAPLE_UP; side++) {
        if (!has_sibling(splice, level, side)) {
            continue;
        }
        const struct maple_path *way = side == MAPLE_DOWN ? &splice->left : &splice->right;
        struct maple_step parent = way->step[level + 1];
        parent.slot += side == MAPLE_UP ? 1U : -1U;
        unsigned used = maple_used(maple_node_of(maple_step_pointer(&parent, level + 1)));
        unsigned total = used + splice->count;
        if (total < 2 * capacity && take_in(splice, level, side)) {
            unsigned far = total - minimum < capacity - 1 ? total - minimum : capacity - 1;
            return side == MAPLE_DOWN ? far : total - far;
        }
    }
    return 0;
}

/* ---- new nodes ----------------------------------------------------------------------------- */

uint64_t splice_longest_gap(const struct maple_item *items, unsigned count, unsigned level,
                            uint64_t first) {
    uint64_t longest = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t empty = items[i].pointer == NULL ? maple_length(first, items[i].last) : 0;
        uint64_t gap = level > 0 ? items[i].gap : empty;
        longest = gap > longest ? gap : longest;
        first = items[i].last + 1;
    }
    return longest;
}

static void fill_node(struct maple_node *node, unsigned level, const struct maple_item *items,
                      unsigned count) {
    unsigned capacity = maple_capacity(level);
    struct maple_slot *slots = maple_slots(node, level);
    uint64_t *pivots = maple_pivots(node, level);
    for (unsigned i = 0; i < capacity; i++) {
        slots[i].pointer = i < count ? items[i].pointer : NULL;
        if (i < capacity - 1) {
            pivots[i] = i < count ? items[i].last : MAPLE_LAST;
        }
        if (level > 0) {
            node->inner.gap[i] = i < count ? items[i].gap : 0;
        }
    }
}

/* Makes a node of `count` items of the row from `from` on; its place in the level above, with
 * pointer NULL when the source is empty. */
static struct maple_item make_node(struct splice *splice, unsigned level, unsigned from,
                                   unsigned count) {
    const struct maple_item *items = splice->items + from;
    struct maple_node *node = object_take(splice->tree->source);
    if (node == NULL) {
        return (struct maple_item){0};
    }
    node->header = count;
    put_on(&splice->fresh, node);
    fill_node(node, level, items, count);
    uint64_t first = from > 0 ? items[-1].last + 1 : splice->row_first;
    return (struct maple_item){items[count - 1].last,
                               maple_child(node, level == 0 ? MAPLE_LEAF_64 : MAPLE_ARANGE_64),
                               splice_longest_gap(items, count, level, first)};
}

/* Cuts the row into nodes, evenly unless the lower one is to get so many (0: evenly). Returns how
 * many, 0 when the source is empty. */
unsigned splice_make_nodes(struct splice *splice, unsigned level, unsigned lower,
                           struct maple_item *pieces) {
    unsigned capacity = maple_capacity(level);
    unsigned nodes = (splice->count + capacity - 1) / capacity;
    unsigned from = 0;
    for (unsigned i = 0; i < nodes; i++) {
        unsigned rest = splice->count - from;
        unsigned even = (rest + nodes - i - 1) / (nodes - i);
        unsigned count = i == 0 && lower > 0 ? lower : even;
        pieces[i] = make_node(splice, level, from, count);
        if (pieces[i].pointer == NULL) {
            return 0;
        }
        from += count;
    }
    return nodes;
}
