/* vma_index_internal.h - what the implementations of the index share among themselves.
 * Layer: model (includes base). */
#ifndef ARENITE_MODEL_VMA_INDEX_INTERNAL_H
#define ARENITE_MODEL_VMA_INDEX_INTERNAL_H

#include "model/vma_index.h"

/* What both kinds begin with: empty, and nobody known to it. */
void vma_index_init(struct vma_index *index, const struct vma_index_ops *ops);

/* Readers beside a writer may look: each bound is one store. */
INLINE void vma_set_range(struct vma *vma, vaddr start, vaddr end) {
    __atomic_store_n(&vma->start, start, __ATOMIC_RELAXED);
    __atomic_store_n(&vma->end, end, __ATOMIC_RELAXED);
}

/* NULL, or the first broken relation of tree, list and gaps. */
const char *vma_rbtree_audit(const struct vma_index *index);

#endif
