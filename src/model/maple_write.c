/* maple_write.c - changes of a maple tree: new nodes beside it, then one store.
 * Layer: model (includes base).
 *
 * A change begins in the leaf of its first index and ends in that of its last one, mostly the same.
 * Level by level upwards, the content of what lies between these two ways down is put together
 * anew as a row of items, cut into new nodes, and these are the items that the level above
 * gets in place of the slots that led there:
 *
 *      level 1         [ a  b  c  d ]                     left way: slot b, right way: slot c
 *                          |  |
 *      level 0    [ 1 2 3 ]   [ 4 5 6 ]                   3 .. 4 become x
 *                    row: 1 2 x 5 6      -> one new leaf n
 *      level 1       row: a n d          -> ...
 *
 * It ends where one node replaces one node: then the slot above is the one store. Or at the top.
 * A row too short takes in the neighbour of its level, preferably under the same parent; one too
 * long fills up a neighbour that has room before it becomes one node more. */
#include "model/maple_row.h"

#include <errno.h>
#include <string.h>

/* ---- making it visible --------------------------------------------------------------------- */

/* The node below step `level` now has this gap; carries it up as far as it matters. */
static void carry_gap(const struct maple_tree *tree, const struct maple_path *path, unsigned level,
                      uint64_t gap) {
    for (; level < tree->height; level++) {
        const struct maple_step *step = &path->step[level];
        uint64_t *gaps = step->node->inner.gap;
        if (gaps[step->slot] == gap) {
            return;
        }
        gaps[step->slot] = gap;
        for (unsigned slot = 0; slot < maple_used(step->node); slot++) {
            gap = gaps[slot] > gap ? gaps[slot] : gap;
        }
    }
}

static void finish_below(struct splice *splice, unsigned level, const struct maple_item *piece) {
    const struct maple_step *above = &splice->left.step[level + 1];
    maple_publish(&above->node->inner.slot[above->slot], piece->pointer);
    carry_gap(splice->tree, &splice->left, level + 1, piece->gap);
    splice_settle(splice);
}

/* The row is all that its level has; what was above it goes. */
static int finish_at_top(struct splice *splice, unsigned level) {
    struct maple_tree *tree = splice->tree;
    struct maple_item pieces[SPLICE_MAX_PIECES];
    unsigned height = level;
    for (unsigned above = level + 1; above < tree->height; above++) {
        splice_bury_level(splice, above);
    }
    /* One child needs nobody above it, one empty range no tree. */
    while (splice->count > 1 || (height == 0 && splice->items[0].pointer != NULL)) {
        splice->count = splice_make_nodes(splice, height, 0, pieces);
        if (splice->count == 0) {
            splice_undo(splice);
            return -ENOMEM;
        }
        memcpy(splice->items, pieces, splice->count * sizeof *pieces);
        height++;
    }
    maple_publish(&tree->root, splice->items[0].pointer);
    tree->height = height;
    splice_settle(splice);
    return 0;
}

static int run(struct splice *splice) {
    struct maple_tree *tree = splice->tree;
    struct maple_item pieces[SPLICE_MAX_PIECES];
    splice_compose_leaf(splice);
    for (unsigned level = 0;; level++) {
        splice_bury_level(splice, level);
        bool is_top = level + 1 == tree->height;
        if (!is_top && splice->count < maple_minimum(level)) {
            is_top = !splice_lengthen(splice, level);
        }
        if (is_top) {
            return finish_at_top(splice, level);
        }
        bool is_long = splice->count > maple_capacity(level);
        unsigned lower = is_long ? splice_share(splice, level) : 0;
        unsigned count = splice_make_nodes(splice, level, lower, pieces);
        if (count == 0) {
            splice_undo(splice);
            return -ENOMEM;
        }
        if (count == 1 && splice->left.step[level].node == splice->right.step[level].node) {
            finish_below(splice, level, &pieces[0]);
            return 0;
        }
        splice_compose_inner(splice, level + 1, pieces, count);
    }
}

/* ---- the beginning of a change ------------------------------------------------------------- */

/* Goes on to the next slot of the leaves if it is empty, else stays. */
static bool move_onto_empty(struct maple_path *path, unsigned height,
                            enum maple_direction direction) {
    struct maple_step *leaf = &path->step[0];
    if (maple_step_can_move(leaf, direction)) {
        unsigned next = leaf->slot + (direction == MAPLE_UP ? 1U : -1U);
        bool is_empty = leaf->node->leaf.slot[next].pointer == NULL;
        leaf->slot = is_empty ? next : leaf->slot;
        return is_empty;
    }
    struct maple_path before = *path;
    if (maple_path_move(path, height, 0, 0, direction) && maple_step_pointer(leaf, 0) == NULL) {
        return true;
    }
    *path = before;
    return false;
}

