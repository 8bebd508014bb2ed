/* advise.c - madvise.
 * Layer: model (includes base and the buddy core). */
#include "model/file.h"
#include "model/mm_internal.h"

struct part {
    struct mm *mm;
    struct vma *vma;
    vaddr start;
    vaddr end;
    enum advice advice;
};

/* ---- advice that changes flags ------------------------------------------------------------- */

struct flag_advice {
    enum advice advice;
    uint64_t clear;
    uint64_t set;
};

static const struct flag_advice flag_advices[] = {
    {ADVICE_NORMAL, VMF_RANDOM | VMF_SEQUENTIAL, 0},
    {ADVICE_SEQUENTIAL, VMF_RANDOM, VMF_SEQUENTIAL},
    {ADVICE_RANDOM, VMF_SEQUENTIAL, VMF_RANDOM},
    {ADVICE_DONTFORK, 0, VMF_DONTCOPY},
    {ADVICE_DOFORK, VMF_DONTCOPY, 0},
    {ADVICE_WIPEONFORK, 0, VMF_WIPEONFORK},
    {ADVICE_KEEPONFORK, VMF_WIPEONFORK, 0},
    {ADVICE_DONTDUMP, 0, VMF_DONTDUMP},
    {ADVICE_DODUMP, VMF_DONTDUMP, 0},
    {ADVICE_MERGEABLE, 0, VMF_MERGEABLE},
    {ADVICE_UNMERGEABLE, VMF_MERGEABLE, 0},
    {ADVICE_HUGEPAGE, VMF_NOHUGEPAGE, VMF_HUGEPAGE},
    {ADVICE_NOHUGEPAGE, VMF_HUGEPAGE, VMF_NOHUGEPAGE},
};

static const struct flag_advice *find_flag_advice(enum advice advice) {
    for (size_t i = 0; i < sizeof flag_advices / sizeof flag_advices[0]; i++) {
        if (flag_advices[i].advice == advice) {
            return &flag_advices[i];
        }
    }
    return NULL;
}

static int advise_flags(const struct part *part, const struct flag_advice *row) {
    struct vma *vma = part->vma;
    bool is_private_anon = vma_is_anonymous(vma) && (vma->flags & VMF_SHARED) == 0;
    if (row->advice == ADVICE_WIPEONFORK && !is_private_anon) {
        return -EINVAL;
    }
    if (row->advice == ADVICE_MERGEABLE && (vma->flags & VMF_SHARED) != 0) {
        return 0; /* silently */
    }
    uint64_t flags = (vma->flags & ~row->clear) | row->set;
    struct vma *result;
    return flags == vma->flags ? 0
                               : vma_modify(part->mm, vma, part->start, part->end, flags, &result);
}

/* ---- advice about pages -------------------------------------------------------------------- */

static int advise_dontneed(const struct part *part) {
    if ((part->vma->flags & VMF_LOCKED) != 0 && part->advice == ADVICE_DONTNEED) {
        return -EINVAL;
    }
    mm_zap(part->mm, part->start, part->end, ZAP_RECLAIM_TABLES);
    return 0;
}

typedef void visit_page(struct mm *mm, page_entry *entry);

/* Visits the entries of a part that lead to a page or to swap; those of a huge page too when a
 * visit has split it. */
static void visit_pages(const struct part *part, visit_page *visit) {
    page_entry *pmd;
    for (vaddr at = part->start;
         (pmd = tables_find_pmd(&part->mm->tables, &at, part->end)) != NULL;) {
        vaddr stop = block_end(at) < part->end ? block_end(at) : part->end;
        if (!entry_is_table(*pmd) && (*pmd & PTE_ZERO) == 0) {
            visit(part->mm, pmd);
        }
        for (; at < stop && entry_is_table(*pmd); at += MODEL_PAGE_BYTES) {
            page_entry *entry = &entry_table(*pmd)->entry[table_index(at, MODEL_PAGE_SHIFT)];
            bool leads = (*entry & (PTE_PRESENT | PTE_ZERO)) == PTE_PRESENT;
            if (leads || (*entry & PTE_SWAP) != 0) {
                visit(part->mm, entry);
            }
        }
        at = stop;
    }
}

