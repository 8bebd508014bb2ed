/* fault_file.c - faults in files and in shared memory.
 * Layer: model (includes base and the buddy core).
 *
 * A read fault in a cached file maps up to 16 pages around it, those that are in the cache, and all
 * of the folios that these belong to, where they lie in the VMA and in one table. When they begin
 * in the file's last folio and there is no table yet, it maps that folio alone, or the page. A
 * write to a private mapping copies one page. Files live in memory only: every page is cached. */
#include "model/file.h"
#include "model/mm_internal.h"

static uint64_t file_page_of(const struct vma *vma, vaddr address) {
    return vma->pgoff + pages_of(address - vma->start);
}

/* Maps one page of the file under an entry. */
static enum fault_signal map_file_page(struct fault *fault, page_entry *entry, vaddr address) {
    struct mm *mm = fault->mm;
    const struct vma *vma = fault->vma;
    uint64_t page = file_page_of(vma, address);
    if (page >= vma->file->length_pages) {
        return FAULT_BUS;
    }
    struct pfn frame = file_page(mm, vma->file, page, &fault->is_major);
    if (frame.number == 0) {
        return FAULT_OOM;
    }
    bool writable = (vma->flags & (VMF_SHARED | VMF_WRITE)) == (VMF_SHARED | VMF_WRITE) &&
                    (fault->write || !vma_notes_writes(vma));
    ram_share(&mm->machine->ram, frame);
    *entry = entry_of(frame, PTE_PRESENT | PTE_ACCESSED | (writable ? PTE_WRITE : 0) |
                                 (fault->write ? PTE_DIRTY : 0));
    mm_note_dirty(mm, *entry, fault->write);
    mm->file_pages++;
    return FAULT_NO_SIGNAL;
}

struct window {
    vaddr low;
    vaddr high;
};

/* Takes the whole folio in that holds an address, when it lies between the limits. */
static void widen(struct window *window, const struct vma *vma, vaddr address,
                  const struct window *limits) {
    uint64_t count;
    uint64_t first = file_folio(vma->file, file_page_of(vma, address), &count);
    if (first < vma->pgoff) {
        return;
    }
    vaddr start = vma->start + ((first - vma->pgoff) << MODEL_PAGE_SHIFT);
    vaddr end = start + (count << MODEL_PAGE_SHIFT);
    if (start >= limits->low && end <= limits->high) {
        window->low = start < window->low ? start : window->low;
        window->high = end > window->high ? end : window->high;
    }
}

/* The window: fault_around_pages, aligned, or from the VMA's start where that lies inside it. */
static struct window find_window(const struct fault *fault) {
    const struct vma *vma = fault->vma;
    uint64_t bytes = fault->mm->machine->personality.fault_around_pages << MODEL_PAGE_SHIFT;
    vaddr block = block_start(fault->address);
    vaddr last = vma->start + ((vma->file->length_pages - vma->pgoff) << MODEL_PAGE_SHIFT);
    struct window limits = {vma->start, vma->end < last ? vma->end : last};
    limits.low = limits.low < block ? block : limits.low;
    limits.high = limits.high > block + PMD_BYTES ? block + PMD_BYTES : limits.high;
    struct window window = {fault->address & ~(vaddr)(bytes - 1), 0};
    window.low = window.low < limits.low ? limits.low : window.low;
    window.high = window.low + bytes < limits.high ? window.low + bytes : limits.high;
    vaddr top = window.high - MODEL_PAGE_BYTES;
    limits.high -= limits.high == last ? MODEL_PAGE_BYTES : 0; /* the last folio does not count */
    widen(&window, vma, window.low, &limits);
    widen(&window, vma, top, &limits);
    return window;
}

/* Whether anything is mapped around the page. The kernel puts a table that is missing in place
 * only when the window begins before the file's last folio. Pages of shared memory are folios of
 * their own, and the last is like the others. */
