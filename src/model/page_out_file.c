/* page_out_file.c - MADV_PAGEOUT of a file's pages.
 * Layer: model (includes base and the buddy core).
 *
 * A folio goes as a whole or not at all: only when every page of it is mapped here, one after
 * another within the range and one table, and nowhere else. (Of a folio that is mapped in part the
 * kernel would first make single pages; it cannot while the folio is dirty.) What goes is unmapped;
 * a file that was written just now is dirty, so that its pages stay in the cache and the next
 * access is a minor fault. */
#include "model/file.h"
#include "model/mm_internal.h"

struct run {
    const struct vma *vma;
    struct table *table;
    vaddr at;
    vaddr end; /* of the range or the table, whichever comes first */
};

static bool leads_to_file(page_entry entry) {
    return (entry & (PTE_PRESENT | PTE_ANON | PTE_ZERO)) == PTE_PRESENT;
}

static page_entry *entry_at(const struct run *run, vaddr at) {
    return &run->table->entry[table_index(at, MODEL_PAGE_SHIFT)];
}

static uint64_t page_at(const struct run *run, vaddr at) {
    return run->vma->pgoff + pages_of(at - run->vma->start);
}

/* Entries of any mm that lead to a page of the folio; the cache's own hold does not count. */
static uint64_t count_mappings(const struct ram *ram, const struct model_file *file, uint64_t first,
                               uint64_t count) {
    uint64_t mappings = 0;
    for (uint64_t page = first; page < first + count; page++) {
        const page_entry *entry = file_entry(file, page);
        bool there = entry != NULL && (*entry & PTE_PRESENT) != 0;
        mappings += there ? ram_mappings(ram, entry_frame(*entry)) - 1 : 0;
    }
    return mappings;
}

/* The entries from here on that lead to the same folio. */
static uint64_t batch_length(const struct run *run, uint64_t folio_end) {
    vaddr at = run->at;
    while (at < run->end && page_at(run, at) < folio_end && leads_to_file(*entry_at(run, at))) {
        at += MODEL_PAGE_BYTES;
    }
    return pages_of(at - run->at);
}

/* Looks at the folio that lies at run->at; returns how many entries that was. */
static uint64_t page_out_folio(struct mm *mm, const struct run *run) {
    const struct model_file *file = run->vma->file;
    uint64_t count;
    uint64_t first = file_folio(file, page_at(run, run->at), &count);
    uint64_t length = batch_length(run, first + count);
    bool is_alone =
        length == count && count_mappings(&mm->machine->ram, file, first, count) == count;
    for (uint64_t i = 0; is_alone && i < count; i++) {
        page_entry *entry = entry_at(run, run->at + (i << MODEL_PAGE_SHIFT));
        mm_drop_entry(mm, *entry);
        *entry = 0;
    }
    return length;
}

void mm_page_out_file(struct mm *mm, const struct vma *vma, vaddr start, vaddr end) {
    page_entry *pmd;
    for (vaddr at = start; (pmd = tables_find_pmd(&mm->tables, &at, end)) != NULL;) {
        vaddr stop = block_end(at) < end ? block_end(at) : end;
        struct run run = {vma, entry_is_table(*pmd) ? entry_table(*pmd) : NULL, at, stop};
        while (run.table != NULL && run.at < stop) {
            bool leads = leads_to_file(*entry_at(&run, run.at));
            run.at += (leads ? page_out_folio(mm, &run) : 1) << MODEL_PAGE_SHIFT;
        }
        at = stop;
    }
}
