/* zero.h - blocks of no bytes: addresses that trap.
 * Layer: hardened (includes thread and below).
 *
 * malloc(0) returns one of 65,535 addresses in a stretch of address space without access. It
 * counts as a slab of 16-byte slots, with a record and marks but without memory, so that whoever
 * looks a pointer up finds it as any other slot. Addresses come again in the order in which they
 * were freed. When all are in use an ordinary slot serves.
 *
 * I1: an address is live by its mark, or waits in the list, or was never handed out.
 * Lock: LOCK_RANK_ZERO. */
#ifndef ARENITE_HARDENED_ZERO_H
#define ARENITE_HARDENED_ZERO_H

#include "slab/mark.h"

/* Never dereferenced: an owner that no thread is. */
#define zero_owner ((struct thread *)(void *)&zero_owner_mark)
extern char zero_owner_mark;

INLINE bool zero_owns(const struct slab *slab) {
    return LOAD_RELAXED(&slab->owner) == zero_owner;
}

/* An address, aligned to a power of two, whose mark the caller writes; NULL: none is left, or the
 * kernel refuses. A handler that interrupted an operation does not wait. Inside an operation. */
void *zero_alloc(size_t alignment, bool may_wait);

/* For an address whose mark says that it is free now. One that a handler cannot put into the list
 * is not handed out again. Inside an operation. */
void zero_free(void *address, bool may_wait);

/* In a forked child: what another thread was doing to the list is dropped with it. */
void zero_fork_child(void);
/* After an operation of this thread that was left. */
void zero_recover(void);

/* NULL when I1 holds, else what is broken. */
const char *zero_audit(void);

#endif
