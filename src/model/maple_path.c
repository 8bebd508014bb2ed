/* maple_path.c - see maple_path.h.
 * Layer: model (includes base). */
#include "model/maple_path.h"

/* Fills in node and range of the step below a level. */
static void enter(struct maple_path *path, unsigned level) {
    const struct maple_step *above = &path->step[level];
    struct maple_step *below = &path->step[level - 1];
    below->node = maple_node_of(maple_step_pointer(above, level));
    below->first = maple_step_slot_first(above, level);
    below->last = maple_step_slot_last(above, level);
}

void maple_path_find(struct maple_path *path, const struct maple_tree *tree, uint64_t index) {
    unsigned level = tree->height - 1;
    path->step[level].node = maple_node_of(tree->root.pointer);
    path->step[level].first = 0;
    path->step[level].last = MAPLE_LAST;
    for (; level > 0; level--) {
        path->step[level].slot = maple_inner_slot(path->step[level].node, index);
        enter(path, level);
    }
    path->step[0].slot = maple_leaf_slot(path->step[0].node, index);
}

bool maple_step_can_move(const struct maple_step *step, enum maple_direction direction) {
    return direction == MAPLE_DOWN ? step->slot > 0 : step->slot + 1 < maple_used(step->node);
}

bool maple_path_move(struct maple_path *path, unsigned height, unsigned level, unsigned down_to,
                     enum maple_direction direction) {
    while (level < height && !maple_step_can_move(&path->step[level], direction)) {
        level++;
    }
    if (level >= height) {
        return false;
    }
    path->step[level].slot += direction == MAPLE_UP ? 1U : -1U;
    for (; level > down_to; level--) {
        enter(path, level);
        struct maple_step *below = &path->step[level - 1];
        below->slot = direction == MAPLE_UP ? 0 : maple_used(below->node) - 1;
    }
    return true;
}
