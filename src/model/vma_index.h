/* vma_index.h - where the VMAs of an mm are: one interface, two implementations.
 * Layer: model (includes base).
 *
 *   vma_rbtree  red-black tree with the gaps below + list by address: Linux before 6.1
 *   vma_maple   maple tree, a B-tree of ranges with the gaps in them:  Linux since 6.1
 *
 * Both answer every question alike; the choice is made once, at vma_index_init. Ranges are
 * [start, end), VMAs do not overlap, and the whole of [0, 2^64 - 1) can be mapped.
 *
 * A change either happens or leaves everything as it was: -ENOMEM, when nodes run out, is the only
 * failure. Nothing here merges, splits by itself or knows flags: that is the mm's.
 *
 * Callers serialise changes. Readers beside a writer: see vma_index_read_begin. */
#ifndef ARENITE_MODEL_VMA_INDEX_H
#define ARENITE_MODEL_VMA_INDEX_H

#include "model/maple_tree.h"
#include "model/vma.h"

#include <pthread.h>

struct vma_index;
struct vma_walk;

/* What an implementation provides; each entry does what the function vma_index_ENTRY says. */
struct vma_index_ops {
    const char *name;  /* "rbtree" or "maple" */
    bool readers_lock; /* else they are known to the domain only */
    void (*destroy)(struct vma_index *index);
    struct vma *(*find)(const struct vma_index *index, vaddr address);
    struct vma *(*find_last)(const struct vma_index *index, vaddr address);
    struct vma *(*lookup)(const struct vma_index *index, vaddr address);
    struct vma *(*next)(const struct vma_index *index, const struct vma *vma);
    struct vma *(*previous)(const struct vma_index *index, const struct vma *vma);
    void (*walk_start)(struct vma_walk *walk, vaddr address);
    struct vma *(*walk_next)(struct vma_walk *walk);
    int (*insert)(struct vma_index *index, struct vma *vma);
    int (*erase)(struct vma_index *index, struct vma *vma);
    int (*resize)(struct vma_index *index, struct vma *vma, vaddr start, vaddr end);
    int (*shift)(struct vma_index *index, struct vma *left, struct vma *right, vaddr at);
    int (*split)(struct vma_index *index, struct vma *vma, vaddr at, struct vma *upper);
    vaddr (*gap_bottom_up)(const struct vma_index *index, const struct gap_request *request);
    vaddr (*gap_top_down)(const struct vma_index *index, const struct gap_request *request);
    size_t (*bytes)(const struct vma_index *index);
    const char *(*audit)(const struct vma_index *index);
};

struct vma_index {
    const struct vma_index_ops *ops;
    size_t count;     /* VMAs in the index: map_count */
    struct vma *root; /* rbtree: the top of the tree */
    struct maple_tree maple;
    struct epoch_domain domain; /* maple: its readers without locks */
    pthread_rwlock_t lock;      /* one writer; rbtree: or readers */
};

/* A way through the VMAs by address, upwards; changes of the index end it. */
struct vma_walk {
    const struct vma_index *index;
    struct vma *at; /* rbtree: the next one */
    struct maple_walk maple;
};

/* Make an empty index of one kind. The maple tree takes its nodes of MAPLE_NODE_BYTES, aligned to
 * as many, from a source. An index does not move in memory. */
void vma_index_init_rbtree(struct vma_index *index);
void vma_index_init_maple(struct vma_index *index, struct object_source *nodes);

/* Frees what the index took for itself; the VMAs stay the caller's. */
INLINE void vma_index_destroy(struct vma_index *index) {
    index->ops->destroy(index);
}

/* ---- questions ----------------------------------------------------------------------------- */

/* The VMA that holds the address, else the next one above it, else NULL: the lowest with
 * end > address. */
INLINE struct vma *vma_index_find(const struct vma_index *index, vaddr address) {
    return index->ops->find(index, address);
}

/* The VMA that holds the address, else the next one below it, else NULL: the highest with
 * start <= address. */
INLINE struct vma *vma_index_find_last(const struct vma_index *index, vaddr address) {
    return index->ops->find_last(index, address);
}

/* The VMA that holds the address, or NULL. */
INLINE struct vma *vma_index_lookup(const struct vma_index *index, vaddr address) {
    return index->ops->lookup(index, address);
}

/* The neighbours of a VMA of the index by address, adjacent or not; NULL at the ends. */
INLINE struct vma *vma_index_next(const struct vma_index *index, const struct vma *vma) {
    return index->ops->next(index, vma);
}

INLINE struct vma *vma_index_previous(const struct vma_index *index, const struct vma *vma) {
    return index->ops->previous(index, vma);
}

