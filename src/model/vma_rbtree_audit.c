/* vma_rbtree_audit.c - recounts the older index: tree, colours, gaps and list, each from scratch.
 * Layer: model (includes base). */
#include "model/rb_tree.h"
#include "model/vma_index_internal.h"

/* What a walk of the tree in the order of addresses has seen. */
struct rb_walk {
    const struct vma *last; /* the VMA before, or NULL */
    size_t count;
    const char *broken; /* the first complaint, or NULL */
};

static bool expect(struct rb_walk *walk, bool holds, const char *what) {
    if (!holds && walk->broken == NULL) {
        walk->broken = what;
    }
    return walk->broken == NULL;
}

static void visit(struct rb_walk *walk, const struct vma *vma) {
    const struct vma *last = walk->last;
    expect(walk, vma->start < vma->end, "rbtree: a VMA is empty");
    expect(walk, last == NULL || last->end <= vma->start, "rbtree: VMAs overlap or are unsorted");
    expect(walk, vma->links.previous == last, "rbtree: the list's order is not the tree's");
    expect(walk, last == NULL || last->links.next == vma, "rbtree: a next is not the next VMA");
    walk->last = vma;
    walk->count++;
}

static uint64_t largest_gap(const struct vma *vma) {
    uint64_t largest = rb_gap_below(vma);
    for (unsigned side = RB_LOWER; side <= RB_HIGHER; side++) {
        uint64_t gap = rb_subtree_gap(vma->links.child[side]);
        largest = gap > largest ? gap : largest;
    }
    return largest;
}

static bool child_is_sound(struct rb_walk *walk, const struct vma *vma, const struct vma *child) {
    return child == NULL ||
           (expect(walk, rb_parent(child) == vma, "rbtree: a child names another parent") &&
            expect(walk, rb_is_black(vma) || rb_is_black(child), "rbtree: red below red"));
}

/* Walks a subtree; the number of black VMAs on each of its paths. Depth is bounded by the colours,
 * which are looked at before going down. */
static unsigned walk_subtree(struct rb_walk *walk, const struct vma *vma) {
    if (vma == NULL || walk->broken != NULL) {
        return 0;
    }
    const struct vma *lower = vma->links.child[RB_LOWER];
    const struct vma *higher = vma->links.child[RB_HIGHER];
    if (!child_is_sound(walk, vma, lower) || !child_is_sound(walk, vma, higher)) {
        return 0;
    }
    unsigned black_lower = walk_subtree(walk, lower);
    visit(walk, vma);
    unsigned black_higher = walk_subtree(walk, higher);
    expect(walk, black_lower == black_higher, "rbtree: paths differ in black VMAs");
    expect(walk, vma->links.subtree_gap_bytes == largest_gap(vma),
           "rbtree: a subtree gap is wrong");
    return black_lower + rb_is_black(vma);
}

const char *vma_rbtree_audit(const struct vma_index *index) {
    struct rb_walk walk = {0};
    if (index->root != NULL) {
        expect(&walk, rb_is_black(index->root), "rbtree: the top is red");
        expect(&walk, rb_parent(index->root) == NULL, "rbtree: the top has a parent");
    }
    walk_subtree(&walk, index->root);
    expect(&walk, walk.last == NULL || walk.last->links.next == NULL,
           "rbtree: the list goes on after the last VMA");
    expect(&walk, walk.count == index->count, "rbtree: count is not the number of VMAs");
    return walk.broken;
}
