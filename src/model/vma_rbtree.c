/* vma_rbtree.c - the index of Linux before 6.1: a red-black tree and a list through the VMAs.
 * Layer: model (includes base).
 *
 * The tree answers where an address is, the list what comes next; both links lie in the VMA, so a
 * change needs no memory and cannot fail. The gaps below VMAs are known per subtree (rb_tree.h);
 * the one above the last VMA is looked at by itself.
 *
 * Readers and a writer exclude each other: a rotation moves VMAs that a reader stands on. */
#include "model/rb_tree.h"
#include "model/vma_index_internal.h"

#include "base/check.h"

static void destroy(struct vma_index *index) {
    pthread_rwlock_destroy(&index->lock);
    index->root = NULL;
    index->count = 0;
}

static struct vma *find(const struct vma_index *index, vaddr address) {
    struct vma *found = NULL;
    struct vma *vma = index->root;
    while (vma != NULL) {
        bool is_above = vma->end > address;
        found = is_above ? vma : found;
        if (is_above && vma->start <= address) {
            break;
        }
        vma = vma->links.child[is_above ? RB_LOWER : RB_HIGHER];
    }
    return found;
}

static struct vma *find_last(const struct vma_index *index, vaddr address) {
    struct vma *found = NULL;
    struct vma *vma = index->root;
    while (vma != NULL) {
        bool is_below = vma->start <= address;
        found = is_below ? vma : found;
        vma = vma->links.child[is_below ? RB_HIGHER : RB_LOWER];
    }
    return found;
}

static struct vma *lookup(const struct vma_index *index, vaddr address) {
    struct vma *vma = find(index, address);
    return vma != NULL && vma->start <= address ? vma : NULL;
}

static struct vma *next(const struct vma_index *index, const struct vma *vma) {
    (void)index;
    return vma->links.next;
}

static struct vma *previous(const struct vma_index *index, const struct vma *vma) {
    (void)index;
    return vma->links.previous;
}

static void walk_start(struct vma_walk *walk, vaddr address) {
    walk->at = find(walk->index, address);
}

static struct vma *walk_next(struct vma_walk *walk) {
    struct vma *vma = walk->at;
    if (vma != NULL) {
        walk->at = vma->links.next;
    }
    return vma;
}

/* ---- changes ------------------------------------------------------------------------------- */

static void list_insert(struct vma *vma, struct vma *below, struct vma *above) {
    vma->links.previous = below;
    vma->links.next = above;
    if (below != NULL) {
        below->links.next = vma;
    }
    if (above != NULL) {
        above->links.previous = vma;
    }
}

static void list_erase(const struct vma *vma) {
    struct vma *below = vma->links.previous;
    struct vma *above = vma->links.next;
    if (below != NULL) {
        below->links.next = above;
    }
    if (above != NULL) {
        above->links.previous = below;
    }
}

static int insert(struct vma_index *index, struct vma *vma) {
    struct vma *parent = NULL;
    struct vma *below = NULL;
    struct vma *above = NULL;
    enum rb_side side = RB_LOWER;
    for (struct vma *at = index->root; at != NULL; at = at->links.child[side]) {
        DEBUG_CHECK(vma->end <= at->start || vma->start >= at->end);
        parent = at;
        side = vma->start < at->start ? RB_LOWER : RB_HIGHER;
        if (side == RB_LOWER) {
            above = at;
        } else {
            below = at;
        }
    }
    list_insert(vma, below, above);
    rb_tree_refresh(above);
    rb_tree_link(&index->root, vma, parent, side);
    index->count++;
    return 0;
}

static int erase(struct vma_index *index, struct vma *vma) {
    list_erase(vma);
    rb_tree_refresh(vma->links.next);
    rb_tree_unlink(&index->root, vma);
    index->count--;
    return 0;
}

