/* file.h - files and shared memory, as far as mappings see them: pages in a cache.
 * Layer: model (includes base and the buddy core).
 *
 * A file of the script language is wholly in the page cache from the start, unless it is cold; its
 * pages take frames when they are mapped first. Shared anonymous memory is a file without a name
 * whose pages come when they are touched. The cache is a tree of tables indexed by page number, the
 * same as a page table's: entries hold frames, slots of the swap area (shared memory), or say that
 * the page is on disk only.
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
    uint64_t read_end;        /* of what was read ahead last, in pages */
    bool is_shared_memory;
    bool is_cold; /* what was never looked at is on disk only */
};

/* Makes a file with one holder, the caller; NULL when there is no memory. */
struct model_file *file_new(struct machine *machine, uint64_t length_pages, bool is_shared_memory);
void file_hold(struct model_file *file);
void file_release(struct machine *machine, struct model_file *file);

/* The frame of a page, taken or read when it is not there yet; 0 when there is none or it lies
 * beyond the end. The caller does not hold it by that. *is_major: it had to be read. */
struct pfn file_page(struct mm *mm, struct model_file *file, uint64_t page, bool *is_major);

/* Where the cache notes a page that it has or had. */
page_entry *file_entry(const struct model_file *file, uint64_t page);

/* The same, with room for it; NULL when there is no memory. */
page_entry *file_make_entry(struct model_file *file, uint64_t page);

/* Punches a hole of whole pages, [first, end) (punch.c); -ENOMEM. */
int file_punch(struct machine *machine, struct model_file *file, uint64_t first, uint64_t end);

/* Drops what is in the cache and mapped nowhere, as after posix_fadvise(DONTNEED). */
void file_cool(struct machine *machine, struct model_file *file);

/* The folio that a page lies in: its first page, and how many it has. A file was written in steps
 * of 16 pages: its folios have 16, and those of the rest are the powers of two that make it up. */
uint64_t file_folio(const struct model_file *file, uint64_t page, uint64_t *count);

/* Whether a page is in the cache. */
bool file_has_page(const struct model_file *file, uint64_t page);

/* Shared, and of a file: the first write to each page is a fault, so that the file system hears of
 * it. */
INLINE bool vma_notes_writes(const struct vma *vma) {
    return vma->file != NULL && (vma->flags & VMF_SHARED) != 0 && !vma->file->is_shared_memory;
}

#endif
