/* quarantine.h - freed slots that are kept from being handed out again for a while.
 * Layer: thread (includes slab and below).
 *
 *      free ---> place chosen by chance ---> whoever was there goes to its slab
 *                | slot | slot | slot | ... | slot |
 *
 * Slots here are all zeros, tag and links too: whoever writes to one is found out when it leaves,
 * or when it is handed out again (hardened/block.h). How long one stays nobody can tell, so that
 * the order in which memory comes back is not the program's to choose.
 *
 * All threads' quarantines share one number of bytes (the option quarantine), equal parts.
 *
 * I1: places [0, count) hold slots, all others NULL; bytes is the sum of their sizes.
 * I2: a slot that is here is marked as freed, and in use for its slab.
 * By the owner, inside an operation that interrupted no other. */
#ifndef ARENITE_THREAD_QUARANTINE_H
#define ARENITE_THREAD_QUARANTINE_H

#include "os/chance.h"
#include "slab/slab.h"

struct thread;

#define QUARANTINE_PLACES 256u
#define QUARANTINE_DEFAULT_BYTES ((size_t)1024 * 1024)

struct quarantine {
    size_t bytes;
    struct chance chance;
    uint32_t count;
    struct slot *places[QUARANTINE_PLACES];
};

/* What all threads together may keep; the option's value. */
extern size_t quarantine_all_bytes;

/* Takes a slot in. What has to leave for it goes to its slab: perhaps that slot itself. */
void quarantine_put(struct thread *thread, struct slab *slab, struct slot *slot);

/* All leave. True when there were some. */
bool quarantine_flush(struct thread *thread);

/* Bytes in a thread's quarantine, which may be running. */
size_t quarantine_bytes_of(const struct thread *thread);
size_t quarantine_count_of(const struct thread *thread);

/* The thread is not in this forked child: what it kept is lost. */
void quarantine_abandon(struct thread *thread);

/* Counts anew what a step that was never ended left. What cannot be told is lost. */
void quarantine_recount(struct thread *thread);

/* NULL when I1 and I2 hold, else the first broken one. */
const char *quarantine_audit(const struct thread *thread);

#endif
