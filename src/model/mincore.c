/* mincore.c - see mincore.h.
 * Layer: model (includes base and the buddy core). */
#include "model/mincore.h"

#include "model/mm_internal.h"

static uint64_t present_pages(const struct table *table, vaddr start, vaddr end) {
    uint64_t pages = 0;
    for (vaddr at = start; at < end; at += MODEL_PAGE_BYTES) {
        pages += (table->entry[table_index(at, MODEL_PAGE_SHIFT)] & PTE_PRESENT) != 0;
    }
    return pages;
}

static bool is_mapped_throughout(const struct mm *mm, vaddr start, vaddr end) {
    while (start < end) {
        const struct vma *vma = vma_index_lookup(&mm->index, start);
        if (vma == NULL) {
            return false;
        }
        start = vma->end;
    }
    return true;
}

int mm_resident(const struct mm *mm, vaddr start, uint64_t length, uint64_t *resident_bytes) {
    vaddr end = start + page_round_up(length);
    if (!is_page_aligned(start)) {
        return -EINVAL;
    }
    if (!is_mapped_throughout(mm, start, end)) {
        return -ENOMEM;
    }
    uint64_t pages = 0;
    const page_entry *pmd;
    for (vaddr at = start; (pmd = tables_find_pmd(&mm->tables, &at, end)) != NULL;) {
        vaddr stop = block_end(at) < end ? block_end(at) : end;
        pages +=
            entry_is_table(*pmd) ? present_pages(entry_table(*pmd), at, stop) : pages_of(stop - at);
        at = stop;
    }
    *resident_bytes = pages << MODEL_PAGE_SHIFT;
    return 0;
}
