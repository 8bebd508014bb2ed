/* remap.c - mremap: mappings that grow, shrink and move.
 * Layer: model (includes base and the buddy core). */
#include "model/mm_internal.h"

/* A call on its way: the request with rounded lengths. */
struct remap {
    struct mm *mm;
    vaddr address;
    vaddr new_address;
    uint64_t old_length;
    uint64_t new_length;
    unsigned flags;
};

static bool has_target(const struct remap *remap) {
    return (remap->flags & (REMAP_REQUEST_FIXED | REMAP_REQUEST_DONTUNMAP)) != 0;
}

static uint64_t growth_pages(const struct remap *remap) {
    return remap->new_length > remap->old_length ? pages_of(remap->new_length - remap->old_length)
                                                 : 0;
}

/* ---- checks -------------------------------------------------------------------------------- */

static bool ranges_overlap(const struct remap *remap) {
    return remap->address < remap->new_address + remap->new_length &&
           remap->new_address < remap->address + remap->old_length;
}

static int check_request(const struct remap *remap) {
    vaddr top = remap->mm->layout.task_end;
    if (!is_page_aligned(remap->address) || remap->new_length == 0 || remap->new_length > top) {
        return -EINVAL;
    }
    if (!has_target(remap)) {
        return 0;
    }
    bool valid =
        remap->new_address <= top - remap->new_length && is_page_aligned(remap->new_address) &&
        (remap->flags & REMAP_REQUEST_MAYMOVE) != 0 &&
        ((remap->flags & REMAP_REQUEST_DONTUNMAP) == 0 || remap->old_length == remap->new_length) &&
        !ranges_overlap(remap);
    if (!valid) {
        return -EINVAL;
    }
    uint64_t most = remap->mm->machine->personality.max_map_count;
    return vma_index_count(&remap->mm->index) + 2 >= most - 3 ? -ENOMEM : 0;
}

static int check_vma(const struct remap *remap, const struct vma *vma) {
    const struct mm *mm = remap->mm;
    if (vma == NULL) {
        return -EFAULT;
    }
    if (!has_target(remap) && remap->new_length <= remap->old_length) {
        return 0;
    }
    if (remap->old_length == 0 && (vma->flags & (VMF_SHARED | VMF_MAYSHARE)) == 0) {
        return -EINVAL;
    }
    uint64_t kept = /* a shrinking part is cut off before it moves */
        remap->new_length < remap->old_length ? remap->new_length : remap->old_length;
    if (kept > vma->end - remap->address) {
        return -EFAULT;
    }
    uint64_t more = growth_pages(remap);
    bool locks = (vma->flags & VMF_LOCKED) != 0 && !mm->limits.may_exceed_locked;
    if (locks && mm->locked_pages + more > pages_of(mm->limits.locked)) {
        return -EAGAIN;
    }
    return more > 0 && !mm_may_expand(mm, vma->flags, (int64_t)more) ? -ENOMEM : 0;
}

/* ---- page tables --------------------------------------------------------------------------- */

/* What one step of the move covers. */
struct step {
    vaddr from;
    vaddr to;
    uint64_t bytes;
};

/* As much as fits into one block of 2^shift at both ends. */
static uint64_t extent(vaddr from, vaddr to, vaddr from_end, unsigned shift) {
    uint64_t span = (uint64_t)1 << shift;
    uint64_t most = span - (from & (span - 1));
    uint64_t most_to = span - (to & (span - 1));
    most = most < most_to ? most : most_to;
    return most < from_end - from ? most : from_end - from;
}

static bool is_whole(const struct step *step, unsigned shift) {
    return step->bytes == (uint64_t)1 << shift;
}

static void move_small(struct table *from, struct table *to, const struct step *step) {
    for (uint64_t done = 0; done < step->bytes; done += MODEL_PAGE_BYTES) {
        page_entry *old = &from->entry[table_index(step->from + done, MODEL_PAGE_SHIFT)];
        to->entry[table_index(step->to + done, MODEL_PAGE_SHIFT)] = *old;
        *old = 0;
    }
}

