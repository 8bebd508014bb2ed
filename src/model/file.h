/* file.h - files and shared memory, as far as mappings see them: pages in a cache.
 * Layer: model (includes base and the buddy core).
 *
 * A file of the script language is wholly in the page cache from the start. Shared anonymous memory
 * is a file without a name whose pages come when they are touched. The cache is a tree of tables
 * indexed by page number, the same as a page table's: entries hold frames.
 *
 * Thread-safety: none. Lives as long as a mapping or the script holds it. */
#ifndef ARENITE_MODEL_FILE_H
#define ARENITE_MODEL_FILE_H

#include "model/mm.h"

struct model_file {
    struct model_file *next;  /* all files of the machine */
    struct page_tables cache; /* keyed by offset in bytes */
    uint64_t length_pages;
    uint64_t holders;         /* VMAs and other users */
    uint64_t accounted_pages; /* committed for shared anonymous memory */
    bool is_shared_memory;
};

/* Makes a file with one holder, the caller; NULL when there is no memory. */
struct model_file *file_new(struct machine *machine, uint64_t length_pages, bool is_shared_memory);
void file_hold(struct model_file *file);
void file_release(struct machine *machine, struct model_file *file);

/* The frame of a page, taken when it is not cached yet; 0 when there is none or it lies beyond the
 * end. The caller does not hold it by that. */
struct pfn file_page(struct machine *machine, struct model_file *file, uint64_t page);

/* The folio that a page lies in: its first page, and how many it has. A file was written in steps
 * of 16 pages: its folios have 16, and those of the rest are the powers of two that make it up. */
uint64_t file_folio(const struct model_file *file, uint64_t page, uint64_t *count);

/* Whether a page is in the cache. */
bool file_has_page(const struct model_file *file, uint64_t page);

#endif
