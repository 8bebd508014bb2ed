/* fault.c - from an access to a page: the stages of a fault, one function each.
 * Layer: model (includes base and the buddy core).
 *
 *   mm_access (do_user_addr_fault)     VMA? stack to grow? rights?
 *     mm_handle_fault (handle_mm_fault)  PGD, P4D, PUD, PMD: tables are made on the way
 *       huge page?                         fault_huge.c
 *       handle_pte_fault                   PTE table; then by what the entry holds:
 *         do_anonymous_page                  nothing yet: zero page (read) or a new page (write)
 *         do_fault                           nothing yet, of a file: fault_file.c
 *         do_swap_page                       a slot of the swap area: fault_swap.c
 *         do_wp_page                         present, but not writable: copy, or take over
 *
 * A fault that succeeds is counted, whoever caused it; one that ends in a signal is not. One that
 * finds no memory at all has a process killed, and goes on if it was another one. */
#include "model/file.h"
#include "model/mm_internal.h"

/* ---- small anonymous pages ----------------------------------------------------------------- */

static page_entry new_page_flags(const struct vma *vma) {
    page_entry flags = PTE_PRESENT | PTE_ANON | PTE_EXCLUSIVE | PTE_ACCESSED;
    return flags | ((vma->flags & VMF_WRITE) != 0 ? PTE_WRITE : 0);
}

/* Puts a fresh page of this process's own under an entry. */
static bool map_new_page(struct fault *fault, page_entry *entry, vaddr address) {
    struct mm *mm = fault->mm;
    struct pfn frame = mm_take_page(mm, vma_owner_of(fault->vma, address));
    if (frame.number == 0) {
        return false;
    }
    *entry = entry_of(frame, new_page_flags(fault->vma));
    mm->anon_pages++;
    return true;
}

/* The largest order that may be mapped at once: its naturally aligned block lies in the VMA and
 * holds nothing yet. */
static unsigned largest_order(const struct fault *fault) {
    unsigned orders = fault->mm->machine->personality.mthp_orders;
    if (orders == 0 || !vma_allows_huge(fault->mm, fault->vma)) {
        return 0;
    }
    const struct table *table = entry_table(*fault->pmd);
    for (unsigned order = HUGE_ORDER - 1; order > 0; order--) {
        uint64_t bytes = MODEL_PAGE_BYTES << order;
        vaddr start = fault->address & ~(vaddr)(bytes - 1);
        bool allowed = (orders >> order & 1) != 0 && start >= fault->vma->start &&
                       start + bytes <= fault->vma->end;
        size_t first = table_index(start, MODEL_PAGE_SHIFT);
        for (size_t i = 0; allowed && i < (size_t)1 << order; i++) {
            allowed = table->entry[first + i] == 0;
        }
        if (allowed) {
            return order;
        }
    }
    return 0;
}

/* False when there is no folio of that order: a single page serves as well. */
static bool map_middle(struct fault *fault, unsigned order) {
    struct mm *mm = fault->mm;
    vaddr start = fault->address & ~((MODEL_PAGE_BYTES << order) - 1);
    struct pfn head = mm_take_middle(mm, order, vma_owner_of(fault->vma, start));
    if (head.number == 0) {
        return false;
    }
    struct table *table = entry_table(*fault->pmd);
    size_t first = table_index(start, MODEL_PAGE_SHIFT);
    for (size_t i = 0; i < (size_t)1 << order; i++) {
        ram_share(&mm->machine->ram, (struct pfn){head.number + i});
        table->entry[first + i] =
            entry_of((struct pfn){head.number + i}, new_page_flags(fault->vma));
    }
    mm->anon_pages += (uint64_t)1 << order;
    return true;
}

