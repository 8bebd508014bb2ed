/* reclaim.h - giving everything back that is free and within reach.
 * Layer: thread (includes slab, chunk and below). */
#ifndef ARENITE_THREAD_RECLAIM_H
#define ARENITE_THREAD_RECLAIM_H

#include "thread/thread.h"

struct reclaimed {
    bool any;   /* something let go of memory: a request that was refused may be served now */
    bool pages; /* memory went back to the kernel */
};

/* What this thread freed of others' and they of this one's, its lists, cached blocks and empty
 * slabs, the depot's, pages between slots in use, all that page heaps and arenas keep. pad_bytes
 * stay at the end of each arena. Inside an operation that waits for locks, and holds none. */
struct reclaimed thread_reclaim(struct thread *thread, size_t pad_bytes);

#endif