/* What lies in swap is forgotten at once. */
static void free_page(struct mm *mm, page_entry *entry) {
    if ((*entry & PTE_SWAP) != 0) {
        mm_drop_entry(mm, *entry);
        *entry = 0;
        return;
    }
    *entry &= ~(PTE_ACCESSED | PTE_DIRTY);
    mm_free_lazily(mm->machine, entry_frame(*entry));
}

/* Without pressure the pages stay as they are, ready to be dropped. */
static int advise_free(const struct part *part) {
    if (!vma_is_anonymous(part->vma) || (part->vma->flags & VMF_LOCKED) != 0) {
        return -EINVAL;
    }
    mm_split_folios(part->mm, part->start, part->end);
    visit_pages(part, free_page);
    return 0;
}

static void cool_page(struct mm *mm, page_entry *entry) {
    if ((*entry & PTE_SWAP) != 0) {
        return;
    }
    *entry &= ~PTE_ACCESSED;
    mm_deactivate(mm->machine, entry_frame(*entry));
}

static int advise_cold(const struct part *part) {
    if ((part->vma->flags & VMF_LOCKED) != 0) {
        return -EINVAL;
    }
    mm_split_folios(part->mm, part->start, part->end);
    visit_pages(part, cool_page);
    return 0;
}

/* To swap, or out of the cache; what others map too stays. */
static void page_out(struct mm *mm, page_entry *entry) {
    bool whole = (*entry & PTE_HUGE) != 0;
    if ((*entry & PTE_PRESENT) != 0 && ram_is_huge(&mm->machine->ram, entry_frame(*entry))) {
        mm_split_folio_of(mm, entry); /* the parts of a whole one are visited next */
    }
    if (!whole && (*entry & (PTE_PRESENT | PTE_ZERO)) == PTE_PRESENT) {
        mm_page_out(mm->machine, entry_frame(*entry));
    }
}

/* Copies that a private mapping of a file wrote to. */
static void page_out_copy(struct mm *mm, page_entry *entry) {
    if ((*entry & PTE_ANON) != 0) {
        page_out(mm, entry);
    }
}

/* Without a slot for it: a huge page is split before that turns out. What MADV_FREE gave up and
 * nobody wrote to needs none. */
static void page_out_lazy(struct mm *mm, page_entry *entry) {
    if ((*entry & PTE_SWAP) != 0) {
        return;
    }
    const struct ram *ram = &mm->machine->ram;
    struct pfn frame = entry_frame(*entry);
    bool is_lazy = ram_has(ram, frame, FRAME_LAZY);
    if (ram_is_huge(ram, frame) || (!is_lazy && ram_folio_of(ram, frame).pages > 1)) {
        mm_split_folio_of(mm, entry);
    } else if (is_lazy) {
        mm_page_out(mm->machine, frame);
    }
}

static int advise_pageout(const struct part *part) {
    const struct swap *swap = &part->mm->machine->ram.swap;
    bool stays = vma_is_anonymous(part->vma) && swap_free_slots(swap) == 0;
    const struct model_file *file = part->vma->file;
    bool is_cached = file != NULL && !file->is_shared_memory && !file->is_cold;
    int error = advise_cold(part);
    if (error == 0 && is_cached) {
        mm_page_out_file(part->mm, part->vma, part->start, part->end);
    }
    if (error == 0) {
        visit_pages(part, is_cached ? page_out_copy : stays ? page_out_lazy : page_out);
    }
    return error;
}

/* Of shared mappings only: what lies under a private one is not this process's to take away. */
static int advise_remove(const struct part *part) {
    const struct vma *vma = part->vma;
    if ((vma->flags & VMF_LOCKED) != 0 || vma_is_anonymous(vma)) {
        return -EINVAL;
    }
    if ((vma->flags & VMF_SHARED) == 0) {
        return -EACCES;
    }
    uint64_t first = vma->pgoff + pages_of(part->start - vma->start);
    return file_punch(part->mm->machine, vma->file, first,
                      first + pages_of(part->end - part->start));
}

/* ---- guard pages --------------------------------------------------------------------------- */