/* An empty range swallows the empty ones that it lies in or that lie beside it (T3). */
static void widen_down(struct splice *splice) {
    const struct maple_step *leaf = &splice->left.step[0];
    bool is_in_empty = maple_step_pointer(leaf, 0) == NULL;
    bool is_at_border = maple_step_slot_first(leaf, 0) == splice->first;
    if (is_in_empty ||
        (is_at_border && move_onto_empty(&splice->left, splice->tree->height, MAPLE_DOWN))) {
        splice->first = maple_step_slot_first(leaf, 0);
    }
}

static void widen_up(struct splice *splice) {
    const struct maple_step *leaf = &splice->right.step[0];
    uint64_t *last = &splice->edits[splice->edit_count - 1].last;
    bool is_in_empty = maple_step_pointer(leaf, 0) == NULL;
    bool is_at_border = maple_step_slot_last(leaf, 0) == *last;
    if (is_in_empty ||
        (is_at_border && move_onto_empty(&splice->right, splice->tree->height, MAPLE_UP))) {
        *last = maple_step_slot_last(leaf, 0);
    }
}

/* True when the change is one slot getting another pointer: done in place. */
static bool replace_in_place(struct splice *splice) {
    const struct maple_step *step = &splice->left.step[0];
    const struct maple_edit *edit = &splice->edits[0];
    if (splice->edit_count > 1 || splice->right.step[0].node != step->node ||
        maple_step_slot_first(step, 0) != splice->first ||
        maple_step_slot_last(step, 0) != edit->last) {
        return false;
    }
    maple_publish(&step->node->leaf.slot[step->slot], edit->entry);
    splice->row_first = step->first;
    splice_add_slots(splice, step, 0, 0, maple_used(step->node));
    carry_gap(splice->tree, &splice->left, 1,
              splice_longest_gap(splice->items, splice->count, 0, step->first));
    return true;
}

/* The first entry of a tree without nodes. */
static int plant(struct splice *splice) {
    struct maple_edit *final = &splice->edits[splice->edit_count - 1];
    if (splice->first > 0 && splice->edits[0].entry != NULL) {
        splice_add(splice, splice->first - 1, NULL, 0);
    }
    final->last = final->entry == NULL ? MAPLE_LAST : final->last;
    for (unsigned i = 0; i < splice->edit_count; i++) {
        splice_add(splice, splice->edits[i].last, splice->edits[i].entry, 0);
    }
    if (final->last < MAPLE_LAST) {
        splice_add(splice, MAPLE_LAST, NULL, 0);
    }
    splice->row_first = 0;
    return finish_at_top(splice, 0);
}

/* Mostly the right way is the left one, but for the slot. */
static void find_right(struct splice *splice, uint64_t last) {
    const struct maple_step *leaf = &splice->left.step[0];
    if (last > leaf->last) {
        maple_path_find(&splice->right, splice->tree, last);
        return;
    }
    memcpy(splice->right.step, splice->left.step, splice->tree->height * sizeof *leaf);
    splice->right.step[0].slot = maple_leaf_slot(leaf->node, last);
}

int maple_replace(struct maple_tree *tree, uint64_t first, const struct maple_edit *edits,
                  unsigned count) {
    struct splice splice;
    DEBUG_CHECK(count > 0 && count <= MAPLE_MAX_EDITS && first <= edits[0].last);
    splice.tree = tree;
    splice.first = first;
    splice.edit_count = count;
    splice.count = 0;
    splice.fresh = NULL;
    splice.dead = NULL;
    memcpy(splice.edits, edits, count * sizeof *edits);
    if (tree->height == 0) {
        return plant(&splice);
    }
    maple_path_find(&splice.left, tree, first);
    find_right(&splice, edits[count - 1].last);
    if (edits[0].entry == NULL) {
        widen_down(&splice);
    }
    if (edits[count - 1].entry == NULL) {
        widen_up(&splice);
    }
    if (replace_in_place(&splice)) {
        return 0;
    }
    splice_bury_between(&splice);
    return run(&splice);
}

/* ---- life ---------------------------------------------------------------------------------- */

static void give_node(void *context, struct epoch_item *item) {
    struct maple_tree *tree = context;
    object_give(tree->source, item);
}

void maple_init(struct maple_tree *tree, struct object_source *source,
                struct epoch_domain *domain) {
    DEBUG_CHECK(source->object_bytes == MAPLE_NODE_BYTES);
    *tree = (struct maple_tree){.source = source};
    epoch_limbo_init(&tree->limbo, domain, give_node, tree);
}

void maple_destroy(struct maple_tree *tree) {
    const struct maple_edit nothing = {MAPLE_LAST, NULL};
    int status = maple_replace(tree, 0, &nothing, 1);
    DEBUG_CHECK(status == 0);
    (void)status;
    epoch_drain(&tree->limbo);
}
