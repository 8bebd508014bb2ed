/* rb_tree.c - rotations and recolouring; see rb_tree.h.
 * Layer: model (includes base).
 *
 * Gaps are kept right in three places: a rotation recomputes the two VMAs that change their
 * subtrees; linking and unlinking recompute the path upwards from where the tree changed. */
#include "model/rb_tree.h"

/* The largest gap of a VMA's subtree, from what its children know. */
static void refresh_one(struct vma *vma) {
    uint64_t largest = rb_gap_below(vma);
    for (unsigned side = RB_LOWER; side <= RB_HIGHER; side++) {
        uint64_t of_child = rb_subtree_gap(vma->links.child[side]);
        largest = of_child > largest ? of_child : largest;
    }
    vma->links.subtree_gap_bytes = largest;
}

/* What is above a subtree whose largest gap stays as it was stays as well. */
void rb_tree_refresh(struct vma *vma) {
    bool changed = true;
    for (; changed && vma != NULL; vma = rb_parent(vma)) {
        uint64_t before = vma->links.subtree_gap_bytes;
        refresh_one(vma);
        changed = vma->links.subtree_gap_bytes != before;
    }
}

static void set_parent(struct vma *vma, struct vma *parent) {
    vma->links.parent_and_color = (uintptr_t)parent | (vma->links.parent_and_color & RB_BLACK);
}

static void set_black(struct vma *vma, bool black) {
    vma->links.parent_and_color = (uintptr_t)rb_parent(vma) | (black ? RB_BLACK : 0);
}

static enum rb_side side_of(const struct vma *vma, const struct vma *parent) {
    return parent->links.child[RB_HIGHER] == vma ? RB_HIGHER : RB_LOWER;
}

static enum rb_side other(enum rb_side side) {
    return side == RB_LOWER ? RB_HIGHER : RB_LOWER;
}

static void set_child(struct vma *parent, enum rb_side side, struct vma *child) {
    parent->links.child[side] = child;
    if (child != NULL) {
        set_parent(child, parent);
    }
}

/* Lets `with`, which may be NULL, hang where `vma` hangs. */
static void replace(struct vma **root, const struct vma *vma, struct vma *with) {
    struct vma *parent = rb_parent(vma);
    if (parent != NULL) {
        set_child(parent, side_of(vma, parent), with);
        return;
    }
    *root = with;
    if (with != NULL) {
        set_parent(with, NULL);
    }
}

/* Moves a VMA down to `side`; its child of the other side takes its place.
 *
 *        vma                up
 *       /   \              /  \
 *      a     up    -->   vma   c       (side: lower)
 *           /  \        /   \
 *          b    c      a     b                                                                  */
static void rotate(struct vma **root, struct vma *vma, enum rb_side side) {
    struct vma *up = vma->links.child[other(side)];
    replace(root, vma, up);
    set_child(vma, other(side), up->links.child[side]);
    set_child(up, side, vma);
    refresh_one(vma);
    refresh_one(up);
}

/* A red VMA came in; repairs a red parent, going up while the parent's sibling is red too. */
static void balance_linked(struct vma **root, struct vma *vma) {
    struct vma *parent;
    while ((parent = rb_parent(vma)) != NULL && !rb_is_black(parent)) {
        struct vma *grandparent = rb_parent(parent);
        enum rb_side side = side_of(parent, grandparent);
        struct vma *uncle = grandparent->links.child[other(side)];
        if (!rb_is_black(uncle)) {
            set_black(parent, true);
            set_black(uncle, true);
            set_black(grandparent, false);
            vma = grandparent;
            continue;
        }
        if (side_of(vma, parent) != side) {
            rotate(root, parent, side);
            parent = vma;
        }
        set_black(parent, true);
        set_black(grandparent, false);
        rotate(root, grandparent, other(side));
        break;
    }
    set_black(*root, true);
}

void rb_tree_link(struct vma **root, struct vma *vma, struct vma *parent, enum rb_side side) {
    vma->links.child[RB_LOWER] = NULL;
    vma->links.child[RB_HIGHER] = NULL;
    vma->links.parent_and_color = (uintptr_t)parent;
    if (parent != NULL) {
        parent->links.child[side] = vma;
    } else {
        *root = vma;
    }
    refresh_one(vma);
    rb_tree_refresh(parent);
    balance_linked(root, vma);
}

/* Repairs one step of a missing black below `parent` at `side`, whose sibling is black. True when
 * the lack has gone; false when it is now the parent's. */
static bool repair_lack(struct vma **root, struct vma *parent, enum rb_side side) {
    struct vma *sibling = parent->links.child[other(side)];
    struct vma *near = sibling->links.child[side];
    struct vma *far = sibling->links.child[other(side)];
    if (rb_is_black(near) && rb_is_black(far)) {
        set_black(sibling, false);
        return false;
    }
    if (rb_is_black(far)) {
        set_black(near, true);
        set_black(sibling, false);
        rotate(root, sibling, other(side));
        far = sibling;
        sibling = near;
    }
    set_black(sibling, rb_is_black(parent));
    set_black(parent, true);
    set_black(far, true);
    rotate(root, parent, side);
    return true;
}

/* A black VMA went away above `vma`, which may be missing and then hangs nowhere. */
static void balance_unlinked(struct vma **root, struct vma *vma, struct vma *parent) {
    while (parent != NULL && rb_is_black(vma)) {
        enum rb_side side = side_of(vma, parent);
        struct vma *sibling = parent->links.child[other(side)];
        if (!rb_is_black(sibling)) {
            set_black(sibling, true);
            set_black(parent, false);
            rotate(root, parent, side);
        }
        if (repair_lack(root, parent, side)) {
            return;
        }
        vma = parent;
        parent = rb_parent(vma);
    }
    if (vma != NULL) {
        set_black(vma, true);
    }
}

/* Puts the lowest VMA of the higher subtree into the place of one with two children, with the gap
 * that those above know of that place. Returns where the tree lost a place: the parent, and whether
 * the place was black; *child hangs there now. */
static struct vma *unlink_inner(struct vma **root, struct vma *vma, struct vma **child,
                                bool *was_black) {
    struct vma *heir = vma->links.child[RB_HIGHER];
    while (heir->links.child[RB_LOWER] != NULL) {
        heir = heir->links.child[RB_LOWER];
    }
    struct vma *parent = rb_parent(heir);
    *child = heir->links.child[RB_HIGHER];
    *was_black = rb_is_black(heir);
    if (parent == vma) {
        parent = heir;
    } else {
        set_child(parent, RB_LOWER, *child);
        set_child(heir, RB_HIGHER, vma->links.child[RB_HIGHER]);
    }
    replace(root, vma, heir);
    set_black(heir, rb_is_black(vma));
    set_child(heir, RB_LOWER, vma->links.child[RB_LOWER]);
    heir->links.subtree_gap_bytes = vma->links.subtree_gap_bytes;
    rb_tree_refresh(parent);
    rb_tree_refresh(heir);
    return parent;
}

void rb_tree_unlink(struct vma **root, struct vma *vma) {
    struct vma *lower = vma->links.child[RB_LOWER];
    struct vma *higher = vma->links.child[RB_HIGHER];
    struct vma *parent;
    struct vma *child;
    bool was_black;
    if (lower != NULL && higher != NULL) {
        parent = unlink_inner(root, vma, &child, &was_black);
    } else {
        parent = rb_parent(vma);
        child = lower != NULL ? lower : higher;
        was_black = rb_is_black(vma);
        replace(root, vma, child);
        rb_tree_refresh(parent);
    }
    if (was_black) {
        balance_unlinked(root, child, parent);
    }
}
