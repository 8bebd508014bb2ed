/* protect.c - mprotect, and mlock, which changes flags in the same way.
 * Layer: model (includes base and the buddy core). */
#include "model/file.h"
#include "model/mm_internal.h"

/* ---- entries ------------------------------------------------------------------------------- */

/* A page becomes writable at once only when nobody shares it; otherwise the next write faults. */
static page_entry with_access(page_entry entry, uint64_t flags, bool notes_writes) {
    if ((entry & PTE_PRESENT) == 0) {
        return entry;
    }
    bool own = (entry & PTE_ANON) != 0 ? (entry & PTE_EXCLUSIVE) != 0
                                       : (flags & VMF_SHARED) != 0 && (entry & PTE_ZERO) == 0;
    own &= !notes_writes || (entry & (PTE_ANON | PTE_DIRTY)) != 0;
    bool writable = (flags & VMF_WRITE) != 0 && own;
    return writable ? entry | PTE_WRITE : entry & ~PTE_WRITE;
}

static void change_protection(struct mm *mm, vaddr start, vaddr end, uint64_t flags,
                              bool notes_writes) {
    page_entry *pmd;
    for (vaddr at = start; (pmd = tables_find_pmd(&mm->tables, &at, end)) != NULL;) {
        vaddr stop = block_end(at) < end ? block_end(at) : end;
        if (!entry_is_table(*pmd)) {
            *pmd = with_access(*pmd, flags, notes_writes);
            at = stop;
            continue;
        }
        struct table *table = entry_table(*pmd);
        for (; at < stop; at += MODEL_PAGE_BYTES) {
            page_entry *entry = &table->entry[table_index(at, MODEL_PAGE_SHIFT)];
            *entry = with_access(*entry, flags, notes_writes);
        }
    }
}

/* ---- mprotect ------------------------------------------------------------------------------ */

/* Pays for what becomes writable; what was never written is given back when it no longer is. */
static int account(struct mm *mm, const struct vma *vma, uint64_t pages, uint64_t *flags) {
    uint64_t old = vma->flags;
    if ((*flags & VMF_WRITE) != 0) {
        if (!mm_may_expand(mm, *flags, (int64_t)pages) && mm_may_expand(mm, old, (int64_t)pages)) {
            return -ENOMEM;
        }
        if ((old & (VMF_ACCOUNT | VMF_WRITE | VMF_SHARED | VMF_NORESERVE)) == 0) {
            *flags |= VMF_ACCOUNT;
            return mm_charge(mm, pages);
        }
    } else if ((old & VMF_ACCOUNT) != 0 && vma_is_anonymous(vma) && vma->anon == 0) {
        *flags &= ~VMF_ACCOUNT;
    }
    return 0;
}

static int protect_part(struct mm *mm, struct vma *vma, vaddr start, vaddr end, uint64_t flags) {
    uint64_t old = vma->flags;
    uint64_t pages = pages_of(end - start);
    if (flags == old) {
        return 0;
    }
    if ((flags & ~(flags >> 4) & VMF_ACCESS) != 0) {
        return -EACCES; /* a file that was not opened for it */
    }
    int error = account(mm, vma, pages, &flags);
    if (error < 0) {
        return error;
    }
    bool charged = (flags & ~old & VMF_ACCOUNT) != 0;
    struct vma *result;
    error = vma_modify(mm, vma, start, end, flags, &result);
    if (error < 0) {
        if (charged) {
            mm_uncharge(mm, pages);
        }
        return error;
    }
    change_protection(mm, start, end, flags, vma_notes_writes(result));
    if ((old & ~flags & VMF_ACCOUNT) != 0) {
        mm_uncharge(mm, pages);
    }
    mm_count_pages(mm, old, -(int64_t)pages);
    mm_count_pages(mm, flags, (int64_t)pages);
    if ((old & (VMF_WRITE | VMF_SHARED | VMF_LOCKED)) == VMF_LOCKED && (flags & VMF_WRITE) != 0) {
        mm_populate_vmas(mm, start, end);
    }
    return 0;
}

