/* rb_tree.h - the balanced tree under the older index: links, colours, rotations, gaps.
 * Layer: model (includes base).
 *
 * A binary tree of VMAs by address in which every path from the top to a missing child passes the
 * same number of black VMAs and no red one has a red child: no path is more than twice as long as
 * another. Each VMA knows the largest gap that lies right below any VMA of its subtree, which lets
 * a search for free addresses skip subtrees.
 *
 * What is linked must also be in the list by address, put there before rb_tree_link and taken out
 * before rb_tree_unlink: the gap below a VMA is measured from its predecessor in the list.
 * Source: Guibas, Sedgewick, "A dichromatic framework for balanced trees", 1978; the cases of
 * Cormen et al., Introduction to Algorithms, chapter 13. */
#ifndef ARENITE_MODEL_RB_TREE_H
#define ARENITE_MODEL_RB_TREE_H

#include "model/vma.h"

enum rb_side { RB_LOWER = 0, RB_HIGHER = 1 };

#define RB_BLACK ((uintptr_t)1)

INLINE struct vma *rb_parent(const struct vma *vma) {
    return (struct vma *)(vma->links.parent_and_color & ~RB_BLACK);
}

/* A missing child counts as black. */
INLINE bool rb_is_black(const struct vma *vma) {
    return vma == NULL || (vma->links.parent_and_color & RB_BLACK) != 0;
}

/* Bytes between a VMA and the one before it, or the bottom of the address space. */
INLINE uint64_t rb_gap_below(const struct vma *vma) {
    const struct vma *previous = vma->links.previous;
    return vma->start - (previous != NULL ? previous->end : 0);
}

INLINE uint64_t rb_subtree_gap(const struct vma *vma) {
    return vma != NULL ? vma->links.subtree_gap_bytes : 0;
}

/* Recomputes the subtree gaps from a VMA upwards, as far as they change; NULL is no VMA. To be
 * called when the gap below a VMA changed, before VMAs are linked or unlinked: a rotation would
 * recompute that VMA alone. */
void rb_tree_refresh(struct vma *vma);

/* Puts a VMA below `parent`, where no child is (NULL: it is the whole tree), and rebalances. */
void rb_tree_link(struct vma **root, struct vma *vma, struct vma *parent, enum rb_side side);

/* Takes a VMA out and rebalances. */
void rb_tree_unlink(struct vma **root, struct vma *vma);

#endif
