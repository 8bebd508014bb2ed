/* punch.c - holes in files: MADV_REMOVE.
 * Layer: model (includes base and the buddy core).
 *
 * What a hole is punched in is gone from the cache and from every mapping of it; copies that a
 * private mapping wrote to stay. Shared memory reads as zeros there, at a fault like a first one; a
 * file's page has to be read again, which is an estimate as all that is read from a cold file. */
#include "model/file.h"
#include "model/rmap.h"

static void unmap_one(const struct mapping *mapping, void *context) {
    (void)context;
    mm_drop_entry(mapping->mm, *mapping->entry);
    *mapping->entry = 0;
}

/* The cache holds the page until no mapping does. */
static void punch_page(struct machine *machine, page_entry *entry, page_entry hole) {
    if ((*entry & PTE_PRESENT) != 0) {
        struct pfn frame = entry_frame(*entry);
        rmap_walk(machine, frame, unmap_one, NULL);
        ram_drop(&machine->ram, frame);
    } else if ((*entry & PTE_SWAP) != 0) {
        ram_drop_slot(&machine->ram, entry_slot(*entry));
    }
    *entry = hole;
}

int file_punch(struct machine *machine, struct model_file *file, uint64_t first, uint64_t end) {
    uint64_t stop = end < file->length_pages ? end : file->length_pages;
    for (uint64_t page = first; page < stop; page++) {
        page_entry *entry =
            file->is_shared_memory ? file_entry(file, page) : file_make_entry(file, page);
        if (entry == NULL && !file->is_shared_memory) {
            return -ENOMEM;
        }
        if (entry != NULL) {
            punch_page(machine, entry, file->is_shared_memory ? 0 : PTE_COLD);
        }
    }
    return 0;
}
