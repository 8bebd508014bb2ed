/* sample.h - which allocations get a guarded page (pages/guard.h): about one in guard_interval.
 * Layer: thread (includes slab and below).
 *
 * Fast paths count nothing. What they hand out comes from a cache, which was filled by the slow
 * path; so that counts slots when it fills, and fills no further than to the sampled allocation:
 *
 *   fill: 64 slots, 900 left -> 836     ...     fill: 64 slots, 20 left -> the cache gets 20
 *                                               it is empty: the next allocation is the one
 *
 * For this each slot in a cache must be handed out once for each fill. So a thread that samples a
 * class puts nothing that it frees into its cache: all goes to the slab it lies in.
 *
 * Intervals are random, without memory, so that no rhythm of a program escapes; each class of each
 * thread has its own. Classes above a page are not sampled, nor is anything where slabs are off.
 * By the owner only, inside an operation. */
#ifndef ARENITE_THREAD_SAMPLE_H
#define ARENITE_THREAD_SAMPLE_H

#include "thread/thread.h"

struct sampler {
    uint64_t random;
    size_t classes;              /* the classes below are sampled */
    uint32_t left[SLAB_CLASSES]; /* allocations before the next sampled one */
};

/* A cache is filled with so many slots, in so many bytes, where a slab can give them: it is filled
 * more often than without samples. */
#define SAMPLE_FILL_SLOTS 16
#define SAMPLE_FILL_BYTES ((size_t)16 * 1024)

/* The thread counts what its cache of the class hands out. */
INLINE bool sample_counts(const struct thread *thread, size_t class_index) {
    return UNLIKELY(thread->sampler != NULL) && class_index < thread->sampler->classes;
}

/* For a thread that begins: a sampler if the process samples. */
void sample_attach(struct thread *thread);

/* The next allocation of the class is sampled. */
INLINE bool sample_is_due(const struct thread *thread, size_t class_index) {
    return sample_counts(thread, class_index) && thread->sampler->left[class_index] == 0;
}

/* A guarded block of zeros for an allocation that is due; NULL: it goes on as any other. */
COLD void *sample_take(struct thread *thread, size_t class_index, size_t alignment, size_t bytes);

/* How many slots of `most` a cache may have; and that it has them now. */
INLINE size_t sample_limit(const struct thread *thread, size_t class_index, size_t most) {
    if (!sample_counts(thread, class_index)) {
        return most;
    }
    size_t left = thread->sampler->left[class_index];
    return left > most ? most : left > 0 ? left : 1;
}

INLINE void sample_count(struct thread *thread, size_t class_index, size_t slots) {
    if (sample_counts(thread, class_index)) {
        uint32_t *left = &thread->sampler->left[class_index];
        *left -= *left < slots ? *left : (uint32_t)slots;
    }
}

#endif
