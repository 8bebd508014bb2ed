/* map.c - mmap and munmap.
 * Layer: model (includes base and the buddy core). */
#include "model/file.h"
#include "model/mm_internal.h"

/* ---- munmap -------------------------------------------------------------------------------- */

/* Cuts at both ends, so that whole VMAs fill [start, end). *first is the lowest of them, NULL when
 * nothing is mapped there. */
static int cut_out(struct mm *mm, vaddr start, vaddr end, struct vma **first) {
    struct vma *vma = vma_index_find(&mm->index, start);
    *first = NULL;
    if (vma == NULL || vma->start >= end) {
        return 0;
    }
    if (vma->start < start) {
        bool makes_hole = end < vma->end;
        uint64_t most = mm->machine->personality.max_map_count;
        if (makes_hole && vma_index_count(&mm->index) >= most) {
            return -ENOMEM;
        }
        int error = vma_split_unchecked(mm, vma, start, &vma);
        if (error < 0) {
            return error;
        }
    }
    *first = vma;
    struct vma *last = vma_index_find_last(&mm->index, end - 1);
    struct vma *above;
    return last->end > end ? vma_split_unchecked(mm, last, end, &above) : 0;
}

static void uncount(struct mm *mm, const struct vma *vma) {
    uint64_t pages = vma_pages(vma);
    mm_count_pages(mm, vma->flags, -(int64_t)pages);
    if ((vma->flags & VMF_ACCOUNT) != 0) {
        mm_uncharge(mm, pages);
    }
    if ((vma->flags & VMF_LOCKED) != 0) {
        mm->locked_pages -= pages;
    }
}

/* Drops pages and tables of the VMAs that fill [start, end) in parts, then the VMAs. */
static void remove_vmas(struct mm *mm, struct vma *first, vaddr end) {
    const struct vma *prev = vma_index_previous(&mm->index, first);
    vaddr floor = prev == NULL ? 0 : prev->end;
    vaddr start = first->start;
    vaddr last_end = start;
    mm_zap(mm, start, end, ZAP_GUARDS);
    struct vma *vma = first;
    while (vma != NULL && vma->start < end) {
        struct vma *next = vma_index_next(&mm->index, vma);
        uncount(mm, vma);
        last_end = vma->end;
        vma_index_erase(&mm->index, vma);
        vma_delete(mm, vma);
        vma = next;
    }
    tables_free_range(&mm->tables, start, last_end, floor, vma == NULL ? 0 : vma->start);
}

int mm_unmap_range(struct mm *mm, vaddr start, vaddr end) {
    struct vma *first;
    int error = cut_out(mm, start, end, &first);
    if (error == 0 && first != NULL) {
        remove_vmas(mm, first, end);
    }
    return error;
}

int mm_unmap(struct mm *mm, vaddr start, uint64_t length) {
    vaddr top = mm->layout.task_end;
    if (!is_page_aligned(start) || start > top || length > top - start) {
        return -EINVAL;
    }
    uint64_t rounded = page_round_up(length);
    return rounded == 0 ? -EINVAL : mm_unmap_range(mm, start, start + rounded);
}

/* ---- mmap ---------------------------------------------------------------------------------- */

static uint64_t flags_of_request(const struct mm *mm, const struct map_request *request) {
    const struct personality *personality = &mm->machine->personality;
    uint64_t flags = request->access | VMF_MAY | mm->default_flags;
    if ((request->flags & MAP_REQUEST_SHARED) != 0) {
        flags |= VMF_SHARED | VMF_MAYSHARE;
    }
    if ((request->flags & MAP_REQUEST_NORESERVE) != 0 &&
        personality->overcommit != OVERCOMMIT_NEVER) {
        flags |= VMF_NORESERVE;
    }
    if ((request->flags & MAP_REQUEST_STACK) != 0 && personality->stack_is_nohuge) {
        flags |= VMF_NOHUGEPAGE;
    }
    if ((request->flags & MAP_REQUEST_GROWSDOWN) != 0) {
        flags |= VMF_GROWSDOWN;
    }
    if ((request->flags & MAP_REQUEST_LOCKED) != 0) {
        flags |= VMF_LOCKED;
    }
    return flags;
}

static bool is_accountable(uint64_t flags) {
    return (flags & (VMF_NORESERVE | VMF_SHARED | VMF_WRITE)) == VMF_WRITE;
}

/* Pages of [start, end) that are mapped; and of those, the accounted ones. */
static uint64_t count_mapped(const struct mm *mm, vaddr start, vaddr end, uint64_t *accounted) {
    uint64_t pages = 0;
    *accounted = 0;
    for (const struct vma *vma = vma_index_find(&mm->index, start); vma != NULL && vma->start < end;
         vma = vma_index_next(&mm->index, vma)) {
        vaddr from = vma->start > start ? vma->start : start;
        uint64_t inside = pages_of((vma->end < end ? vma->end : end) - from);
        pages += inside;
        *accounted += (vma->flags & VMF_ACCOUNT) != 0 ? inside : 0;
    }
    return pages;
}

