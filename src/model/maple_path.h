/* maple_path.h - a writer's way from the top of a maple tree to a slot of a leaf.
 * Layer: model (includes base).
 *
 * step[0] is in the leaf, step[height - 1] in the top node; the slot of a step leads to the node
 * of the step below it. Positions may move sideways, to neighbours on any level. */
#ifndef ARENITE_MODEL_MAPLE_PATH_H
#define ARENITE_MODEL_MAPLE_PATH_H

#include "model/maple_tree.h"

struct maple_step {
    struct maple_node *node;
    unsigned slot;
    uint64_t first; /* the node's range, both ends included */
    uint64_t last;
};

struct maple_path {
    struct maple_step step[MAPLE_MAX_HEIGHT];
};

enum maple_direction { MAPLE_DOWN, MAPLE_UP };

INLINE uint64_t maple_step_slot_first(const struct maple_step *step, unsigned level) {
    return step->slot > 0 ? maple_pivots(step->node, level)[step->slot - 1] + 1 : step->first;
}

INLINE uint64_t maple_step_slot_last(const struct maple_step *step, unsigned level) {
    return maple_slot_last(maple_pivots(step->node, level), step->slot, maple_capacity(level),
                           step->last);
}

INLINE void *maple_step_pointer(const struct maple_step *step, unsigned level) {
    return maple_slots(step->node, level)[step->slot].pointer;
}

/* Goes to the slot that holds an index; the tree must have a node. */
void maple_path_find(struct maple_path *path, const struct maple_tree *tree, uint64_t index);

/* Whether a step can go to the next slot of its own node. */
bool maple_step_can_move(const struct maple_step *step, enum maple_direction direction);

/* Moves to the next slot on `level`, or, at the end of its node, on the lowest level above that has
 * one, and from there down to the nearest slot of `down_to`. False, with nothing changed, when
 * there is no next one. */
bool maple_path_move(struct maple_path *path, unsigned height, unsigned level, unsigned down_to,
                     enum maple_direction direction);

#endif
