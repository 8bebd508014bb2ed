/* fault_huge.c - transparent huge pages: a whole 2 MiB block at one fault.
 * Layer: model (includes base and the buddy core).
 *
 * A PMD entry maps 512 frames, or the huge zero page. For each, one PTE table is kept in reserve,
 * so that splitting cannot fail for want of memory. */
#include "model/mm_internal.h"

bool vma_allows_huge(const struct mm *mm, const struct vma *vma) {
    if (mm->thp_disabled || (vma->flags & VMF_NOHUGEPAGE) != 0 || !vma_is_anonymous(vma)) {
        return false;
    }
    switch (mm->machine->personality.thp) {
    case THP_ALWAYS:
        return true;
    case THP_MADVISE:
        return (vma->flags & VMF_HUGEPAGE) != 0;
    case THP_NEVER:
        break;
    }
    return false;
}

bool vma_holds_block(const struct vma *vma, vaddr address) {
    vaddr start = block_start(address);
    return vma->start <= start && start + PMD_BYTES <= vma->end;
}

static bool map_huge(struct fault *fault) {
    struct mm *mm = fault->mm;
    vaddr start = block_start(fault->address);
    struct pfn frame = mm_take_huge_page(mm, vma_owner_of(fault->vma, start));
    if (frame.number == 0) {
        return false;
    }
    page_entry flags = PTE_PRESENT | PTE_HUGE | PTE_ANON | PTE_EXCLUSIVE | PTE_ACCESSED;
    flags |= (fault->vma->flags & VMF_WRITE) != 0 ? PTE_WRITE : 0;
    *fault->pmd = entry_of(frame, flags);
    mm->anon_pages += HUGE_PAGES;
    return true;
}

bool do_huge_pmd_anonymous_page(struct fault *fault) {
    if (!vma_holds_block(fault->vma, fault->address)) {
        return false;
    }
    vma_prepare_anon(fault->mm, fault->vma);
    if (!fault->write) {
        *fault->pmd = PTE_PRESENT | PTE_HUGE | PTE_ZERO | PTE_ACCESSED;
    } else if (!map_huge(fault)) {
        return false;
    }
    tables_deposit(&fault->mm->tables);
    return true;
}

/* A huge page that others map too is not copied whole: it is split, and the small page is. */
bool do_huge_pmd_wp_page(struct fault *fault) {
    page_entry pmd = *fault->pmd;
    if ((pmd & PTE_ZERO) != 0 && map_huge(fault)) {
        return true;
    }
    bool own =
        (pmd & PTE_ZERO) == 0 && ((pmd & PTE_EXCLUSIVE) != 0 ||
                                  ram_mappings(&fault->mm->machine->ram, entry_frame(pmd)) == 1);
    if (own) {
        *fault->pmd |= PTE_WRITE | PTE_EXCLUSIVE;
        return true;
    }
    mm_split_pmd(fault->mm, fault->pmd);
    return false;
}

/* ---- MADV_COLLAPSE ------------------------------------------------------------------------- */

/* Kernels before 6.18 want a page that was written to in the block itself. */
static bool can_collapse(const struct mm *mm, const struct table *table) {
    bool suits = true;
    bool written = !mm->machine->personality.collapse_needs_page;
    for (size_t i = 0; i < TABLE_ENTRIES; i++) {
        suits &= (table->entry[i] & PTE_GUARD) == 0;
        written |= (table->entry[i] & PTE_ANON) != 0;
    }
    return suits && written;
}

static void copy_written(struct mm *mm, page_entry from, struct pfn to) {
    bool present = (from & (PTE_PRESENT | PTE_ZERO)) == PTE_PRESENT;
    if (present && ram_is_written(&mm->machine->ram, entry_frame(from))) {
        ram_write(&mm->machine->ram, to);
    }
}

/* Pages in swap come back first; false when there is no memory for them. */
static bool swap_block_in(struct mm *mm, struct vma *vma, vaddr start, const struct table *table) {
    for (size_t i = 0; i < TABLE_ENTRIES; i++) {
        vaddr at = start + ((vaddr)i << MODEL_PAGE_SHIFT);
        if ((table->entry[i] & PTE_SWAP) != 0 &&
            mm_handle_fault(mm, vma, at, false) != FAULT_NO_SIGNAL) {
            return false;
        }
    }
    return true;
}

static int collapse_block(struct mm *mm, struct vma *vma, vaddr start) {
    page_entry *pmd = tables_pmd(&mm->tables, start);
    if (pmd == NULL || *pmd == 0) {
        return -EINVAL;
    }
    if (!entry_is_table(*pmd)) {
        return 0; /* huge already */
    }
    struct table *table = entry_table(*pmd);
    if (!swap_block_in(mm, vma, start, table)) {
        return -ENOMEM;
    }
    if (!can_collapse(mm, table)) {
        return -EINVAL;
    }
    struct fault fault = {.mm = mm, .vma = vma, .address = start, .write = true};
    page_entry huge = 0;
    fault.pmd = &huge;
    if (!map_huge(&fault)) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < TABLE_ENTRIES; i++) {
        copy_written(mm, table->entry[i], (struct pfn){entry_frame(huge).number + i});
        mm_drop_entry(mm, table->entry[i]);
    }
    tables_free_pte(&mm->tables, pmd);
    tables_deposit(&mm->tables); /* the table becomes the reserve */
    *pmd = huge;
    return 0;
}

/* A range that ends before the first block begins is an error; one that ends just there is not. */
int mm_collapse(struct mm *mm, struct vma *vma, vaddr start, vaddr end) {
    vaddr first = block_start(start + PMD_BYTES - 1);
    vaddr lowest = block_start(vma->start + PMD_BYTES - 1);
    bool suits = vma_is_anonymous(vma) && vma->anon != 0 && (vma->flags & VMF_NOHUGEPAGE) == 0 &&
                 lowest + PMD_BYTES <= vma->end;
    if (!suits || block_start(end) < first) {
        return -EINVAL;
    }
    int error = 0;
    for (vaddr at = first; at + PMD_BYTES <= end; at += PMD_BYTES) {
        int failed = collapse_block(mm, vma, at);
        error = failed < 0 ? failed : error;
    }
    return error;
}