INLINE struct vma *vma_index_first(const struct vma_index *index) {
    return index->ops->find(index, 0);
}

INLINE struct vma *vma_index_last(const struct vma_index *index) {
    return index->ops->find_last(index, VADDR_NONE);
}

/* Goes through the VMAs from the one that vma_index_find gives; quicker than vma_index_next. */
INLINE void vma_walk_start(struct vma_walk *walk, const struct vma_index *index, vaddr address) {
    walk->index = index;
    index->ops->walk_start(walk, address);
}

/* The next VMA, or NULL at the end. */
INLINE struct vma *vma_walk_next(struct vma_walk *walk) {
    return walk->index->ops->walk_next(walk);
}

/* The lowest or the highest address that satisfies the request, or VADDR_NONE. */
INLINE vaddr vma_index_gap_bottom_up(const struct vma_index *index,
                                     const struct gap_request *request) {
    return index->ops->gap_bottom_up(index, request);
}

INLINE vaddr vma_index_gap_top_down(const struct vma_index *index,
                                    const struct gap_request *request) {
    return index->ops->gap_top_down(index, request);
}

INLINE size_t vma_index_count(const struct vma_index *index) {
    return index->count;
}

/* Bytes that the index costs beside the VMAs themselves: nodes, or links inside the VMAs. */
INLINE size_t vma_index_bytes(const struct vma_index *index) {
    return index->ops->bytes(index);
}

/* Recounts everything; NULL, or the first broken invariant. */
INLINE const char *vma_index_audit(const struct vma_index *index) {
    return index->ops->audit(index);
}

/* ---- readers beside a writer ---------------------------------------------------------------
 *
 * Needed only where several threads use one index. A writer brackets each change; a reader makes
 * itself known once, brackets each look and uses no VMA that it found after its end. Between
 * begin and end:
 *
 *   rbtree  readers and the writer wait for each other: what is found is exact until the end
 *   maple   nobody waits. vma_index_lookup gives what held the address at one moment of the call;
 *           find, find_last and walks may miss what comes into a gap they already passed. The VMA
 *           may be out of the index meanwhile, or its range another: a caller who needs it to
 *           hold looks again with the writer kept out, as page faults do in the kernel.
 *
 * VMAs that were erased are not freed but retired: epoch_retire with a limbo on index->domain. */

/* The caller is a writer, or the only one. */
void vma_index_reader_add(struct vma_index *index, struct epoch_reader *reader);
void vma_index_reader_remove(struct vma_index *index, struct epoch_reader *reader);

INLINE void vma_index_read_begin(struct vma_index *index, struct epoch_reader *reader) {
    if (index->ops->readers_lock) {
        pthread_rwlock_rdlock(&index->lock);
    } else {
        epoch_enter(&index->domain, reader);
    }
}

INLINE void vma_index_read_end(struct vma_index *index, struct epoch_reader *reader) {
    if (index->ops->readers_lock) {
        pthread_rwlock_unlock(&index->lock);
    } else {
        epoch_exit(reader);
    }
}

INLINE void vma_index_write_begin(struct vma_index *index) {
    pthread_rwlock_wrlock(&index->lock);
}

INLINE void vma_index_write_end(struct vma_index *index) {
    pthread_rwlock_unlock(&index->lock);
}

/* ---- changes: 0, or -ENOMEM with nothing changed ------------------------------------------- */

/* Puts a VMA in at its [start, end), which must be free. */
INLINE int vma_index_insert(struct vma_index *index, struct vma *vma) {
    return index->ops->insert(index, vma);
}

/* Takes a VMA out; its range is free then. */
INLINE int vma_index_erase(struct vma_index *index, struct vma *vma) {
    return index->ops->erase(index, vma);
}

/* Gives a VMA another range, which overlaps the old one. VMAs wholly inside the new range leave
 * the index in the same step (a VMA that absorbs its neighbours); none may be partly inside. */
INLINE int vma_index_resize(struct vma_index *index, struct vma *vma, vaddr start, vaddr end) {
    return index->ops->resize(index, vma, start, end);
}

/* Moves the border between two adjacent VMAs, left.end == right.start, to another address strictly
 * inside the two. */
INLINE int vma_index_shift(struct vma_index *index, struct vma *left, struct vma *right, vaddr at) {
    return index->ops->shift(index, left, right, at);
}

/* Cuts [at, end) off a VMA and puts `upper`, which is in no index, there; writes its range. */
INLINE int vma_index_split(struct vma_index *index, struct vma *vma, vaddr at, struct vma *upper) {
    return index->ops->split(index, vma, at, upper);
}

#endif
