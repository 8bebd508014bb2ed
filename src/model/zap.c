/* zap.c - pages that go away, and huge pages that fall apart.
 * Layer: model (includes base and the buddy core). */
#include "model/mm_internal.h"

/* ---- one entry ----------------------------------------------------------------------------- */

void mm_drop_entry(struct mm *mm, page_entry entry) {
    if ((entry & PTE_SWAP) != 0) {
        mm->swap_pages--;
        ram_drop_slot(&mm->machine->ram, entry_slot(entry));
    }
    if ((entry & PTE_PRESENT) == 0 || (entry & PTE_ZERO) != 0) {
        return;
    }
    uint64_t pages = (entry & PTE_HUGE) != 0 ? HUGE_PAGES : 1;
    if ((entry & PTE_ANON) != 0) {
        mm->anon_pages -= pages;
    } else {
        mm->file_pages -= pages;
    }
    ram_drop(&mm->machine->ram, entry_frame(entry));
}

/* ---- a range ------------------------------------------------------------------------------- */

/* Clears the small entries of [start, end), all in one block; true when none is left behind. */
static bool zap_small(struct mm *mm, struct table *table, vaddr start, vaddr end,
                      unsigned options) {
    bool all = true;
    for (vaddr at = start; at < end; at += MODEL_PAGE_BYTES) {
        page_entry *entry = &table->entry[table_index(at, MODEL_PAGE_SHIFT)];
        if ((*entry & PTE_GUARD) != 0 && (options & ZAP_GUARDS) == 0) {
            all = false;
            continue;
        }
        mm_drop_entry(mm, *entry);
        *entry = 0;
    }
    return all;
}

static void zap_huge(struct mm *mm, page_entry *pmd) {
    mm_drop_entry(mm, *pmd);
    *pmd = 0;
    tables_withdraw(&mm->tables);
}

static void zap_block(struct mm *mm, page_entry *pmd, vaddr start, vaddr end, unsigned options) {
    bool whole = end - start == PMD_BYTES;
    if (!entry_is_table(*pmd)) {
        if (whole) {
            zap_huge(mm, pmd);
            return;
        }
        mm_split_pmd(mm, pmd);
    }
    bool all = zap_small(mm, entry_table(*pmd), start, end, options);
    bool reclaim =
        (options & ZAP_RECLAIM_TABLES) != 0 && whole && mm->machine->personality.reclaims_tables;
    if (all && reclaim) {
        tables_free_pte(&mm->tables, pmd);
    }
}

void mm_zap(struct mm *mm, vaddr start, vaddr end, unsigned options) {
    page_entry *pmd;
    for (vaddr at = start; (pmd = tables_find_pmd(&mm->tables, &at, end)) != NULL;) {
        vaddr stop = block_end(at) < end ? block_end(at) : end;
        zap_block(mm, pmd, at, stop, options);
        at = stop;
    }
}

/* ---- splitting huge pages ------------------------------------------------------------------ */

/* The folio stays one: 512 entries lead to it now where one did. */
void mm_split_pmd(struct mm *mm, page_entry *pmd) {
    page_entry huge = *pmd;
    struct table *table = tables_split_pmd(&mm->tables, pmd);
    if (table == NULL) {
        return; /* the pool is exhausted: only the host's lack of memory leads here */
    }
    page_entry flags = huge & ~(PTE_FRAME_MASK | PTE_HUGE);
    for (uint64_t i = 0; i < TABLE_ENTRIES; i++) {
        struct pfn frame = {entry_frame(huge).number + i};
        if ((huge & PTE_ZERO) != 0) {
            table->entry[i] = flags & ~PTE_WRITE;
            continue;
        }
        table->entry[i] = entry_of(frame, flags);
        if (i > 0) {
            ram_share(&mm->machine->ram, frame);
        }
    }
}

void mm_split_huge_at(struct mm *mm, vaddr address) {
    if ((address & (PMD_BYTES - 1)) == 0) {
        return;
    }
    page_entry *pmd = tables_pmd(&mm->tables, address);
    if (pmd != NULL && *pmd != 0 && !entry_is_table(*pmd)) {
        mm_split_pmd(mm, pmd);
    }
}
