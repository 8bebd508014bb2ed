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

static void drop_page(struct machine *machine, page_entry entry) {
    if ((entry & PTE_PRESENT) != 0) {
        ram_drop(&machine->ram, entry_frame(entry));
    } else if ((entry & PTE_SWAP) != 0) {
        ram_drop_slot(&machine->ram, entry_slot(entry));
    }
}

static void drop_pages(struct machine *machine, struct model_file *file) {
    page_entry *pmd;
    vaddr end = file->length_pages << MODEL_PAGE_SHIFT;
    for (vaddr at = 0; (pmd = tables_find_pmd(&file->cache, &at, end)) != NULL;
         at = block_end(at)) {
        const struct table *table = entry_table(*pmd);
        for (size_t i = 0; i < TABLE_ENTRIES; i++) {
            drop_page(machine, table->entry[i]);
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

page_entry *file_entry(const struct model_file *file, uint64_t page) {
    return tables_find_entry(&file->cache, page << MODEL_PAGE_SHIFT);
}

page_entry *file_make_entry(struct model_file *file, uint64_t page) {
    vaddr offset = page << MODEL_PAGE_SHIFT;
    page_entry *pmd = tables_make_pmd(&file->cache, offset);
    return pmd == NULL ? NULL : pte_alloc(&file->cache, pmd, offset);
}

static bool is_on_disk(const struct model_file *file, page_entry entry) {
    return (entry & PTE_COLD) != 0 || (entry == 0 && file->is_cold);
}

static bool take_page(struct mm *mm, struct model_file *file, uint64_t page, page_entry *entry) {
    struct pfn frame = mm_take_page(mm, (struct frame_owner){file, page});
    if (frame.number != 0) {
        *entry = entry_of(frame, PTE_PRESENT);
    }
    return frame.number != 0;
}

/* ---- reading ------------------------------------------------------------------------------- */

/* Pages that one read brings in (128 KiB), half of them before the page that was missing. */
#define READ_PAGES 32

/* Reads what of [first, end) is on disk; it is no error when memory is short. */
static void read_pages(struct mm *mm, struct model_file *file, uint64_t first, uint64_t end) {
    for (uint64_t at = first; at < end && at < file->length_pages; at++) {
        page_entry *entry = file_make_entry(file, at);
        bool short_of_memory = entry == NULL || frames_are_low(&mm->machine->frames);
        if (short_of_memory || (is_on_disk(file, *entry) && !take_page(mm, file, at, entry))) {
            return;
        }
    }
    file->read_end = end;
}

/* The page itself last: what is read around it must not push it out again. */
static bool read_around(struct mm *mm, struct model_file *file, uint64_t page, page_entry *entry) {
    uint64_t before = page < READ_PAGES / 2 ? page : READ_PAGES / 2;
    read_pages(mm, file, page - before, page - before + READ_PAGES);
    return (*entry & PTE_PRESENT) != 0 || take_page(mm, file, page, entry);
}

/* Whoever reads on where reading ahead ended finds the next pages there already. */
static void read_ahead(struct mm *mm, struct model_file *file, uint64_t page) {
    if (page < file->read_end && page + READ_PAGES / 2 >= file->read_end) {
        read_pages(mm, file, file->read_end, file->read_end + READ_PAGES);
    }
}

/* Shared memory that went to swap. */
static bool swap_in(struct mm *mm, page_entry *entry, struct frame_owner owner, bool *is_major) {
    struct ram *ram = &mm->machine->ram;
    swap_slot slot = entry_slot(*entry);
    bool is_here = swap_frame_of(&ram->swap, slot).number != 0;
    if (!is_here && !swap_read_in(mm, slot, owner.index)) {
        return false;
    }
    *is_major |= !is_here;
    struct pfn frame = swap_frame_of(&ram->swap, slot);
    ram->mappings[frame.number] = 1;
    ram->owners[frame.number] = owner;
    ram_set(ram, frame, FRAME_DIRTY);
    *entry = entry_of(frame, PTE_PRESENT);
    swap_drop(&ram->swap, slot);
    swap_uncache(&ram->swap, frame);
    return true;
}

struct pfn file_page(struct mm *mm, struct model_file *file, uint64_t page, bool *is_major) {
    page_entry *entry = page < file->length_pages ? file_make_entry(file, page) : NULL;
    if (entry == NULL) {
        return (struct pfn){0};
    }
    read_ahead(mm, file, page);
    bool there = (*entry & PTE_PRESENT) != 0;
    if ((*entry & PTE_SWAP) != 0) {
        there = swap_in(mm, entry, (struct frame_owner){file, page}, is_major);
    } else if (is_on_disk(file, *entry)) {
        *is_major = true;
        there = read_around(mm, file, page, entry);
    } else if (!there) {
        there = take_page(mm, file, page, entry);
    }
    return there ? entry_frame(*entry) : (struct pfn){0};
}

void file_cool(struct machine *machine, struct model_file *file) {
    file->is_cold = true;
    for (uint64_t page = 0; page < file->length_pages; page++) {
        page_entry *entry = file_entry(file, page);
        bool unmapped = entry != NULL && (*entry & PTE_PRESENT) != 0 &&
                        ram_mappings(&machine->ram, entry_frame(*entry)) == 1;
        if (unmapped) {
            drop_page(machine, *entry);
            *entry = PTE_COLD;
        }
    }
}

/* ---- what is there ------------------------------------------------------------------------- */

#define FOLIO_PAGES 16

uint64_t file_folio(const struct model_file *file, uint64_t page, uint64_t *count) {
    *count = 1;
    if (file->is_shared_memory || file->is_cold) { /* what is read ahead comes in single pages */
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
    page_entry entry = tables_entry(&file->cache, page << MODEL_PAGE_SHIFT);
    return file->is_shared_memory ? (entry & PTE_PRESENT) != 0 : !is_on_disk(file, entry);
}
