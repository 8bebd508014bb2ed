/* fork.c - a second address space with the same pages, until one of the two writes.
 * Layer: model (includes base and the buddy core).
 *
 * VMAs are copied; entries only where the VMA has an anon_vma or guard pages: all others can be
 * faulted in anew.
 * A page that both then have is writable for neither. */
#include "model/file.h"
#include "model/mm_internal.h"

#include <string.h>

/* ---- entries ------------------------------------------------------------------------------- */

/* Shares what an entry holds; both sides lose the right to write to a private page. */
static page_entry share_entry(struct mm *child, page_entry *entry, bool is_private) {
    if ((*entry & PTE_SWAP) != 0) {
        *entry &= ~PTE_EXCLUSIVE;
        swap_share(&child->machine->ram.swap, entry_slot(*entry));
        child->swap_pages++;
    }
    if ((*entry & PTE_PRESENT) == 0 || (*entry & PTE_ZERO) != 0) {
        return *entry;
    }
    if (is_private) {
        *entry &= ~(PTE_WRITE | PTE_EXCLUSIVE);
    }
    uint64_t pages = (*entry & PTE_HUGE) != 0 ? HUGE_PAGES : 1;
    if ((*entry & PTE_ANON) != 0) {
        child->anon_pages += pages;
    } else {
        child->file_pages += pages;
    }
    ram_share(&child->machine->ram, entry_frame(*entry));
    return *entry;
}

static bool copy_block(struct mm *child, const struct vma *vma, page_entry *from, vaddr start,
                       vaddr end) {
    bool is_private = (vma->flags & VMF_SHARED) == 0;
    page_entry *to = tables_make_pmd(&child->tables, start);
    if (to == NULL || *from == 0) {
        return to != NULL;
    }
    if (!entry_is_table(*from)) {
        *to = share_entry(child, from, is_private);
        tables_deposit(&child->tables);
        return true;
    }
    if (pte_alloc(&child->tables, to, start) == NULL) {
        return false;
    }
    struct table *old = entry_table(*from);
    struct table *new = entry_table(*to);
    for (vaddr at = start; at < end; at += MODEL_PAGE_BYTES) {
        size_t index = table_index(at, MODEL_PAGE_SHIFT);
        new->entry[index] = share_entry(child, &old->entry[index], is_private);
    }
    return true;
}

/* Tables are copied where the parent has them, empty ones too. */
static bool copy_page_range(struct mm *mm, struct mm *child, const struct vma *vma) {
    for (vaddr at = vma->start; at < vma->end;) {
        unsigned shift;
        page_entry *pmd = tables_walk(&mm->tables, at, &shift);
        vaddr stop = (at | (((vaddr)1 << shift) - 1)) + 1;
        stop = stop < vma->end ? stop : vma->end;
        if (pmd == NULL && shift == PUD_SHIFT && tables_make_pud(&child->tables, at) == NULL) {
            return false;
        }
        if (pmd != NULL && !copy_block(child, vma, pmd, at, stop)) {
            return false;
        }
        at = stop;
    }
    return true;
}

/* ---- VMAs ---------------------------------------------------------------------------------- */

static int copy_one(struct mm *mm, struct mm *child, const struct vma *vma) {
    bool wiped = (vma->flags & VMF_WIPEONFORK) != 0;
    uint64_t pages = vma_pages(vma);
    if ((vma->flags & VMF_ACCOUNT) != 0 && mm_charge(child, pages) < 0) {
        return -ENOMEM;
    }
    const struct vma_proposal proposal = {
        .start = vma->start,
        .end = vma->end,
        .flags = vma->flags & ~VMF_LOCKED,
        .pgoff = vma->pgoff,
        .file = vma->file,
    };
    int error = vma_insert(child, &proposal);
    if (error < 0) {
        return error;
    }
    mm_count_pages(child, vma->flags, (int64_t)pages);
    if (vma->anon != 0 && !wiped) {
        struct vma *copy = vma_index_lookup(&child->index, vma->start);
        copy->anon = ++mm->machine->anon_count;
        copy->anon_chain = vma->anon_chain + 1;
    }
    if (wiped || (vma->anon == 0 && (vma->flags & VMF_GUARD) == 0)) {
        return 0;
    }
    return copy_page_range(mm, child, vma) ? 0 : -ENOMEM;
}

int mm_fork(struct mm *mm, struct mm *child) {
    int error = mm_init(child, mm->machine, &mm->layout);
    if (error < 0) {
        return error;
    }
    child->limits = mm->limits;
    child->break_end = mm->break_end;
    child->thp_disabled = mm->thp_disabled;
    child->oom_score_adj = mm->oom_score_adj;
    memcpy(child->name, mm->name, sizeof child->name);
    for (const struct vma *vma = vma_index_first(&mm->index); vma != NULL && error == 0;
         vma = vma_index_next(&mm->index, vma)) {
        if ((vma->flags & VMF_DONTCOPY) == 0) {
            error = copy_one(mm, child, vma);
        }
    }
    if (error < 0) {
        mm_destroy(child);
    }
    return error;
}
