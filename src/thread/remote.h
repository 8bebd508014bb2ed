/* remote.h - frees of slots that belong to another thread, sent home in batches.
 * Layer: thread (includes slab and below).
 *
 *   freeing thread                                  owner
 *   outgoing[way]: slot -> slot -> ... --one CAS--> inbox: slot -> slot -> ... --one exchange-->
 *                                                                            each into its slab
 *
 * A thread collects slots by owner and sends a batch when it holds REMOTE_BATCH_BYTES, when
 * another owner needs its place, or when it ends. The owner takes all at once when a class runs out
 * of slots. While it travels a slot is live for its slab, marked free (a second free is noticed),
 * and linked by its second word.
 *
 * Ends and hand-overs. States are type-stable, so a batch may arrive at a state whose thread has
 * ended, or that another thread uses now:
 *   - an ending thread exchanges its inbox for REMOTE_CLOSED, frees what it held, and gives its
 *     slabs to the depot, all under the depot's lock;
 *   - a sender that finds CLOSED takes that lock, so that the end is over, and sends each slot to
 *     whoever owns its slab then: the depot (freed under the lock) or another thread;
 *   - an owner that collects looks at each slot's slab: what is not its own it sends on.
 *
 * Memory order: the sender's CAS releases what the slot's last user wrote; the exchange acquires
 * it. slab->owner is loaded relaxed: it can only be the caller's own state if the caller itself
 * stored it, and any other value leads here, where a stale one costs a detour but no harm. The
 * depot's lock orders every change of owner.
 * I1: a slot is in its slab's list, or live, or in exactly one batch or inbox.
 * I2: at most OUTGOING_WAYS * REMOTE_BATCH_BYTES wait in one thread's batches.
 * I3: beyond REMOTE_WAITING_BYTES that were left for REMOTE_SLEEP_MS, and beyond
 *     REMOTE_WAITING_MOST_BYTES at once, slots of REMOTE_LARGE_BYTES and more wait in an inbox
 *     without the whole pages inside of them. */
#ifndef ARENITE_THREAD_REMOTE_H
#define ARENITE_THREAD_REMOTE_H

#include "thread/thread.h"

#define REMOTE_BATCH_BYTES ((size_t)16 * 1024)
#define REMOTE_CLOSED ((struct slot *)1)
/* What may wait in an inbox with all its pages, and from which size on slots wait without. */
#define REMOTE_WAITING_BYTES ((size_t)1024 * 1024)
#define REMOTE_WAITING_MOST_BYTES ((size_t)32 * 1024 * 1024)
#define REMOTE_SLEEP_MS 20u
#define REMOTE_LARGE_BYTES ((size_t)8 * 1024)

/* Slots that a handler could send to nobody: their slab is the depot's, whose lock may be held by
 * the flow that was interrupted. */
extern struct slot *remote_unsent;

/* Frees a slot of a slab that `thread` does not own; it was checked and marked travelling. */
void remote_free(struct thread *thread, struct slab *slab, struct slot *slot);

/* The same in a signal handler that interrupted a slow operation: takes no lock and touches no
 * batch. What no inbox takes waits for the next thread that collects. */
void remote_free_reentrant(struct slab *slab, struct slot *slot);

/* Whether others sent something, or somebody could send nobody something. */
INLINE bool remote_has_mail(const struct thread *thread) {
    return LOAD_RELAXED(&thread->inbox) != NULL || LOAD_RELAXED(&remote_unsent) != NULL;
}

/* Frees what others sent; true when there was something. */
bool remote_collect(struct thread *thread);

/* Sends all batches. */
void remote_flush(struct thread *thread);

/* Opens the inbox of a state that a thread begins to use. */
void remote_open(struct thread *thread);

/* The thread ends: sends its batches, closes the inbox, gives its slabs away. */
void remote_close(struct thread *thread);

/* After an operation of this thread that was left: sends what it had taken out of the inbox, and
 * counts anew. */
void remote_recover(struct thread *thread);

/* In a forked child: drops the batches and closes the inbox of a thread that is not here. */
void remote_abandon(struct thread *thread);

#endif