static int resize(struct vma_index *index, struct vma *vma, vaddr start, vaddr end) {
    DEBUG_CHECK(start < end && start < vma->end && end > vma->start);
    while (vma->links.previous != NULL && vma->links.previous->start >= start) {
        erase(index, vma->links.previous);
    }
    while (vma->links.next != NULL && vma->links.next->end <= end) {
        erase(index, vma->links.next);
    }
    vma_set_range(vma, start, end);
    rb_tree_refresh(vma);
    rb_tree_refresh(vma->links.next);
    return 0;
}

/* Adjacent VMAs have no gap between them before and after: the tree stays as it is. */
static int shift(struct vma_index *index, struct vma *left, struct vma *right, vaddr at) {
    (void)index;
    DEBUG_CHECK(left->end == right->start && left->start < at && at < right->end);
    vma_set_range(left, left->start, at);
    vma_set_range(right, at, right->end);
    return 0;
}

static int split(struct vma_index *index, struct vma *vma, vaddr at, struct vma *upper) {
    DEBUG_CHECK(vma->start < at && at < vma->end);
    vma_set_range(upper, at, vma->end);
    vma_set_range(vma, vma->start, at);
    return insert(index, upper);
}

/* ---- gaps ---------------------------------------------------------------------------------- */

typedef vaddr (*place_function)(const struct gap_request *request, vaddr start, vaddr end);

/* Tries the gap below each VMA of a subtree, beginning at the `first` side; leaves out subtrees
 * whose gaps are too small or lie outside the request. */
static vaddr gap_in(const struct vma *vma, const struct gap_request *request, enum rb_side first,
                    place_function place) {
    if (rb_subtree_gap(vma) < request->length_bytes) {
        return VADDR_NONE;
    }
    const struct vma *below = vma->links.previous;
    vaddr gap_start = below != NULL ? below->end : 0;
    bool side_matters[2] = {gap_start > request->low, vma->end < request->high};
    vaddr found = VADDR_NONE;
    if (side_matters[first]) {
        found = gap_in(vma->links.child[first], request, first, place);
    }
    if (found == VADDR_NONE) {
        found = place(request, gap_start, vma->start);
    }
    enum rb_side second = first == RB_LOWER ? RB_HIGHER : RB_LOWER;
    if (found == VADDR_NONE && side_matters[second]) {
        found = gap_in(vma->links.child[second], request, first, place);
    }
    return found;
}

static vaddr end_of_last(const struct vma_index *index) {
    const struct vma *last = find_last(index, VADDR_NONE);
    return last != NULL ? last->end : 0;
}

static vaddr place_low(const struct gap_request *request, vaddr start, vaddr end) {
    return gap_place_low(request, start, end);
}

static vaddr place_high(const struct gap_request *request, vaddr start, vaddr end) {
    return gap_place_high(request, start, end);
}

static vaddr gap_bottom_up(const struct vma_index *index, const struct gap_request *request) {
    vaddr found = gap_in(index->root, request, RB_LOWER, place_low);
    return found != VADDR_NONE ? found : gap_place_low(request, end_of_last(index), VADDR_NONE);
}

static vaddr gap_top_down(const struct vma_index *index, const struct gap_request *request) {
    vaddr found = gap_place_high(request, end_of_last(index), VADDR_NONE);
    return found != VADDR_NONE ? found : gap_in(index->root, request, RB_HIGHER, place_high);
}

static size_t bytes(const struct vma_index *index) {
    return index->count * sizeof(struct vma_rb_links);
}

static const struct vma_index_ops rbtree_ops = {
    .name = "rbtree",
    .readers_lock = true,
    .destroy = destroy,
    .find = find,
    .find_last = find_last,
    .lookup = lookup,
    .next = next,
    .previous = previous,
    .walk_start = walk_start,
    .walk_next = walk_next,
    .insert = insert,
    .erase = erase,
    .resize = resize,
    .shift = shift,
    .split = split,
    .gap_bottom_up = gap_bottom_up,
    .gap_top_down = gap_top_down,
    .bytes = bytes,
    .audit = vma_rbtree_audit,
};

void vma_index_init_rbtree(struct vma_index *index) {
    vma_index_init(index, &rbtree_ops);
}
