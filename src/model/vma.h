/* vma.h - one mapping of the modelled process: a range of addresses with the same properties.
 * Layer: model (includes base).
 *
 * The range belongs to the index: once a VMA is in it, start and end change by vma_index_* calls
 * only, and readers beside a writer may look at them meanwhile. Everything else is the mm's.
 *
 * The links are those of the red-black tree and list that the kernel kept before 6.1; under the
 * maple tree they lie idle, as a VMA there knows nothing of the tree it is in. */
#ifndef ARENITE_MODEL_VMA_H
#define ARENITE_MODEL_VMA_H

#include "model/address.h"
#include "model/epoch.h"

struct vma;
struct model_file;

/* A VMA's place in the red-black tree and in the list of all VMAs by address. 48 bytes, as in the
 * kernel on 64 bits: tree links 24, gap 8, list links 16. */
struct vma_rb_links {
    struct vma *child[2];       /* lower and higher addresses */
    uintptr_t parent_and_color; /* bit 0: the VMA is black */
    struct vma *previous;       /* by address; NULL: the first */
    struct vma *next;
    uint64_t subtree_gap_bytes; /* the largest gap that lies right below a VMA of this subtree */
};

_Static_assert(sizeof(void *) != 8 || sizeof(struct vma_rb_links) == 48,
               "the bytes per VMA that the comparison of the indexes counts");

struct vma {
    /* ---- the index writes these ---- */
    vaddr start; /* [start, end), multiples of the page size, start < end */
    vaddr end;
    union {
        struct vma_rb_links links;
        struct epoch_item retired; /* out of a maple tree, with readers that may still look */
    };

    /* ---- the mm writes these ---- */
    uint64_t flags;          /* permissions and properties, visible and invisible */
    uint64_t pgoff;          /* offset in the file, or of anonymous memory, in pages */
    uint64_t anon;           /* identity of its anon_vma; 0: no page was ever written */
    uint32_t anon_chain;     /* anon_vmas it is linked to; above 1: inherited at a fork */
    struct model_file *file; /* what is mapped; NULL: private anonymous memory */
};

/* What the kernel's own takes, with fields that the model does not need. */
#define VMA_OBJECT_BYTES ((size_t)192)
_Static_assert(sizeof(struct vma) <= VMA_OBJECT_BYTES, "a VMA fits its slab object");

#endif