static bool maps_around(const struct fault *fault) {
    const struct vma *vma = fault->vma;
    const struct model_file *file = vma->file;
    uint64_t bytes = fault->mm->machine->personality.fault_around_pages << MODEL_PAGE_SHIFT;
    vaddr low = fault->address & ~(vaddr)(bytes - 1);
    uint64_t page = file_page_of(vma, low < vma->start ? vma->start : low);
    if (!fault->makes_table || file->is_shared_memory || page >= file->length_pages) {
        return page < file->length_pages;
    }
    uint64_t count;
    uint64_t first = file_folio(file, page, &count);
    return first + count < file->length_pages;
}

bool fault_finds_pages(const struct fault *fault) {
    const struct vma *vma = fault->vma;
    return file_page_of(vma, fault->address) < vma->file->length_pages ||
           (!fault->write && maps_around(fault));
}

static void map_missing(struct fault *fault, const struct window *window) {
    const struct vma *vma = fault->vma;
    struct table *table = entry_table(*fault->pmd);
    for (vaddr at = window->low; at < window->high; at += MODEL_PAGE_BYTES) {
        page_entry *entry = &table->entry[table_index(at, MODEL_PAGE_SHIFT)];
        if (*entry == 0 && file_has_page(vma->file, file_page_of(vma, at))) {
            map_file_page(fault, entry, at);
        }
    }
}

static void do_fault_around(struct fault *fault) {
    if (maps_around(fault)) {
        const struct window window = find_window(fault);
        map_missing(fault, &window);
    }
}

static bool window_is_empty(const struct table *table, const struct window *window) {
    bool empty = true;
    for (vaddr at = window->low; empty && at < window->high; at += MODEL_PAGE_BYTES) {
        empty = table->entry[table_index(at, MODEL_PAGE_SHIFT)] == 0;
    }
    return empty;
}

/* The whole folio of the page when it lies in the VMA and one table that holds nothing of it yet;
 * else the page alone. */
static enum fault_signal finish_fault(struct fault *fault) {
    const struct vma *vma = fault->vma;
    vaddr block = block_start(fault->address);
    struct window limits = {vma->start > block ? vma->start : block, block_end(fault->address)};
    limits.high = vma->end < limits.high ? vma->end : limits.high;
    struct window window = {fault->address, fault->address};
    bool is_inside = file_page_of(vma, fault->address) < vma->file->length_pages;
    if (is_inside) {
        widen(&window, vma, fault->address, &limits);
    }
    if (window.high > window.low && window_is_empty(entry_table(*fault->pmd), &window)) {
        map_missing(fault, &window);
    }
    return *fault->pte != 0 ? FAULT_NO_SIGNAL : map_file_page(fault, fault->pte, fault->address);
}

static enum fault_signal do_cow_fault(struct fault *fault) {
    struct mm *mm = fault->mm;
    vma_prepare_anon(mm, fault->vma);
    if (file_page_of(fault->vma, fault->address) >= fault->vma->file->length_pages) {
        return FAULT_BUS;
    }
    uint64_t page = file_page_of(fault->vma, fault->address);
    bool is_there = file_has_page(fault->vma->file, page) || fault->vma->file->is_shared_memory ||
                    file_page(mm, fault->vma->file, page, &fault->is_major).number != 0;
    struct pfn frame = {0};
    if (is_there) {
        frame = mm_take_page(mm, vma_owner_of(fault->vma, fault->address));
    }
    if (frame.number == 0) {
        return FAULT_OOM;
    }
    page_entry flags = PTE_PRESENT | PTE_ANON | PTE_EXCLUSIVE | PTE_WRITE | PTE_ACCESSED;
    *fault->pte = entry_of(frame, flags);
    mm->anon_pages++;
    return FAULT_NO_SIGNAL;
}

enum fault_signal do_fault(struct fault *fault) {
    if (fault->write && (fault->vma->flags & VMF_SHARED) == 0) {
        return do_cow_fault(fault);
    }
    if (!fault->write) {
        do_fault_around(fault);
    }
    return *fault->pte != 0 ? FAULT_NO_SIGNAL : finish_fault(fault);
}
