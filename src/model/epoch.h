/* epoch.h - deferred freeing: what readers without locks may still look at is not reused.
 * Layer: model (includes only base).
 *
 * A reader brackets its look at a shared structure by epoch_enter and epoch_exit. The writer first
 * unlinks an object, then retires it; it is given back once every reader that could have found it
 * has left. What RCU is in the kernel, with the readers' presence written down instead of inferred
 * from context switches.
 *
 *      epoch    7         8             9            a reader shows the epoch it entered in, or 0
 *      writer   unlink A | advance      | give A     A is retired in epoch 7: it waits for readers
 *      reader      [ 7 ........ ]                    that show 7 or less, not for those that came
 *      reader                [ 8 ............ ]      later and cannot find A any more
 *
 * I1: an object retired in epoch e is given back only when no reader shows 1 .. e.
 *
 * Memory order. A reader stores its epoch, fences (seq_cst), then loads pointers (acquire); the
 * writer unlinks (release), fences (seq_cst), then loads the readers' epochs (acquire). Of the two
 * fences one comes first in their single order: either the writer sees the reader, or the reader
 * sees the unlink. epoch_exit stores 0 (release), so that all that a reader did precedes the reuse.
 * A reader that shows a later epoch than e got it by an acquire load from the writer's release
 * store, which follows the unlink.
 *
 * One writer at a time: callers serialise retiring, and adding and removing readers. */
#ifndef ARENITE_MODEL_EPOCH_H
#define ARENITE_MODEL_EPOCH_H

#include "base/compiler.h"

/* One reading thread. Padded, not aligned, so that it may lie anywhere: entering must not disturb
 * other readers. */
struct epoch_reader {
    char apart_before[CACHE_LINE_BYTES];
    uint64_t entered; /* the epoch, or 0: outside */
    struct epoch_reader *next;
    char apart_after[CACHE_LINE_BYTES];
};

/* What readers of several structures share. */
struct epoch_domain {
    char apart_before[CACHE_LINE_BYTES];
    uint64_t current; /* from 1 */
    struct epoch_reader *readers;
    char apart_after[CACHE_LINE_BYTES];
};

/* The first word of an object that was retired. */
struct epoch_item {
    struct epoch_item *next;
};

typedef void (*epoch_give)(void *context, struct epoch_item *item);

/* Retired objects of one kind: those of the current epoch, and those of an earlier one. */
struct epoch_limbo {
    struct epoch_domain *domain;
    epoch_give give;
    void *context;
    struct epoch_item *open;    /* retired since the last advance */
    struct epoch_item *waiting; /* retired before, in waiting_epoch or earlier */
    uint64_t waiting_epoch;
    size_t open_count;
};

/* How many objects gather before the writer looks at the readers. */
#define EPOCH_BATCH 64

void epoch_domain_init(struct epoch_domain *domain);
void epoch_reader_add(struct epoch_domain *domain, struct epoch_reader *reader);

/* The reader must be outside. */
void epoch_reader_remove(struct epoch_domain *domain, struct epoch_reader *reader);

INLINE void epoch_enter(const struct epoch_domain *domain, struct epoch_reader *reader) {
    uint64_t current = __atomic_load_n(&domain->current, __ATOMIC_ACQUIRE);
    __atomic_store_n(&reader->entered, current, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

INLINE void epoch_exit(struct epoch_reader *reader) {
    __atomic_store_n(&reader->entered, 0, __ATOMIC_RELEASE);
}

void epoch_limbo_init(struct epoch_limbo *limbo, struct epoch_domain *domain, epoch_give give,
                      void *context);

/* Gives an unlinked object back, now when the domain has no readers, else later. */
void epoch_retire(struct epoch_limbo *limbo, struct epoch_item *item);

/* Gives back what no reader can see any more; true when nothing is left. */
bool epoch_collect(struct epoch_limbo *limbo);

/* Waits for readers until nothing is left. The caller must not be inside. */
void epoch_drain(struct epoch_limbo *limbo);

#endif
