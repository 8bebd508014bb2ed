/* maple_tree.h - a B-tree of ranges: which entry lies at an index, and where nothing lies.
 * Layer: model (includes base).
 *
 * Every index of [0, MAPLE_LAST] belongs to exactly one range of one leaf, with an entry or
 * without (NULL). Ranges of 2^64 indices, at most 16 to a node, keep the tree low and the memory
 * per entry small: the index of the VMAs in Linux since 6.1.
 *
 * T1: all leaves are equally deep, and no deeper than MAPLE_MAX_HEIGHT.
 * T2: each node but the top one has its minimum of slots in use; the top one, if inner, has two.
 * T3: ranges next to each other are not both empty, in one leaf or across leaves.
 * T4: gap i of an inner node is the longest empty range in a leaf below child i.
 * T5: `nodes` counts the nodes in the tree.
 * N1, N2: see maple_node.h.
 *
 * A change is prepared in new nodes beside the tree and becomes visible by one store, of a slot or
 * of the top; a reader sees the tree before or after it, whole. If nodes run out on the way, the
 * tree is as it was. Nodes taken out of the tree are retired (epoch.h).
 *
 * Readers: maple_load_at, maple_find, maple_find_last and maple_walk_next may run beside one
 * writer, inside an epoch section. maple_load_at gives what the index held at one moment of the
 * call. The others look at several places and may miss what is put, while they look, into a gap
 * that they passed. All else is for the writer, or for nobody else looking. */
#ifndef ARENITE_MODEL_MAPLE_TREE_H
#define ARENITE_MODEL_MAPLE_TREE_H

#include "model/epoch.h"
#include "model/gap.h"
#include "model/maple_node.h"
#include "model/object_source.h"

struct maple_tree {
    struct maple_slot root;       /* the top node with its kind; NULL: nothing anywhere */
    unsigned height;              /* levels; 0: no node */
    char apart[CACHE_LINE_BYTES]; /* every change writes what follows, readers need the root */
    size_t nodes;
    struct object_source *source;
    struct epoch_limbo limbo;
};

/* One of several ranges, side by side, that a change writes. */
struct maple_edit {
    uint64_t last; /* where it ends; it begins where the one before ended */
    void *entry;   /* or NULL: empty */
};

#define MAPLE_MAX_EDITS 3

/* A way through the entries upwards. */
struct maple_walk {
    const struct maple_tree *tree;
    uint64_t next_index;           /* where the rest begins */
    bool ended;                    /* no index is left */
    const struct maple_node *leaf; /* where the walk is, or NULL: to be found */
    unsigned slot;                 /* the next one to look at */
    uint64_t leaf_last;
};

void maple_init(struct maple_tree *tree, struct object_source *source, struct epoch_domain *domain);

/* Gives all nodes back; no reader may be left. */
void maple_destroy(struct maple_tree *tree);

/* The entry at an index, or NULL. */
void *maple_load_at(const struct maple_tree *tree, uint64_t index);

/* The entry at an index or else the next one above (below) it; NULL when there is none. */
void *maple_find(const struct maple_tree *tree, uint64_t index);
void *maple_find_last(const struct maple_tree *tree, uint64_t index);

/* Begins at the entry that maple_find would give. */
void maple_walk_start(struct maple_walk *walk, const struct maple_tree *tree, uint64_t index);

/* The next entry, or NULL at the end. */
void *maple_walk_next(struct maple_walk *walk);

/* Writes 1 .. MAPLE_MAX_EDITS ranges from `first` on over what lies there, in one step. Empty edits
 * must not meet. 0, or -ENOMEM with nothing changed. */
int maple_replace(struct maple_tree *tree, uint64_t first, const struct maple_edit *edits,
                  unsigned count);

/* Where a request for a gap fits lowest or highest, or VADDR_NONE. */
vaddr maple_gap_low(const struct maple_tree *tree, const struct gap_request *request);
vaddr maple_gap_high(const struct maple_tree *tree, const struct gap_request *request);

/* Recounts everything; NULL, or the first broken invariant. *entries: the slots with an entry. */
const char *maple_audit(const struct maple_tree *tree, size_t *entries);

#endif
