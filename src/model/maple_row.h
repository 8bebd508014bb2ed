/* maple_row.h - the work of one change of a maple tree: rows of items, and the nodes cut from them.
 * Layer: model (includes base).
 *
 * maple_write.c says how a change goes from level to level; here is what it does on each. Nothing
 * here shows to a reader: nodes are made beside the tree, and those that will leave it are only
 * remembered, by a link in their headers. */
#ifndef ARENITE_MODEL_MAPLE_ROW_H
#define ARENITE_MODEL_MAPLE_ROW_H

#include "model/maple_path.h"

/* Two leaves' rest, three edits with what is left of the ranges at both ends, a neighbour. */
#define SPLICE_MAX_ITEMS (3 * MAPLE_LEAF_SLOTS + MAPLE_MAX_EDITS + 2)
#define SPLICE_MAX_PIECES 4

struct maple_item {
    uint64_t last;
    void *pointer; /* entry or child */
    uint64_t gap;  /* of a child */
};

struct splice {
    struct maple_tree *tree;
    struct maple_path left;
    struct maple_path right;
    uint64_t first; /* where the edits begin */
    struct maple_edit edits[MAPLE_MAX_EDITS];
    unsigned edit_count;
    struct maple_item items[SPLICE_MAX_ITEMS]; /* the row of the level at hand */
    unsigned count;
    uint64_t row_first;       /* where the row begins */
    struct maple_node *fresh; /* nodes made, linked by their headers */
    struct maple_node *dead;  /* nodes that leave the tree, likewise */
};

/* ---- the row ------------------------------------------------------------------------------- */

void splice_add(struct splice *splice, uint64_t last, void *pointer, uint64_t gap);

/* Adds the slots [from, to) of a step's node. */
void splice_add_slots(struct splice *splice, const struct maple_step *step, unsigned level,
                      unsigned from, unsigned to);

/* The row of the leaves: what the two ways leave beside them, and the edits between. */
void splice_compose_leaf(struct splice *splice);

/* The row of a level above: what the two ways leave beside them, the pieces just made between. */
void splice_compose_inner(struct splice *splice, unsigned level, const struct maple_item *pieces,
                          unsigned count);

/* A row too short for a node: takes in a sibling, else a neighbour under another parent; false
 * when there is neither. */
bool splice_lengthen(struct splice *splice, unsigned level);

/* A row too long for a node: takes in a sibling with which it makes two nodes, one of them left
 * with room. Returns how many items the lower node then gets, or 0: no such sibling. */
unsigned splice_share(struct splice *splice, unsigned level);

/* ---- nodes --------------------------------------------------------------------------------- */

/* The longest empty range of items that begin at `first`. */
uint64_t splice_longest_gap(const struct maple_item *items, unsigned count, unsigned level,
                            uint64_t first);

/* Cuts the row into nodes, evenly unless the lower one is to get so many (0: evenly). Returns how
 * many, 0 when the source is empty. */
unsigned splice_make_nodes(struct splice *splice, unsigned level, unsigned lower,
                           struct maple_item *pieces);

/* Marks as leaving the tree: what lies wholly between the two ways; the nodes of a level on
 * them. */
void splice_bury_between(struct splice *splice);
void splice_bury_level(struct splice *splice, unsigned level);

/* The change did not happen: what was made goes back, what was buried lives on. */
void splice_undo(struct splice *splice);

/* The change is visible: what was made belongs to the tree, what was buried is retired. */
void splice_settle(struct splice *splice);

#endif
