/* folio.c - large folios that become single pages: of 2 MiB, and of the orders between.
 * Layer: model (includes base and the buddy core).
 *
 * A PMD entry that is split leaves the folio whole: 512 entries lead to it. The folio itself is
 * split when advice is given for a part of it. Then every page of it that holds nothing but zeros
 * gives way to the zero page, wherever it is mapped. */
#include "model/mm_internal.h"

/* ---- all entries of a folio ---------------------------------------------------------------- */

typedef void visit_entry(struct mm *mm, vaddr address, page_entry *entry, void *context);

/* Visits the small entries of the mm that lead to a large folio: they can be anywhere. */
static void visit_folio(struct mm *mm, const struct folio *folio, visit_entry *visit,
                        void *context) {
    const struct vma *last = vma_index_last(&mm->index);
    page_entry *pmd;
    for (vaddr at = 0; (pmd = tables_find_pmd(&mm->tables, &at, last->end)) != NULL;
         at = block_end(at)) {
        struct table *table = entry_is_table(*pmd) ? entry_table(*pmd) : NULL;
        for (size_t i = 0; table != NULL && i < TABLE_ENTRIES; i++) {
            page_entry entry = table->entry[i];
            bool leads = (entry & (PTE_PRESENT | PTE_ZERO)) == PTE_PRESENT;
            if (leads && ram_folio_has(&mm->machine->ram, folio, entry_frame(entry))) {
                vaddr address = block_start(at) + ((vaddr)i << MODEL_PAGE_SHIFT);
                visit(mm, address, &table->entry[i], context);
            }
        }
    }
}

struct folio_count {
    struct pfn head;
    uint32_t mapped[HUGE_PAGES];
    uint32_t entries;
};

static void count_entry(struct mm *mm, vaddr address, page_entry *entry, void *context) {
    (void)mm;
    (void)address;
    struct folio_count *count = context;
    count->mapped[entry_frame(*entry).number - count->head.number]++;
    count->entries++;
}

bool mm_owns_folio(struct mm *mm, struct pfn frame) {
    const struct ram *ram = &mm->machine->ram;
    const struct folio folio = ram_folio_of(ram, frame);
    uint32_t mappings = ram_folio_mappings(ram, &folio);
    struct folio_count count = {.head = folio.head};
    if (mappings > 1) {
        visit_folio(mm, &folio, count_entry, &count);
    }
    return mappings > 1 && count.entries == mappings;
}

/* A locked VMA keeps its pages. */
static void give_way_to_zero(struct mm *mm, vaddr address, page_entry *entry, void *context) {
    (void)context;
    const struct vma *vma = vma_index_lookup(&mm->index, address);
    if ((vma->flags & VMF_LOCKED) == 0 && !ram_is_written(&mm->machine->ram, entry_frame(*entry))) {
        mm_drop_entry(mm, *entry);
        *entry = PTE_PRESENT | PTE_ZERO;
    }
}

/* False when another mm maps it too: it stays as it is. */
static bool split_folio(struct mm *mm, struct pfn frame) {
    struct ram *ram = &mm->machine->ram;
    const struct folio folio = ram_folio_of(ram, frame);
    struct folio_count count = {.head = folio.head};
    visit_folio(mm, &folio, count_entry, &count);
    if (count.entries != ram_folio_mappings(ram, &folio)) {
        return false;
    }
    if (ram_is_huge(ram, frame)) {
        ram_split(ram, folio.head, count.mapped);
    }
    visit_folio(mm, &folio, give_way_to_zero, NULL);
    ram_part(ram, &folio);
    return true;
}

void mm_split_folio_of(struct mm *mm, page_entry *entry) {
    struct ram *ram = &mm->machine->ram;
    struct pfn frame = entry_frame(*entry);
    bool leads = (*entry & PTE_PRESENT) != 0 && ram_folio_of(ram, frame).pages > 1;
    if (leads && (*entry & PTE_HUGE) != 0 && ram_mappings(ram, frame) == 1) {
        mm_split_pmd(mm, entry);
    }
    if (leads) {
        split_folio(mm, frame);
    }
}

/* ---- advice for a part --------------------------------------------------------------------- */

static bool leads_to_large(const struct mm *mm, page_entry entry) {
    return (entry & (PTE_PRESENT | PTE_ANON)) == (PTE_PRESENT | PTE_ANON) &&
           ram_folio_of(&mm->machine->ram, entry_frame(entry)).pages > 1;
}

/* How many entries from `first` on lead to one frame after the other of the same folio. */
static size_t batch_length(const struct mm *mm, const struct table *table, size_t first,
                           size_t end) {
    uint64_t frame = entry_frame(table->entry[first]).number;
    const struct folio folio = ram_folio_of(&mm->machine->ram, entry_frame(table->entry[first]));
    size_t length = 1;
    while (first + length < end && leads_to_large(mm, table->entry[first + length]) &&
           entry_frame(table->entry[first + length]).number == frame + length &&
           frame + length < folio.head.number + folio.pages) {
        length++;
    }
    return length;
}

static void advise_entries(struct mm *mm, struct table *table, size_t first, size_t end) {
    while (first < end) {
        if (!leads_to_large(mm, table->entry[first])) {
            first++;
            continue;
        }
        size_t length = batch_length(mm, table, first, end);
        struct pfn frame = entry_frame(table->entry[first]);
        if (length < ram_folio_of(&mm->machine->ram, frame).pages) {
            split_folio(mm, frame);
        }
        first += length;
    }
}

/* The zero page stays huge, and so does a page that another mm maps too. */
static bool splits_pmd(const struct mm *mm, page_entry pmd, bool whole) {
    return !whole && (pmd & PTE_ZERO) == 0 &&
           ram_mappings(&mm->machine->ram, entry_frame(pmd)) == 1;
}

void mm_split_folios(struct mm *mm, vaddr start, vaddr end) {
    page_entry *pmd;
    for (vaddr at = start; (pmd = tables_find_pmd(&mm->tables, &at, end)) != NULL;) {
        vaddr stop = block_end(at) < end ? block_end(at) : end;
        if (!entry_is_table(*pmd) && splits_pmd(mm, *pmd, stop - at == PMD_BYTES)) {
            mm_split_pmd(mm, pmd);
        }
        if (entry_is_table(*pmd)) {
            size_t first = table_index(at, MODEL_PAGE_SHIFT);
            size_t pages = (size_t)((stop - at) >> MODEL_PAGE_SHIFT);
            advise_entries(mm, entry_table(*pmd), first, first + pages);
        }
        at = stop;
    }
}
