/* vma_index.c - what both indexes have in common: their beginning, their readers.
 * Layer: model (includes base). */
#include "model/vma_index_internal.h"

void vma_index_init(struct vma_index *index, const struct vma_index_ops *ops) {
    *index = (struct vma_index){.ops = ops};
    epoch_domain_init(&index->domain);
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    /* As in the kernel, a writer that waits goes before readers that come later. */
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&index->lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
}

void vma_index_reader_add(struct vma_index *index, struct epoch_reader *reader) {
    if (!index->ops->readers_lock) {
        epoch_reader_add(&index->domain, reader);
    }
}

void vma_index_reader_remove(struct vma_index *index, struct epoch_reader *reader) {
    if (!index->ops->readers_lock) {
        epoch_reader_remove(&index->domain, reader);
    }
}
