/* brk.c - the program break: the heap that grows at one end.
 * Layer: model (includes base and the buddy core). */
#include "model/mm_internal.h"

/* Growing leaves one page free below the next mapping, and a growing stack's gap besides. */
static bool has_room(const struct mm *mm, vaddr old_end, vaddr new_end) {
    uint64_t gap = mm->machine->personality.stack_gap_pages << MODEL_PAGE_SHIFT;
    const struct vma *next = vma_index_find(&mm->index, old_end);
    if (next == NULL) {
        return true;
    }
    vaddr lowest = (next->flags & VMF_GROWSDOWN) != 0 ? next->start - gap : next->start;
    return new_end + MODEL_PAGE_BYTES <= lowest;
}

static int grow(struct mm *mm, vaddr old_end, vaddr new_end) {
    uint64_t pages = pages_of(new_end - old_end);
    uint64_t flags = VMF_READ | VMF_WRITE | VMF_MAY | VMF_ACCOUNT | mm->default_flags;
    if (!has_room(mm, old_end, new_end) || new_end > mm->layout.task_end ||
        !mm_may_expand(mm, flags, (int64_t)pages) ||
        vma_index_count(&mm->index) > mm->machine->personality.max_map_count ||
        mm_charge(mm, pages) < 0) {
        return -ENOMEM;
    }
    const struct vma_proposal proposal = {
        .start = old_end,
        .end = new_end,
        .flags = flags,
        .pgoff = pages_of(old_end),
        .only_left = true,
    };
    struct vma *merged = NULL;
    bool is_first =
        old_end <= page_round_up(mm->layout.start_break); /* never joins what is below */
    int error = is_first ? 0 : vma_merge_new(mm, &proposal, &merged);
    if (error == 0 && merged == NULL) {
        error = vma_insert(mm, &proposal);
    }
    if (error < 0) {
        mm_uncharge(mm, pages);
        return error;
    }
    mm_count_pages(mm, flags, (int64_t)pages);
    if ((flags & VMF_LOCKED) != 0) {
        mm->locked_pages += pages;
        mm_populate_vmas(mm, old_end, new_end);
    }
    return 0;
}

static int shrink(struct mm *mm, vaddr old_end, vaddr new_end) {
    const struct vma *vma = vma_index_find(&mm->index, new_end);
    if (vma == NULL || vma->start >= old_end) {
        return -ENOMEM; /* nothing of the heap is left there */
    }
    return mm_unmap_range(mm, new_end, old_end);
}

int mm_break(struct mm *mm, vaddr wanted) {
    uint64_t heap_bytes = wanted - mm->layout.start_break + mm->layout.data_bytes;
    if (wanted < mm->layout.start_break ||
        (mm->limits.data != LIMIT_NONE && heap_bytes > mm->limits.data)) {
        return -ENOMEM;
    }
    vaddr old_end = page_round_up(mm->break_end);
    vaddr new_end = page_round_up(wanted);
    int error = 0;
    if (new_end < old_end) {
        error = shrink(mm, old_end, new_end);
    } else if (new_end > old_end) {
        error = grow(mm, old_end, new_end);
    }
    if (error == 0) {
        mm->break_end = wanted;
    }
    return error;
}