enum fault_signal do_anonymous_page(struct fault *fault) {
    if (!fault->write) {
        *fault->pte = PTE_PRESENT | PTE_ZERO | PTE_ACCESSED;
        return FAULT_NO_SIGNAL;
    }
    vma_prepare_anon(fault->mm, fault->vma);
    unsigned order = largest_order(fault);
    bool mapped =
        (order > 0 && map_middle(fault, order)) || map_new_page(fault, fault->pte, fault->address);
    return mapped ? FAULT_NO_SIGNAL : FAULT_OOM;
}

/* ---- write to a page that is not writable -------------------------------------------------- */

static bool may_reuse(const struct fault *fault) {
    page_entry entry = *fault->pte;
    const struct ram *ram = &fault->mm->machine->ram;
    struct pfn frame = entry_frame(entry);
    bool anon = (entry & (PTE_ANON | PTE_ZERO)) == PTE_ANON;
    if (!anon || (entry & PTE_EXCLUSIVE) != 0) {
        return anon;
    }
    if (ram_folio_of(ram, frame).pages > 1) {
        return mm_owns_folio(fault->mm, frame);
    }
    swap_slot slot = swap_slot_of(&ram->swap, frame);
    return ram_mappings(ram, frame) == 1 && (slot == 0 || swap_entries(&ram->swap, slot) == 0);
}

enum fault_signal do_wp_page(struct fault *fault) {
    if ((fault->vma->flags & VMF_SHARED) != 0) {
        *fault->pte |= PTE_WRITE;
        mm_note_dirty(fault->mm, *fault->pte, true);
        return FAULT_NO_SIGNAL;
    }
    if (may_reuse(fault)) {
        *fault->pte |= PTE_WRITE | PTE_EXCLUSIVE;
        return FAULT_NO_SIGNAL;
    }
    vma_prepare_anon(fault->mm, fault->vma);
    struct ram *ram = &fault->mm->machine->ram;
    page_entry old = *fault->pte;
    page_entry copy = 0;
    bool pins = (old & PTE_ZERO) == 0;
    if (pins) { /* reclaim must leave it alone until it is copied */
        ram_share(ram, entry_frame(old));
    }
    bool mapped = map_new_page(fault, &copy, fault->address);
    if (mapped && pins && ram_is_written(ram, entry_frame(old))) {
        ram_write(ram, entry_frame(copy));
    }
    if (pins) {
        ram_drop(ram, entry_frame(old));
    }
    if (mapped) {
        mm_drop_entry(fault->mm, old);
        *fault->pte = copy;
    }
    return mapped ? FAULT_NO_SIGNAL : FAULT_OOM;
}

/* ---- the levels ---------------------------------------------------------------------------- */

static enum fault_signal handle_pte_fault(struct fault *fault) {
    bool is_new_file_page = fault->vma->file != NULL;
    fault->makes_table = *fault->pmd == 0;
    if (is_new_file_page && fault->makes_table && !fault_finds_pages(fault)) {
        if (fault->write && (fault->vma->flags & VMF_SHARED) == 0) {
            vma_prepare_anon(fault->mm, fault->vma);
        }
        return FAULT_BUS; /* a file's fault makes the table when it has a page for it */
    }
    fault->pte = pte_alloc(&fault->mm->tables, fault->pmd, fault->address);
    if (fault->pte == NULL) {
        return FAULT_OOM;
    }
    page_entry entry = *fault->pte;
    if (entry == 0) {
        return is_new_file_page ? do_fault(fault) : do_anonymous_page(fault);
    }
    if ((entry & PTE_GUARD) != 0) {
        return FAULT_MAPERR;
    }
    if ((entry & PTE_SWAP) != 0) {
        return do_swap_page(fault);
    }
    return fault->write && (entry & PTE_WRITE) == 0 ? do_wp_page(fault) : FAULT_NO_SIGNAL;
}

/* True when the PMD entry itself serves the fault. */
static bool handle_pmd_fault(struct fault *fault) {
    page_entry pmd = *fault->pmd;
    if (pmd == 0) {
        return fault->vma->file == NULL && vma_allows_huge(fault->mm, fault->vma) &&
               do_huge_pmd_anonymous_page(fault);
    }
    if (entry_is_table(pmd)) {
        return false;
    }
    return !fault->write || (pmd & PTE_WRITE) != 0 || do_huge_pmd_wp_page(fault);
}

