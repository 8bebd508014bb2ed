/* cache.h - free slots that a thread keeps at hand: a short list for each class.
 * Layer: thread (includes slab and below).
 *
 *   malloc <---- newest                            free ---> newest
 *                cache of the class:  slot -> slot -> slot -> slot -> end
 *                     ^ filled when empty                      | flushed when full: some go
 *                     |                                        v
 *                slab of the class  <--------- each slot's own slab
 *
 * The slot freed last is handed out first, whatever slab it lies in: its memory is warm, and no
 * slab has to be looked at. For its slab a cached slot is in use.
 *
 * What is freed into a full slab or the active one goes to the cache; what is freed into a partly
 * used one goes straight home: where many blocks are freed, most take the short way.
 *
 * How many a cache holds is learnt. Full, with twice its limit, it sends all home; most lie in
 * a few slabs, whose lists take them as the chains they are; when it must be
 * filled again after that, the limit doubles: those would have been wanted, as far as the thread's
 * share of what all caches together may have beyond the first limits goes. But when more was sent
 * than any cache may hold, because a program let go of much at once, the limit is what it was at
 * first: what does not fit had better take the short way.
 *
 * A cache of small slots is filled with the whole list of a slab. That may be more than its limit;
 * then the newest go home as more come.
 *
 * A larger slot of another thread's slab stays in the cache, too, of a thread that uses its class:
 * threads that exchange blocks then live on what they free, and nothing waits for an owner that
 * sleeps. Small ones go home in batches, or all that a thread frees would soon be others'.
 *
 * I1: what is in a cache belongs to its class; whose slab it lies in does not matter.
 * I2: the number of slots in a cache is top - until.
 * I3: raised_bytes is the sum of what the limits are above the first ones.
 * By the owner only. Source of the idea: the thread caches of tcmalloc. */
#ifndef ARENITE_THREAD_CACHE_H
#define ARENITE_THREAD_CACHE_H

#include "slab/slab.h"

struct thread;

#define CACHE_FOREIGN_FIRST SLAB_SMALL_CLASSES

INLINE size_t cache_count(const struct slot_list *cache) {
    return (size_t)(cache->top - cache->until);
}

/* Empties all caches of a state without a look at what they held. */
void caches_init(struct thread *thread);

/* A slot of the class, from its cache, which is filled if it is empty; NULL: there is no memory. */
void *cache_alloc(struct thread *thread, size_t class_index);

/* The cache is full: the older slots go to their slabs. */
void cache_flush(struct thread *thread, size_t class_index);

/* All slots of all caches go to their slabs. True when there were some. */
bool caches_flush(struct thread *thread);

/* Counts what the caches hold anew, when something may have been left half done. What cannot be
 * followed any more is lost. */
void caches_recount(struct thread *thread);

/* Whether the slot lies in any thread's cache of its class. Others may be at work in theirs: what
 * they take meanwhile is not found. */
bool caches_hold(const struct slab *slab, const struct slot *slot);

/* Slots in the thread's cache of a class; of any thread's, which may be running: then about so
 * many, never more than a cache can hold. */
size_t cache_count_of(const struct thread *thread, size_t class_index);

/* The first slot found that was written to; NULL: none. Looks at so many, and takes them off. */
const struct slot *caches_find_damage(const struct thread *thread, size_t *budget);

/* NULL when I1 to I3 hold, else the first broken one. */
const char *caches_audit(const struct thread *thread);

#endif
