/* vma_merge.c - VMAs that become one, and one that becomes two.
 * Layer: model (includes base).
 *
 *      prev        range        next
 *   |---------|~~~~~~~~~~~~~|---------|     new: the range is free
 *   |---------|##|~~~~~~~|##|---------|     existing: the range is part of a VMA, the middle
 *
 * Two neighbours merge when flags, file and page offsets go on from one to the other, and their
 * anon_vmas do not contradict each other: both the same, or one has none yet. A chain of anon_vmas
 * that was inherited at a fork lets only its like merge. When three could become one but the outer
 * two contradict each other, the left one wins. `gu` is no obstacle: the result has it when one of
 * them had. */
#include "model/file.h"
#include "model/mm_internal.h"

/* ---- splitting ----------------------------------------------------------------------------- */

int vma_split_unchecked(struct mm *mm, struct vma *vma, vaddr at, struct vma **upper) {
    struct vma *new = vma_new(mm);
    if (new == NULL) {
        return -ENOMEM;
    }
    new->flags = vma->flags;
    new->pgoff = vma->pgoff + pages_of(at - vma->start);
    new->anon = vma->anon;
    new->anon_chain = vma->anon_chain;
    new->file = vma->file;
    int error = vma_index_split(&mm->index, vma, at, new);
    if (error < 0) {
        new->file = NULL; /* not held yet */
        vma_delete(mm, new);
        return error;
    }
    if (new->file != NULL) {
        file_hold(new->file);
    }
    mm_split_huge_at(mm, at);
    *upper = new;
    return 0;
}

int vma_split(struct mm *mm, struct vma *vma, vaddr at, struct vma **upper) {
    if (vma_index_count(&mm->index) >= mm->machine->personality.max_map_count) {
        return -ENOMEM;
    }
    return vma_split_unchecked(mm, vma, at, upper);
}

/* ---- may they merge? ----------------------------------------------------------------------- */

static bool is_inherited(const struct vma *vma) {
    return vma != NULL && vma->anon_chain > 1;
}

static bool anon_fits(const struct vma *neighbour, const struct vma_proposal *proposal) {
    if (neighbour->anon == 0 && proposal->anon != 0) {
        return !is_inherited(proposal->source);
    }
    if (neighbour->anon != 0 && proposal->anon == 0) {
        return !is_inherited(neighbour);
    }
    return neighbour->anon == proposal->anon;
}

static bool is_like(const struct vma *neighbour, const struct vma_proposal *proposal) {
    return ((neighbour->flags ^ proposal->flags) & ~VMF_IGNORED_BY_MERGE) == 0 &&
           neighbour->file == proposal->file && anon_fits(neighbour, proposal);
}

/* The neighbour below that the range can join, or NULL. */
static struct vma *find_left(const struct mm *mm, const struct vma_proposal *proposal) {
    struct vma *prev =
        proposal->start == 0 ? NULL : vma_index_lookup(&mm->index, proposal->start - 1);
    bool joins = prev != NULL && prev->end == proposal->start && is_like(prev, proposal) &&
                 prev->pgoff + vma_pages(prev) == proposal->pgoff;
    return joins ? prev : NULL;
}

/* The neighbour above that it can join, also when it joins `left` already; or NULL. */
static struct vma *find_right(const struct mm *mm, const struct vma_proposal *proposal,
                              const struct vma *left) {
    struct vma *next = vma_index_lookup(&mm->index, proposal->end);
    if (next == NULL || next->start != proposal->end || !is_like(next, proposal) ||
        next->pgoff != proposal->pgoff + pages_of(proposal->end - proposal->start)) {
        return NULL;
    }
    bool agree = left == NULL || left->anon == 0 || next->anon == 0 || left->anon == next->anon;
    return agree ? next : NULL;
}

/* ---- merging ------------------------------------------------------------------------------- */

/* One VMA takes over pages of another: the anon_vma comes with them. */
static void take_anon(struct vma *to, const struct vma *from) {
    if (from != NULL && to->anon == 0 && from->anon != 0) {
        to->anon = from->anon;
        to->anon_chain = from->anon_chain;
    }
}

static void take_sticky(struct vma *to, uint64_t flags) {
    to->flags |= flags & VMF_IGNORED_BY_MERGE;
}

/* Grows a VMA to [start, end); up to two VMAs inside leave the index and are gone. */
static int absorb(struct mm *mm, struct vma *vma, vaddr start, vaddr end, struct vma *gone,
                  struct vma *also_gone) {
    uint64_t pgoff = vma->pgoff - pages_of(vma->start) + pages_of(start);
    int error = vma_index_resize(&mm->index, vma, start, end);
    if (error < 0) {
        return error;
    }
    vma->pgoff = pgoff;
    struct vma *absorbed[2] = {gone, also_gone};
    for (int i = 0; i < 2; i++) {
        if (absorbed[i] != NULL) {
            take_sticky(vma, absorbed[i]->flags);
            vma_delete(mm, absorbed[i]);
        }
    }
    return 0;
}