int mm_protect(struct mm *mm, vaddr start, uint64_t length, uint64_t access) {
    if (!is_page_aligned(start)) {
        return -EINVAL;
    }
    vaddr end = start + page_round_up(length);
    if (length == 0) {
        return 0;
    }
    if (end <= start) {
        return -ENOMEM;
    }
    vaddr at = start;
    while (at < end) {
        struct vma *vma = vma_index_lookup(&mm->index, at);
        if (vma == NULL) {
            return -ENOMEM;
        }
        vaddr stop = vma->end < end ? vma->end : end;
        int error = protect_part(mm, vma, at, stop, (vma->flags & ~VMF_ACCESS) | access);
        if (error < 0) {
            return error;
        }
        at = stop;
    }
    return 0;
}

/* ---- mlock --------------------------------------------------------------------------------- */

/* Pages that reclaim had put aside may be looked at again. */
static void make_evictable(struct mm *mm, vaddr start, vaddr end) {
    if (lru_pages(&mm->machine->ram.lru, LRU_UNEVICTABLE) == 0) {
        return;
    }
    for (vaddr at = start; at < end; at += MODEL_PAGE_BYTES) {
        page_entry entry = tables_entry(&mm->tables, at);
        if ((entry & (PTE_PRESENT | PTE_ZERO)) == PTE_PRESENT) {
            mm_make_evictable(mm->machine, entry_frame(entry));
        }
    }
}

static int lock_part(struct mm *mm, struct vma *vma, vaddr start, vaddr end, bool lock) {
    uint64_t flags = lock ? vma->flags | VMF_LOCKED : vma->flags & ~VMF_LOCKED;
    if (flags == vma->flags) {
        return 0;
    }
    struct vma *result;
    int error = vma_modify(mm, vma, start, end, flags, &result);
    if (error == 0) {
        uint64_t pages = pages_of(end - start);
        mm->locked_pages = lock ? mm->locked_pages + pages : mm->locked_pages - pages;
        if (!lock) {
            make_evictable(mm, start, end);
        }
    }
    return error;
}

static int lock_range(struct mm *mm, vaddr start, vaddr end, bool lock) {
    for (vaddr at = start; at < end;) {
        struct vma *vma = vma_index_lookup(&mm->index, at);
        if (vma == NULL) {
            return -ENOMEM;
        }
        vaddr stop = vma->end < end ? vma->end : end;
        int error = lock_part(mm, vma, at, stop, lock);
        if (error < 0) {
            return error;
        }
        at = stop;
    }
    return 0;
}

/* Pages of a range that are locked already do not count against the limit a second time. */
static uint64_t count_locked(const struct mm *mm, vaddr start, vaddr end) {
    uint64_t pages = 0;
    for (const struct vma *vma = vma_index_find(&mm->index, start); vma != NULL && vma->start < end;
         vma = vma_index_next(&mm->index, vma)) {
        vaddr from = vma->start > start ? vma->start : start;
        vaddr to = vma->end < end ? vma->end : end;
        pages += (vma->flags & VMF_LOCKED) != 0 ? pages_of(to - from) : 0;
    }
    return pages;
}

static int check_lock_limit(const struct mm *mm, vaddr start, vaddr end) {
    uint64_t limit = mm->limits.locked;
    if (mm->limits.may_exceed_locked) {
        return 0;
    }
    if (limit == 0) {
        return -EPERM;
    }
    uint64_t after = mm->locked_pages + pages_of(end - start) - count_locked(mm, start, end);
    return limit != LIMIT_NONE && after > pages_of(limit) ? -ENOMEM : 0;
}

int mm_lock(struct mm *mm, vaddr start, uint64_t length, bool lock) {
    vaddr from = PAGE_MASK_OF(start);
    vaddr end = from + page_round_up(length + (start - from));
    int error = lock ? check_lock_limit(mm, from, end) : 0;
    if (error < 0 || end == from) {
        return error;
    }
    if (end < from) {
        return -EINVAL;
    }
    error = lock_range(mm, from, end, lock);
    if (error == 0 && lock) {
        error = mm_populate_vmas(mm, from, end);
        error = error == -ENOMEM ? -EAGAIN : error < 0 ? -ENOMEM : 0;
    }
    return error;
}