/* Makes the place free and pays for the new mapping; what is replaced pays towards it. */
static int make_room(struct mm *mm, vaddr start, vaddr end, uint64_t *flags) {
    struct vma *first;
    int error = cut_out(mm, start, end, &first);
    if (error < 0) {
        return error;
    }
    uint64_t pages = pages_of(end - start);
    uint64_t accounted;
    uint64_t replaced = count_mapped(mm, start, end, &accounted);
    if (!mm_may_expand(mm, *flags, (int64_t)(pages - replaced))) {
        return -ENOMEM;
    }
    bool pays = is_accountable(*flags);
    if (pays && pages > accounted && mm_charge(mm, pages - accounted) < 0) {
        return -ENOMEM;
    }
    if (first != NULL) {
        remove_vmas(mm, first, end);
    }
    if (pays) { /* removing gave back what the replaced pages had paid */
        uint64_t paid = pages > accounted ? accounted : pages;
        mm->machine->committed_pages += paid;
        mm->accounted_pages += paid;
        *flags |= VMF_ACCOUNT;
    }
    return 0;
}

/* Shared anonymous memory is a file of its own, which pays for itself. */
static int make_shared_memory(struct mm *mm, struct vma_proposal *proposal) {
    uint64_t pages = pages_of(proposal->end - proposal->start);
    bool pays = (proposal->flags & VMF_NORESERVE) == 0;
    if (pays && mm_charge(mm, pages) < 0) {
        return -ENOMEM;
    }
    struct model_file *file = file_new(mm->machine, pages, true);
    if (file == NULL) {
        return -ENOMEM;
    }
    if (pays) {
        mm->accounted_pages -= pages; /* the file's to give back, not this mm's */
        file->accounted_pages = pages;
    }
    proposal->file = file;
    proposal->pgoff = 0;
    return 0;
}

static int enter(struct mm *mm, struct vma_proposal *proposal, bool is_shared_memory) {
    if (is_shared_memory) {
        int error = make_shared_memory(mm, proposal);
        if (error < 0) {
            return error;
        }
    }
    struct vma *merged = NULL;
    int error = (proposal->flags & VMF_SHARED) != 0 && is_shared_memory
                    ? 0
                    : vma_merge_new(mm, proposal, &merged);
    if (error == 0 && merged == NULL) {
        error = vma_insert(mm, proposal);
    }
    if (is_shared_memory) {
        file_release(mm->machine, proposal->file); /* the VMA holds it now */
    }
    return error;
}

static int check_request(const struct mm *mm, const struct map_request *request, uint64_t length,
                         uint64_t flags) {
    bool locks = (flags & VMF_LOCKED) != 0;
    uint64_t locked_after = (mm->locked_pages << MODEL_PAGE_SHIFT) + length;
    if (locks && !mm->limits.may_exceed_locked && locked_after > mm->limits.locked) {
        return mm->limits.locked == 0 ? -EPERM : -EAGAIN;
    }
    bool shared = (request->flags & MAP_REQUEST_SHARED) != 0;
    return shared && (flags & VMF_GROWSDOWN) != 0 ? -EINVAL : 0;
}

static bool wants_pages(const struct map_request *request, uint64_t flags) {
    bool populate = (request->flags & MAP_REQUEST_POPULATE) != 0 &&
                    (request->flags & MAP_REQUEST_NONBLOCK) == 0;
    return populate || (flags & VMF_LOCKED) != 0;
}

int mm_map(struct mm *mm, const struct map_request *request, vaddr *result) {
    uint64_t length = page_round_up(request->length);
    if (request->length == 0) {
        return -EINVAL;
    }
    if (length == 0 || vma_index_count(&mm->index) > mm->machine->personality.max_map_count) {
        return -ENOMEM;
    }
    uint64_t flags = flags_of_request(mm, request);
    vaddr start;
    int error = mm_place(mm, request, length, &start);
    if (error < 0) {
        return error;
    }
    const struct vma *there = vma_index_find(&mm->index, start);
    bool is_free = there == NULL || there->start >= start + length;
    if ((request->flags & MAP_REQUEST_NOREPLACE) != 0 && !is_free) {
        return -EEXIST;
    }
    error = check_request(mm, request, length, flags);
    if (error == 0) {
        error = make_room(mm, start, start + length, &flags);
    }
    struct vma_proposal proposal = {
        .start = start,
        .end = start + length,
        .flags = flags,
        .pgoff = request->file != NULL ? request->file_page : pages_of(start),
        .file = request->file,
    };
    bool is_shared_memory = request->file == NULL && (flags & VMF_SHARED) != 0;
    if (error == 0) {
        error = enter(mm, &proposal, is_shared_memory);
    }
    if (error < 0) {
        return error;
    }
    mm_count_pages(mm, flags, (int64_t)pages_of(length));
    mm->locked_pages += (flags & VMF_LOCKED) != 0 ? pages_of(length) : 0;
    if (wants_pages(request, flags)) {
        mm_populate_vmas(mm, start, start + length);
    }
    *result = start;
    return 0;
}