int vma_merge_new(struct mm *mm, const struct vma_proposal *proposal, struct vma **merged) {
    struct vma *left = find_left(mm, proposal);
    struct vma *right = proposal->only_left ? NULL : find_right(mm, proposal, left);
    struct vma *target = left != NULL ? left : right;
    *merged = target;
    if (target == NULL) {
        return 0;
    }
    take_sticky(target, proposal->flags);
    take_anon(target, proposal->source);
    if (left == NULL) {
        return absorb(mm, right, proposal->start, right->end, NULL, NULL);
    }
    take_anon(left, right);
    return absorb(mm, left, left->start, right != NULL ? right->end : proposal->end, right, NULL);
}

/* Moves the border between two adjacent VMAs; the upper one's offset follows. */
static int move_border(struct mm *mm, struct vma *lower, struct vma *upper, vaddr at) {
    uint64_t pgoff = upper->pgoff - pages_of(upper->start) + pages_of(at);
    int error = vma_index_shift(&mm->index, lower, upper, at);
    if (error == 0) {
        upper->pgoff = pgoff;
        mm_split_huge_at(mm, at);
    }
    return error;
}

static int join_left(struct mm *mm, struct vma *left, struct vma *middle, vaddr end) {
    take_anon(left, middle);
    take_sticky(left, middle->flags);
    return end == middle->end ? absorb(mm, left, left->start, end, middle, NULL)
                              : move_border(mm, left, middle, end);
}

static int join_right(struct mm *mm, struct vma *middle, struct vma *right, vaddr start) {
    take_anon(right, middle);
    take_sticky(right, middle->flags);
    return start == middle->start ? absorb(mm, right, start, right->end, middle, NULL)
                                  : move_border(mm, middle, right, start);
}

static int join_both(struct mm *mm, struct vma *left, struct vma *middle, struct vma *right) {
    take_anon(left, right->anon != 0 ? right : middle);
    return absorb(mm, left, left->start, right->end, middle, right);
}

/* Merges a part of a VMA, which is to have the proposal's flags, with neighbours. */
static int merge_existing(struct mm *mm, struct vma *middle, const struct vma_proposal *proposal,
                          struct vma **merged) {
    struct vma *left = proposal->start == middle->start ? find_left(mm, proposal) : NULL;
    struct vma *right = proposal->end == middle->end ? find_right(mm, proposal, left) : NULL;
    *merged = left != NULL ? left : right;
    if (left != NULL && right != NULL) {
        return join_both(mm, left, middle, right);
    }
    if (left != NULL) {
        return join_left(mm, left, middle, proposal->end);
    }
    return right != NULL ? join_right(mm, middle, right, proposal->start) : 0;
}

int vma_modify(struct mm *mm, struct vma *vma, vaddr start, vaddr end, uint64_t flags,
               struct vma **result) {
    const struct vma_proposal proposal = {
        .start = start,
        .end = end,
        .flags = flags,
        .pgoff = vma->pgoff + pages_of(start - vma->start),
        .anon = vma->anon,
        .file = vma->file,
        .source = vma,
    };
    int error = merge_existing(mm, vma, &proposal, result);
    if (error < 0 || *result != NULL) {
        return error;
    }
    struct vma *middle = vma;
    if (vma->start < start) {
        error = vma_split(mm, vma, start, &middle);
    }
    if (error == 0 && end < middle->end) {
        struct vma *above;
        error = vma_split(mm, middle, end, &above);
    }
    if (error == 0) {
        middle->flags = flags;
        *result = middle;
    }
    return error;
}

/* ---- anon_vmas ----------------------------------------------------------------------------- */

/* Two adjacent VMAs that one mprotect could make mergeable. */
static bool could_share(const struct vma *lower, const struct vma *upper) {
    return lower->end == upper->start && lower->file == upper->file &&
           ((lower->flags ^ upper->flags) & ~(VMF_ACCESS | VMF_IGNORED_BY_MERGE)) == 0 &&
           upper->pgoff == lower->pgoff + vma_pages(lower);
}

static bool offers_anon(const struct vma *vma) {
    return vma->anon != 0 && vma->anon_chain == 1;
}

void vma_prepare_anon(struct mm *mm, struct vma *vma) {
    if (vma->anon != 0) {
        return;
    }
    const struct vma *next = vma_index_next(&mm->index, vma);
    const struct vma *prev = vma_index_previous(&mm->index, vma);
    if (next != NULL && could_share(vma, next) && offers_anon(next)) {
        vma->anon = next->anon;
    } else if (prev != NULL && could_share(prev, vma) && offers_anon(prev)) {
        vma->anon = prev->anon;
    } else {
        vma->anon = ++mm->machine->anon_count;
    }
    vma->anon_chain = 1;
}