static int guard_install(const struct part *part) {
    struct mm *mm = part->mm;
    if ((part->vma->flags & VMF_LOCKED) != 0) {
        return -EINVAL;
    }
    bool has_flag = mm->machine->personality.guard_flag;
    if (vma_is_anonymous(part->vma) || !has_flag) { /* without the flag, so that a fork copies */
        vma_prepare_anon(mm, part->vma);
    }
    if (has_flag) {
        part->vma->flags |= VMF_GUARD;
    }
    mm_zap(mm, part->start, part->end, 0);
    for (vaddr at = part->start; at < part->end; at += MODEL_PAGE_BYTES) {
        page_entry *pmd = tables_make_pmd(&mm->tables, at);
        page_entry *entry = pmd == NULL ? NULL : pte_alloc(&mm->tables, pmd, at);
        if (entry == NULL) {
            return -ENOMEM;
        }
        *entry = PTE_GUARD;
    }
    return 0;
}

static int guard_remove(const struct part *part) {
    page_entry *pmd;
    for (vaddr at = part->start;
         (pmd = tables_find_pmd(&part->mm->tables, &at, part->end)) != NULL;) {
        vaddr stop = block_end(at) < part->end ? block_end(at) : part->end;
        for (; at < stop && entry_is_table(*pmd); at += MODEL_PAGE_BYTES) {
            page_entry *entry = &entry_table(*pmd)->entry[table_index(at, MODEL_PAGE_SHIFT)];
            *entry &= ~PTE_GUARD;
        }
        at = stop;
    }
    return 0;
}

/* ---- the walk ------------------------------------------------------------------------------ */

static int advise_part(const struct part *part) {
    const struct flag_advice *row = find_flag_advice(part->advice);
    if (row != NULL) {
        return advise_flags(part, row);
    }
    switch (part->advice) {
    case ADVICE_DONTNEED:
    case ADVICE_DONTNEED_LOCKED:
        return advise_dontneed(part);
    case ADVICE_FREE:
        return advise_free(part);
    case ADVICE_COLD:
        return advise_cold(part);
    case ADVICE_PAGEOUT:
        return advise_pageout(part);
    case ADVICE_GUARD_INSTALL:
        return guard_install(part);
    case ADVICE_GUARD_REMOVE:
        return guard_remove(part);
    case ADVICE_COLLAPSE:
        return mm_collapse(part->mm, part->vma, part->start, part->end);
    case ADVICE_REMOVE:
        return advise_remove(part);
    default:
        return 0; /* WILLNEED: nothing to read ahead */
    }
}

/* Goes on over holes and reports them at the end; stops at the first error. */
static int advise_range(struct mm *mm, vaddr start, vaddr end, enum advice advice) {
    int holes = 0;
    for (vaddr at = start; at < end;) {
        struct vma *vma = vma_index_find(&mm->index, at);
        if (vma == NULL || vma->start >= end) {
            return -ENOMEM;
        }
        if (vma->start > at) {
            holes = -ENOMEM;
            at = vma->start;
        }
        vaddr stop = vma->end < end ? vma->end : end;
        const struct part part = {mm, vma, at, stop, advice};
        int error = advise_part(&part);
        if (error < 0) {
            return error;
        }
        at = stop;
    }
    return holes;
}

/* Some advice is not known to every kernel. */
static bool is_known(const struct mm *mm, enum advice advice) {
    bool merging = advice == ADVICE_MERGEABLE || advice == ADVICE_UNMERGEABLE;
    return !merging || mm->machine->personality.merges_pages;
}

int mm_advise(struct mm *mm, vaddr start, uint64_t length, enum advice advice) {
    uint64_t rounded = page_round_up(length);
    vaddr end = start + rounded;
    if (!is_known(mm, advice)) {
        return -EINVAL;
    }
    if (!is_page_aligned(start) || (length != 0 && rounded == 0) || end < start) {
        return -EINVAL;
    }
    if (rounded == 0) {
        return 0;
    }
    if (advice == ADVICE_POPULATE_READ || advice == ADVICE_POPULATE_WRITE) {
        return mm_populate(mm, start, end, advice == ADVICE_POPULATE_WRITE);
    }
    return advise_range(mm, start, end, advice);
}