/* Moves what a PMD entry holds: whole when both ends are aligned, else page by page. */
static bool move_block(struct mm *mm, page_entry *old, const struct step *step) {
    page_entry *new = tables_make_pmd(&mm->tables, step->to);
    if (new == NULL) {
        return false;
    }
    if (is_whole(step, PMD_SHIFT) && *new == 0) {
        *new = *old; /* a table, or a huge page with its reserve */
        *old = 0;
        return true;
    }
    if (!entry_is_table(*old)) {
        mm_split_pmd(mm, old);
    }
    if (pte_alloc(&mm->tables, new, step->to) == NULL) {
        return false;
    }
    move_small(entry_table(*old), entry_table(*new), step);
    return true;
}

/* Moves a whole PMD table when 1 GiB moves to an aligned place. */
static bool move_gigabyte(struct mm *mm, const struct step *step) {
    page_entry *old = tables_make_pud(&mm->tables, step->from);
    page_entry *new = tables_make_pud(&mm->tables, step->to);
    if (!is_whole(step, PUD_SHIFT) || old == NULL || new == NULL || *new != 0) {
        return false;
    }
    *new = *old;
    *old = 0;
    return true;
}

static bool nothing_between(const struct mm *mm, vaddr address) {
    const struct vma *vma = vma_index_lookup(&mm->index, address);
    const struct vma *below = vma_index_find(&mm->index, block_start(address));
    return vma != NULL && vma->start == address && below == vma;
}

/* Ends that lie equally deep in their 2 MiB, with nothing mapped before them, start at its edge:
 * the table then moves as a whole. */
static uint64_t realign(const struct mm *mm, vaddr from, vaddr to, uint64_t length) {
    uint64_t depth = from & (PMD_BYTES - 1);
    bool reaches = length >= PMD_BYTES - depth;
    bool alike = depth == (to & (PMD_BYTES - 1));
    return reaches && alike && depth != 0 && nothing_between(mm, from) && nothing_between(mm, to)
               ? depth
               : 0;
}

static bool move_page_tables(struct mm *mm, vaddr from, vaddr to, uint64_t length) {
    vaddr end = from + length;
    uint64_t back = realign(mm, from, to, length);
    struct step step = {.from = from - back, .to = to - back};
    for (; step.from < end; step.from += step.bytes, step.to += step.bytes) {
        unsigned shift;
        page_entry *old = tables_walk(&mm->tables, step.from, &shift);
        step.bytes = extent(step.from, step.to, end, PUD_SHIFT);
        if (old == NULL && shift > PUD_SHIFT) {
            continue;
        }
        if (tables_make_pud(&mm->tables, step.to) == NULL) {
            return false;
        }
        if (old != NULL && is_whole(&step, PUD_SHIFT) && move_gigabyte(mm, &step)) {
            continue;
        }
        step.bytes = extent(step.from, step.to, end, PMD_SHIFT);
        if (old != NULL && *old != 0 && !move_block(mm, old, &step)) {
            return false;
        }
    }
    return true;
}

/* ---- the move ------------------------------------------------------------------------------ */

/* The VMA at the new place. Untouched anonymous memory gets the offset of its new place, so that it
 * can merge there. */
static int copy_vma(struct remap *remap, const struct vma *vma) {
    struct mm *mm = remap->mm;
    bool untouched = vma_is_anonymous(vma) && vma->anon == 0;
    uint64_t pgoff = untouched ? pages_of(remap->new_address)
                               : vma->pgoff + pages_of(remap->address - vma->start);
    const struct vma_proposal proposal = {
        .start = remap->new_address,
        .end = remap->new_address + remap->new_length,
        .flags = vma->flags,
        .pgoff = pgoff,
        .anon = vma->anon,
        .file = vma->file,
        .source = vma,
    };
    struct vma *merged;
    int error = vma_merge_new(mm, &proposal, &merged);
    if (error < 0 || merged != NULL) {
        return error;
    }
    return vma_insert(mm, &proposal);
}

static int unmap_source(struct remap *remap, uint64_t flags) {
    struct mm *mm = remap->mm;
    uint64_t pages = pages_of(remap->old_length);
    if ((flags & VMF_ACCOUNT) != 0) { /* paid for the new place already */
        mm->machine->committed_pages += pages;
        mm->accounted_pages += pages;
    }
    if (remap->old_length == 0) {
        return 0; /* a second mapping of shared pages: the source stays, in one piece */
    }
    return mm_unmap_range(mm, remap->address, remap->address + remap->old_length);
}