static enum fault_signal walk_and_fault(struct fault *fault) {
    struct page_tables *tables = &fault->mm->tables;
    page_entry *pgd = pgd_offset(tables, fault->address);
    page_entry *p4d = p4d_alloc(tables, pgd, fault->address);
    page_entry *pud = p4d == NULL ? NULL : pud_alloc(tables, p4d, fault->address);
    fault->pmd = pud == NULL ? NULL : pmd_alloc(tables, pud, fault->address);
    if (fault->pmd == NULL) {
        return FAULT_OOM;
    }
    return handle_pmd_fault(fault) ? FAULT_NO_SIGNAL : handle_pte_fault(fault);
}

#define RECLAIM_TRIES 16

/* Whether a fault that found no memory, for a page or for a table, may try again: something was
 * reclaimed, or another process had to go. A fault that needs two pages at once may lose one of
 * them to its own reclaiming, so that is tried only so often. */
static bool make_room(const struct mm *mm, unsigned tries) {
    struct machine *machine = mm->machine;
    if (mm->killed) {
        return false;
    }
    bool reclaims = tries % (RECLAIM_TRIES + 1) < RECLAIM_TRIES;
    return (reclaims && machine_reclaim(machine, RECLAIM_BATCH) > 0) ||
           (oom_kill(machine) && !mm->killed);
}

enum fault_signal mm_handle_fault(struct mm *mm, struct vma *vma, vaddr address, bool write) {
    struct fault fault = {.mm = mm, .vma = vma, .address = PAGE_MASK_OF(address), .write = write};
    enum fault_signal signal = walk_and_fault(&fault);
    for (unsigned tries = 0; signal == FAULT_OOM && make_room(mm, tries); tries++) {
        signal = walk_and_fault(&fault);
    }
    if (signal == FAULT_NO_SIGNAL) {
        mm->minor_faults += !fault.is_major;
        mm->major_faults += fault.is_major;
    }
    return signal;
}

/* ---- the access ---------------------------------------------------------------------------- */

static bool is_allowed(const struct vma *vma, bool write) {
    return (vma->flags & (write ? VMF_WRITE : VMF_ACCESS)) != 0;
}

/* The entry when the processor would not fault at all; else NULL. */
static page_entry *find_mapped(const struct mm *mm, vaddr address, bool write) {
    page_entry *entry = tables_find_entry(&mm->tables, address);
    page_entry needed = PTE_PRESENT | (write ? PTE_WRITE : 0);
    return entry != NULL && (*entry & needed) == needed ? entry : NULL;
}

/* What the processor notes in the entry, and the model about the page. */
static void note_access(struct mm *mm, vaddr address, page_entry *entry, bool write) {
    *entry |= PTE_ACCESSED | (write ? PTE_DIRTY : 0);
    if (write) {
        struct pfn frame = entry_frame(*entry);
        frame.number += (*entry & PTE_HUGE) != 0 ? table_index(address, MODEL_PAGE_SHIFT) : 0;
        ram_write(&mm->machine->ram, frame);
    }
}

enum fault_signal mm_access(struct mm *mm, vaddr address, bool write) {
    struct vma *vma = vma_index_find(&mm->index, address);
    if (mm->killed) {
        return FAULT_OOM;
    }
    if (vma == NULL) {
        return FAULT_MAPERR;
    }
    if (vma->start > address && vma_expand_down(mm, vma, address) < 0) {
        return FAULT_MAPERR;
    }
    if (!is_allowed(vma, write)) {
        return FAULT_ACCERR;
    }
    page_entry *entry = find_mapped(mm, address, write);
    if (entry == NULL) {
        enum fault_signal signal = mm_handle_fault(mm, vma, address, write);
        if (signal != FAULT_NO_SIGNAL) {
            return signal;
        }
        entry = tables_find_entry(&mm->tables, address);
    }
    note_access(mm, address, entry, write);
    return FAULT_NO_SIGNAL;
}

