/* vma_maple.c - the index of Linux since 6.1: VMAs as the entries of a maple tree.
 * Layer: model (includes base).
 *
 * A VMA [start, end) is the entry of the indices start .. end - 1; what is mapped is read off the
 * tree, the VMA's own bounds are a copy. Each change of the index is one change of the tree. */
#include "model/vma_index_internal.h"

#include "base/check.h"

static void destroy(struct vma_index *index) {
    maple_destroy(&index->maple);
    pthread_rwlock_destroy(&index->lock);
    index->count = 0;
}

static struct vma *find(const struct vma_index *index, vaddr address) {
    return maple_find(&index->maple, address);
}

static struct vma *find_last(const struct vma_index *index, vaddr address) {
    return maple_find_last(&index->maple, address);
}

static struct vma *lookup(const struct vma_index *index, vaddr address) {
    return maple_load_at(&index->maple, address);
}

static struct vma *next(const struct vma_index *index, const struct vma *vma) {
    return maple_find(&index->maple, vma->end);
}

static struct vma *previous(const struct vma_index *index, const struct vma *vma) {
    return vma->start > 0 ? maple_find_last(&index->maple, vma->start - 1) : NULL;
}

static void walk_start(struct vma_walk *walk, vaddr address) {
    maple_walk_start(&walk->maple, &walk->index->maple, address);
}

static struct vma *walk_next(struct vma_walk *walk) {
    return maple_walk_next(&walk->maple);
}

/* ---- changes ------------------------------------------------------------------------------- */

static int insert(struct vma_index *index, struct vma *vma) {
    struct maple_edit edit = {vma->end - 1, vma};
    DEBUG_CHECK(vma->start < vma->end);
    int status = maple_replace(&index->maple, vma->start, &edit, 1);
    index->count += status == 0;
    return status;
}

static int erase(struct vma_index *index, struct vma *vma) {
    struct maple_edit edit = {vma->end - 1, NULL};
    DEBUG_CHECK(maple_load_at(&index->maple, vma->start) == vma);
    int status = maple_replace(&index->maple, vma->start, &edit, 1);
    index->count -= status == 0;
    return status;
}

/* VMAs in [start, end). */
static size_t count_in(const struct vma_index *index, vaddr start, vaddr end) {
    size_t count = 0;
    struct maple_walk walk;
    maple_walk_start(&walk, &index->maple, start);
    for (const struct vma *vma = maple_walk_next(&walk); vma != NULL && vma->start < end;
         vma = maple_walk_next(&walk)) {
        count++;
    }
    return count;
}

static int resize(struct vma_index *index, struct vma *vma, vaddr start, vaddr end) {
    DEBUG_CHECK(start < end && start < vma->end && end > vma->start);
    struct maple_edit edits[MAPLE_MAX_EDITS];
    unsigned count = 0;
    vaddr from = start;
    if (vma->start < start) {
        edits[count++] = (struct maple_edit){start - 1, NULL};
        from = vma->start;
    }
    edits[count++] = (struct maple_edit){end - 1, vma};
    if (vma->end > end) {
        edits[count++] = (struct maple_edit){vma->end - 1, NULL};
    }
    size_t absorbed = count_in(index, start, end) - 1;
    int status = maple_replace(&index->maple, from, edits, count);
    if (status == 0) {
        vma_set_range(vma, start, end);
        index->count -= absorbed;
    }
    return status;
}

static int shift(struct vma_index *index, struct vma *left, struct vma *right, vaddr at) {
    DEBUG_CHECK(left->end == right->start && left->start < at && at < right->end);
    bool left_grows = at > left->end;
    struct maple_edit edit = {left_grows ? at - 1 : right->end - 1, left_grows ? left : right};
    int status = maple_replace(&index->maple, left_grows ? left->start : at, &edit, 1);
    if (status == 0) {
        vma_set_range(left, left->start, at);
        vma_set_range(right, at, right->end);
    }
    return status;
}

static int split(struct vma_index *index, struct vma *vma, vaddr at, struct vma *upper) {
    DEBUG_CHECK(vma->start < at && at < vma->end);
    struct maple_edit edit = {vma->end - 1, upper};
    vma_set_range(upper, at, vma->end);
    int status = maple_replace(&index->maple, at, &edit, 1);
    if (status == 0) {
        vma_set_range(vma, vma->start, at);
        index->count++;
    }
    return status;
}

/* ---- the rest ------------------------------------------------------------------------------ */

static vaddr gap_bottom_up(const struct vma_index *index, const struct gap_request *request) {
    return maple_gap_low(&index->maple, request);
}

static vaddr gap_top_down(const struct vma_index *index, const struct gap_request *request) {
    return maple_gap_high(&index->maple, request);
}

static size_t bytes(const struct vma_index *index) {
    return index->maple.nodes * sizeof(struct maple_node);
}

/* The tree by itself, then what it says against what the VMAs say. */
static const char *audit(const struct vma_index *index) {
    size_t entries = 0;
    const char *broken = maple_audit(&index->maple, &entries);
    if (broken != NULL) {
        return broken;
    }
    if (entries != index->count) {
        return "maple: count is not the number of VMAs";
    }
    vaddr end = 0;
    struct maple_walk walk;
    maple_walk_start(&walk, &index->maple, 0);
    for (const struct vma *vma = maple_walk_next(&walk); vma != NULL;
         vma = maple_walk_next(&walk)) {
        if (vma->start < end || vma->end != walk.next_index ||
            maple_load_at(&index->maple, vma->start) != vma ||
            (vma->start > end && maple_load_at(&index->maple, vma->start - 1) != NULL)) {
            return "maple: a VMA's range is not that of its slot";
        }
        end = vma->end;
    }
    return NULL;
}

static const struct vma_index_ops maple_ops = {
    .name = "maple",
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
    .audit = audit,
};

void vma_index_init_maple(struct vma_index *index, struct object_source *nodes) {
    vma_index_init(index, &maple_ops);
    maple_init(&index->maple, nodes, &index->domain);
}
