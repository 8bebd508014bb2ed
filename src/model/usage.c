/* usage.c - what is resident where, and whether the mm agrees with itself.
 * Layer: model (includes base and the buddy core). */
#include "model/file.h"
#include "model/mm_internal.h"

static void add_entry(struct vma_usage *usage, page_entry entry) {
    usage->swap += (entry & PTE_SWAP) != 0 ? MODEL_PAGE_BYTES : 0;
    if ((entry & PTE_PRESENT) == 0 || (entry & PTE_ZERO) != 0) {
        return;
    }
    bool huge = (entry & PTE_HUGE) != 0;
    uint64_t bytes = huge ? HUGE_BYTES : MODEL_PAGE_BYTES;
    usage->rss += bytes;
    if ((entry & PTE_ANON) != 0) {
        usage->anonymous += bytes;
        usage->anon_huge += huge ? bytes : 0;
    }
}

static void add_range(const struct mm *mm, vaddr start, vaddr end, struct vma_usage *usage) {
    const page_entry *pmd;
    for (vaddr at = start; (pmd = tables_find_pmd(&mm->tables, &at, end)) != NULL;) {
        vaddr stop = block_end(at) < end ? block_end(at) : end;
        if (!entry_is_table(*pmd)) {
            add_entry(usage, *pmd);
            at = stop;
            continue;
        }
        const struct table *table = entry_table(*pmd);
        for (; at < stop; at += MODEL_PAGE_BYTES) {
            add_entry(usage, table->entry[table_index(at, MODEL_PAGE_SHIFT)]);
        }
    }
}

/* Shared memory that went to swap: no entry of the mm's leads to it, but it counts here. */
static uint64_t shared_swap(const struct mm *mm, const struct vma *vma) {
    uint64_t bytes = 0;
    uint64_t pages = mm->machine->ram.swap.used > 0 ? vma_pages(vma) : 0;
    for (uint64_t i = 0; i < pages; i++) {
        const page_entry *entry = file_entry(vma->file, vma->pgoff + i);
        bytes += entry != NULL && (*entry & PTE_SWAP) != 0 ? MODEL_PAGE_BYTES : 0;
    }
    return bytes;
}

void mm_vma_usage(const struct mm *mm, const struct vma *vma, struct vma_usage *usage) {
    *usage = (struct vma_usage){0};
    add_range(mm, vma->start, vma->end, usage);
    if (vma->file != NULL && vma->file->is_shared_memory) {
        usage->swap += shared_swap(mm, vma);
    }
}

/* ---- audit --------------------------------------------------------------------------------- */

static bool splits_huge(const struct mm *mm, vaddr border) {
    const page_entry *pmd = tables_pmd(&mm->tables, border);
    return (border & (PMD_BYTES - 1)) != 0 && pmd != NULL && *pmd != 0 && !entry_is_table(*pmd);
}

struct totals {
    uint64_t pages;
    uint64_t locked;
    struct vma_usage usage;
};

static const char *audit_vma(const struct mm *mm, const struct vma *vma, struct totals *totals) {
    if (splits_huge(mm, vma->start) || splits_huge(mm, vma->end)) {
        return "I2: a VMA ends inside a huge page";
    }
    if ((vma->anon == 0) != (vma->anon_chain == 0)) {
        return "a VMA has a chain of anon_vmas exactly when it has one";
    }
    totals->pages += vma_pages(vma);
    totals->locked += (vma->flags & VMF_LOCKED) != 0 ? vma_pages(vma) : 0;
    add_range(mm, vma->start, vma->end, &totals->usage);
    return NULL;
}

static const char *audit_totals(const struct mm *mm, const struct totals *totals) {
    if (totals->pages != mm->total_pages) {
        return "I1: total_pages is not the sum of the VMAs";
    }
    if (totals->locked != mm->locked_pages) {
        return "locked_pages is not the sum of the locked VMAs";
    }
    if (totals->usage.anonymous != mm->anon_pages << MODEL_PAGE_SHIFT) {
        return "I3: anonymous pages outside VMAs, or miscounted";
    }
    if (totals->usage.swap != mm->swap_pages << MODEL_PAGE_SHIFT) {
        return "I3: swapped pages outside VMAs, or miscounted";
    }
    return totals->usage.rss == (mm->anon_pages + mm->file_pages) << MODEL_PAGE_SHIFT
               ? NULL
               : "I3: resident pages outside VMAs, or miscounted";
}

const char *mm_audit(const struct mm *mm) {
    const char *broken = vma_index_audit(&mm->index);
    struct totals totals = {0};
    for (const struct vma *vma = vma_index_first(&mm->index); broken == NULL && vma != NULL;
         vma = vma_index_next(&mm->index, vma)) {
        broken = audit_vma(mm, vma, &totals);
    }
    return broken != NULL ? broken : audit_totals(mm, &totals);
}
