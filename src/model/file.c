/* file.c - files and shared memory, as far as mappings see them.
 * Layer: model (includes base and the buddy core). */
#include "model/file.h"

#include "model/mm_internal.h"

struct model_file *file_new(struct machine *machine, uint64_t length_pages, bool is_shared_memory) {
    struct model_file *file = model_alloc(&machine->memory, sizeof *file);
    if (file == NULL) {
        return NULL;
    }
    if (tables_init(&file->cache, &machine->kmem, 4) < 0) {
        model_free(&machine->memory, file, sizeof *file);
        return NULL;
    }
    file->length_pages = length_pages;
    file->holders = 1;
    file->is_shared_memory = is_shared_memory;
    file->next = machine->files;
    machine->files = file;
    return file;
}

void file_hold(struct model_file *file) {
    file->holders++;
}

static void drop_pages(struct machine *machine, struct model_file *file) {
    page_entry *pmd;
    vaddr end = file->length_pages << MODEL_PAGE_SHIFT;
    for (vaddr at = 0; (pmd = tables_find_pmd(&file->cache, &at, end)) != NULL;
         at = block_end(at)) {
        const struct table *table = entry_table(*pmd);
        for (size_t i = 0; i < TABLE_ENTRIES; i++) {
            if (table->entry[i] != 0) {
                ram_drop(&machine->ram, entry_frame(table->entry[i]));
            }
        }
    }
}

void file_release(struct machine *machine, struct model_file *file) {
    if (--file->holders > 0) {
        return;
    }
    drop_pages(machine, file);
    tables_destroy(&file->cache);
    machine->committed_pages -= file->accounted_pages;
    struct model_file **link = &machine->files;
    while (*link != file) {
        link = &(*link)->next;
    }
    *link = file->next;
    model_free(&machine->memory, file, sizeof *file);
}

struct pfn file_page(struct machine *machine, struct model_file *file, uint64_t page) {
    if (page >= file->length_pages) {
        return (struct pfn){0};
    }
    vaddr offset = page << MODEL_PAGE_SHIFT;
    page_entry *pmd = tables_make_pmd(&file->cache, offset);
    page_entry *entry = pmd == NULL ? NULL : pte_alloc(&file->cache, pmd, offset);
    if (entry == NULL) {
        return (struct pfn){0};
    }
    if (*entry == 0) {
        struct pfn frame = ram_take(&machine->ram, 0);
        *entry = frame.number == 0 ? 0 : entry_of(frame, PTE_PRESENT);
    }
    return entry_frame(*entry);
}

#define FOLIO_PAGES 16

uint64_t file_folio(const struct model_file *file, uint64_t page, uint64_t *count) {
    *count = 1;
    if (file->is_shared_memory) {
        return page;
    }
    uint64_t first = page / FOLIO_PAGES * FOLIO_PAGES;
    uint64_t left = file->length_pages - first;
    *count = FOLIO_PAGES;
    while (*count > left || page >= first + *count) {
        if (*count <= left) { /* the page lies behind this one */
            first += *count;
            left -= *count;
        }
        *count /= 2;
    }
    return first;
}

bool file_has_page(const struct model_file *file, uint64_t page) {
    if (page >= file->length_pages) {
        return false;
    }
    return !file->is_shared_memory || tables_entry(&file->cache, page << MODEL_PAGE_SHIFT) != 0;
}