static void keep_source(struct remap *remap) {
    struct mm *mm = remap->mm;
    struct vma *vma = vma_index_lookup(&mm->index, remap->address);
    if (vma == NULL) {
        return;
    }
    if ((vma->flags & VMF_LOCKED) != 0) {
        mm->locked_pages -= vma_pages(vma);
        vma->flags &= ~VMF_LOCKED;
    }
    if (vma->start == remap->address && vma->end == remap->address + remap->old_length) {
        vma->anon = 0;
        vma->anon_chain = 0;
    }
}

static int move(struct remap *remap, const struct vma *vma, vaddr *result) {
    struct mm *mm = remap->mm;
    uint64_t flags = vma->flags;
    uint64_t pages = pages_of(remap->new_length);
    bool keeps = (remap->flags & REMAP_REQUEST_DONTUNMAP) != 0;
    uint64_t most = mm->machine->personality.max_map_count;
    if (vma_index_count(&mm->index) >= most - 3) {
        return -ENOMEM;
    }
    uint64_t charge = keeps ? pages : growth_pages(remap);
    if ((flags & VMF_ACCOUNT) != 0 && mm_charge(mm, charge) < 0) {
        return -ENOMEM;
    }
    int error = copy_vma(remap, vma);
    if (error < 0) {
        return error;
    }
    mm_count_pages(mm, flags, (int64_t)pages);
    mm->locked_pages += (flags & VMF_LOCKED) != 0 ? pages : 0;
    if (!move_page_tables(mm, remap->address, remap->new_address, remap->old_length)) {
        return -ENOMEM;
    }
    if (keeps) {
        keep_source(remap);
    } else {
        error = unmap_source(remap, flags);
    }
    if ((flags & VMF_LOCKED) != 0 && growth_pages(remap) > 0) {
        mm_populate_vmas(mm, remap->new_address + remap->old_length,
                         remap->new_address + remap->new_length);
    }
    *result = remap->new_address;
    return error;
}

/* Where the copy goes when the caller did not say. */
static int find_place(struct remap *remap, const struct vma *vma) {
    const struct map_request request = {
        .address = has_target(remap) ? remap->new_address : 0,
        .flags = ((remap->flags & REMAP_REQUEST_FIXED) != 0 ? MAP_REQUEST_FIXED : 0) |
                 ((vma->flags & VMF_MAYSHARE) != 0 ? MAP_REQUEST_SHARED : 0),
        .file = vma->file,
        .file_page = vma->pgoff + pages_of(remap->address - vma->start),
    };
    return mm_place(remap->mm, &request, remap->new_length, &remap->new_address);
}

/* ---- growing, shrinking -------------------------------------------------------------------- */

static bool can_grow_in_place(const struct remap *remap, const struct vma *vma) {
    const struct vma *next = vma_index_next(&remap->mm->index, vma);
    vaddr end = remap->address + remap->new_length;
    return remap->old_length == vma->end - remap->address && (next == NULL || next->start >= end) &&
           end <= remap->mm->layout.task_end;
}

static int grow_in_place(struct remap *remap, const struct vma *vma) {
    struct mm *mm = remap->mm;
    uint64_t flags = vma->flags;
    uint64_t more = growth_pages(remap);
    vaddr old_end = vma->end;
    if ((flags & VMF_ACCOUNT) != 0 && mm_charge(mm, more) < 0) {
        return -ENOMEM;
    }
    const struct vma_proposal proposal = {
        .start = old_end,
        .end = remap->address + remap->new_length,
        .flags = flags,
        .pgoff = vma->pgoff + vma_pages(vma),
        .anon = vma->anon,
        .file = vma->file,
        .source = vma,
    };
    struct vma *merged;
    int error = vma_merge_new(mm, &proposal, &merged);
    if (error < 0) {
        return error;
    }
    mm_count_pages(mm, flags, (int64_t)more);
    if ((flags & VMF_LOCKED) != 0) {
        mm->locked_pages += more;
        mm_populate_vmas(mm, old_end, proposal.end);
    }
    return 0;
}

