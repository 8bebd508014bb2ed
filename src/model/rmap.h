/* rmap.h - from a page back to the entries that lead to it, in whichever mm.
 * Layer: model (includes base and the buddy core).
 *
 * A page knows its index: where it lies in its file, or in anonymous memory as VMAs count it
 * (pgoff). A VMA that holds the index maps the page at start + (index - pgoff), if it maps it at
 * all: so the VMAs of all mms need to be asked, not their tables. Most pages are where their index
 * says when it is taken for an address; that is tried first.
 *
 * Source: mm/rmap.c of Linux 6.x, re-told; the kernel keeps trees of VMAs by index, the model looks
 * at all of them. */
#ifndef ARENITE_MODEL_RMAP_H
#define ARENITE_MODEL_RMAP_H

#include "model/mm_internal.h"

/* One entry that leads to a page. */
struct mapping {
    struct mm *mm;
    const struct vma *vma;
    vaddr address;
    page_entry *entry; /* of the page, or of the PMD that maps the huge page whole */
};

typedef void rmap_visit(const struct mapping *mapping, void *context);

/* Visits the entries that lead to any part of a folio (NULL: only counts); returns how many. */
uint32_t rmap_walk(struct machine *machine, struct pfn head, rmap_visit *visit, void *context);

#endif