/* ---- the growing stack --------------------------------------------------------------------- */

static bool keeps_distance(const struct mm *mm, const struct vma *vma, vaddr address) {
    const struct vma *prev = vma_index_previous(&mm->index, vma);
    uint64_t gap = mm->machine->personality.stack_gap_pages << MODEL_PAGE_SHIFT;
    return prev == NULL || (prev->flags & VMF_GROWSDOWN) != 0 || (prev->flags & VMF_ACCESS) == 0 ||
           address - prev->end >= gap;
}

int vma_expand_down(struct mm *mm, struct vma *vma, vaddr address) {
    vaddr start = PAGE_MASK_OF(address);
    uint64_t pages = pages_of(vma->start - start);
    if ((vma->flags & VMF_GROWSDOWN) == 0) {
        return -EFAULT;
    }
    if (start < mm->machine->personality.min_address || !keeps_distance(mm, vma, start)) {
        return -ENOMEM;
    }
    vma_prepare_anon(mm, vma);
    bool within = mm->limits.stack == LIMIT_NONE || vma->end - start <= mm->limits.stack;
    bool locked = (vma->flags & VMF_LOCKED) != 0;
    if (locked && !mm->limits.may_exceed_locked &&
        mm->locked_pages + pages > pages_of(mm->limits.locked)) {
        return -ENOMEM;
    }
    if (pages > vma->pgoff || !within || !mm_may_expand(mm, vma->flags, (int64_t)pages) ||
        mm_charge(mm, pages) < 0) {
        return -ENOMEM;
    }
    int error = vma_index_resize(&mm->index, vma, start, vma->end);
    if (error < 0) {
        mm_uncharge(mm, pages);
        return error;
    }
    vma->pgoff -= pages;
    mm->locked_pages += locked ? pages : 0;
    mm_count_pages(mm, vma->flags, (int64_t)pages);
    return 0;
}

/* ---- faults ahead of time ------------------------------------------------------------------ */

static int populate_part(struct mm *mm, struct vma *vma, vaddr start, vaddr end, bool write) {
    for (vaddr at = start; at < end; at += MODEL_PAGE_BYTES) {
        const page_entry *entry = find_mapped(mm, at, write);
        if (entry != NULL) {
            mm_note_dirty(mm, *entry, write);
            continue;
        }
        switch (mm_handle_fault(mm, vma, at, write)) {
        case FAULT_NO_SIGNAL:
            break;
        case FAULT_OOM:
            return -ENOMEM;
        default:
            return -EFAULT;
        }
    }
    return 0;
}

int mm_populate(struct mm *mm, vaddr start, vaddr end, bool write) {
    for (vaddr at = start; at < end;) {
        struct vma *vma = vma_index_lookup(&mm->index, at);
        if (vma == NULL) {
            return -ENOMEM;
        }
        if ((vma->flags & (write ? VMF_WRITE : VMF_READ)) == 0) {
            return -EINVAL;
        }
        vaddr stop = vma->end < end ? vma->end : end;
        int error = populate_part(mm, vma, at, stop, write);
        if (error < 0) {
            return error;
        }
        at = stop;
    }
    return 0;
}

int mm_populate_vmas(struct mm *mm, vaddr start, vaddr end) {
    for (vaddr at = start; at < end;) {
        struct vma *vma = vma_index_lookup(&mm->index, at);
        if (vma == NULL) {
            return -ENOMEM;
        }
        if ((vma->flags & VMF_ACCESS) == 0) {
            return -EFAULT;
        }
        bool write = (vma->flags & (VMF_WRITE | VMF_SHARED)) == VMF_WRITE;
        vaddr stop = vma->end < end ? vma->end : end;
        int error = populate_part(mm, vma, at, stop, write);
        if (error < 0) {
            return error;
        }
        at = stop;
    }
    return 0;
}