static int resize(struct remap *remap, const struct vma *vma, vaddr *result) {
    struct mm *mm = remap->mm;
    *result = remap->address;
    if (remap->new_length <= remap->old_length) {
        vaddr end = remap->address + remap->old_length;
        vaddr keep = remap->address + remap->new_length;
        return keep < end ? mm_unmap_range(mm, keep, end) : 0;
    }
    if (can_grow_in_place(remap, vma)) {
        return grow_in_place(remap, vma);
    }
    if ((remap->flags & REMAP_REQUEST_MAYMOVE) == 0) {
        return -ENOMEM;
    }
    int error = find_place(remap, vma);
    return error < 0 ? error : move(remap, vma, result);
}

/* ---- to a place that was given ------------------------------------------------------------- */

static int move_to(struct remap *remap, vaddr *result) {
    struct mm *mm = remap->mm;
    int error = 0;
    if ((remap->flags & REMAP_REQUEST_FIXED) != 0) {
        error = mm_unmap_range(mm, remap->new_address, remap->new_address + remap->new_length);
    }
    if (error == 0 && remap->new_length < remap->old_length) {
        error = mm_unmap_range(mm, remap->address + remap->new_length,
                               remap->address + remap->old_length);
        remap->old_length = remap->new_length;
    }
    const struct vma *vma = vma_index_lookup(&mm->index, remap->address);
    if (error < 0 || vma == NULL) {
        return error < 0 ? error : -EFAULT;
    }
    bool keeps = (remap->flags & REMAP_REQUEST_DONTUNMAP) != 0;
    if (keeps && !mm_may_expand(mm, vma->flags, (int64_t)pages_of(remap->old_length))) {
        return -ENOMEM;
    }
    error = find_place(remap, vma);
    return error < 0 ? error : move(remap, vma, result);
}

/* A move without a change of size may take several VMAs along, with the holes between them. */
static int move_range(const struct remap *whole, vaddr *result) {
    struct mm *mm = whole->mm;
    vaddr end = whole->address + whole->old_length;
    vaddr target = whole->new_address;
    vaddr last_end = 0;
    bool first = true;
    for (vaddr at = whole->address; at < end;) {
        const struct vma *vma = vma_index_find(&mm->index, at);
        if (vma == NULL || vma->start >= end) {
            break;
        }
        if (first && vma->start > at) {
            return -EFAULT;
        }
        vaddr start = vma->start > at ? vma->start : at;
        vaddr stop = vma->end < end ? vma->end : end;
        target += first ? 0 : vma->start - last_end;
        last_end = vma->end;
        struct remap part = *whole;
        part.address = start;
        part.old_length = part.new_length = stop - start;
        part.new_address = target;
        vaddr moved = 0;
        int error = check_vma(&part, vma);
        error = error == 0 ? move_to(&part, &moved) : error;
        if (error < 0) {
            return error;
        }
        *result = first ? moved : *result;
        target = moved + part.new_length;
        first = false;
        at = stop;
    }
    return first ? -EFAULT : 0;
}

int mm_remap(struct mm *mm, const struct remap_request *request, vaddr *result) {
    struct remap remap = {
        .mm = mm,
        .address = request->address,
        .new_address = request->new_address,
        .old_length = page_round_up(request->old_length),
        .new_length = page_round_up(request->new_length),
        .flags = request->flags,
    };
    int error = check_request(&remap);
    if (error < 0) {
        return error;
    }
    bool only_moves =
        (remap.flags & REMAP_REQUEST_FIXED) != 0 && remap.old_length == remap.new_length;
    vaddr moved = 0;
    if (only_moves) {
        error = move_range(&remap, &moved);
    } else {
        const struct vma *vma = vma_index_lookup(&mm->index, remap.address);
        error = check_vma(&remap, vma);
        if (error == 0) {
            error = has_target(&remap) ? move_to(&remap, &moved) : resize(&remap, vma, &moved);
        }
    }
    if (error == 0) {
        *result = moved;
    }
    return error;
}
