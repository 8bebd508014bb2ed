/* recover.h - the heap after an operation that was never ended.
 * Layer: thread (includes chunk and below).
 *
 * A signal handler interrupted an operation of the thread and left it by siglongjmp, or ended the
 * thread. Whatever the operation held or was changing is found in the middle of it, at any
 * instruction. Locks say whose they are (os/lock.h), so that:
 *
 *   lock held by the operation   what it guards
 *   page map, metadata           whole, or short of one record: nothing to do
 *   table of mapped blocks       whole at every store, but for counters, which are counted anew
 *   page heaps                   made anew from the page map, as in a forked child
 *   depot                        slabs counted anew and listed again
 *   lists of threads, arenas     whole at every store
 *   an arena                     looked at: whole, it goes on; else it is set aside, as in a
 *                                forked child: its blocks stay, what is free in it is lost
 *   none, the thread's own       slabs counted anew and listed again, caches followed as far as
 *                                they lead, large blocks looked up in the table
 *
 * All of it leaves facts untouched that it reads, so that it can itself be left and begun again.
 *
 * I1: afterwards the thread holds no lock, and every structure keeps its invariants.
 * I2: no live block is touched, but the one that the operation was to free or resize.
 * I3: lost at most: that block; of each kind what was on its way (slots of a batch, a slab's span,
 *     the free chunks that were being given back); an arena's free memory. Lost slots and chunks
 *     count as in use. thread_losses says how often, and what was set aside. */
#ifndef ARENITE_THREAD_RECOVER_H
#define ARENITE_THREAD_RECOVER_H

#include "thread/thread.h"

struct thread_losses {
    size_t operations;  /* that were never ended */
    size_t arenas;      /* set aside for that reason */
    size_t arena_bytes; /* that these had from the kernel */
};

/* Over all threads, since the start. */
extern struct thread_losses thread_losses;

/* Whether an arena, whose lock is held, keeps its invariants; NULL: nobody can tell. */
extern bool (*recover_arena_is_sound)(struct arena *arena);

/* What layers above keep under locks of theirs; NULL: nothing. */
extern void (*recover_above)(void);

/* By a thread none of whose operations is live. */
void thread_recover(void);

#endif
