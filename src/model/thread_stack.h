/* thread_stack.h - thread stacks as the C library makes, keeps and reuses them.
 * Layer: model (includes base and the buddy core).
 *
 *   base                                                              base + size
 *   | guard, 1 page, --- | stack, rw-, grows down ... | frames | TLS | struct pthread |
 *
 * A block is mapped without access and all but its guard made accessible. When its thread has
 * ended, all but its upper 24 KiB is dropped and it waits in a cache, the newest first; a new
 * thread takes the smallest block that is large enough and at most four times as large. When more
 * than 40 MiB wait, the oldest are unmapped. Measured on glibc 2.36. */
#ifndef ARENITE_MODEL_THREAD_STACK_H
#define ARENITE_MODEL_THREAD_STACK_H

#include "model/mm.h"

#define THREAD_STACK_MIN_BYTES ((uint64_t)16384)
#define THREAD_STACK_DEFAULT_BYTES ((uint64_t)8 << 20)
#define THREAD_CACHE_BYTES ((uint64_t)40 << 20)
#define THREAD_KEPT_BYTES ((uint64_t)24576)
#define THREADS_MAX 256

struct thread_stack {
    vaddr base;
    uint64_t bytes; /* guard included; 0: an unused record */
    bool in_use;
    uint64_t freed; /* when it came into the cache: larger is newer */
};

/* All stacks of one process. */
struct thread_stacks {
    struct thread_stack stacks[THREADS_MAX];
    uint64_t cached_bytes;
    uint64_t frees;
};

/* Makes or takes a stack for a thread with so much room (THREAD_STACK_DEFAULT_BYTES by default) and
 * starts the thread, which touches use_bytes below its first frame: *signal tells when that reached
 * the guard. 0, -EINVAL below the smallest
 * size, -EAGAIN when there is no memory. */
int thread_start(struct mm *mm, struct thread_stacks *threads, uint64_t room_bytes,
                 uint64_t use_bytes, struct thread_stack **result, enum fault_signal *signal);

/* The thread has ended and was joined. */
void thread_join(struct mm *mm, struct thread_stacks *threads, struct thread_stack *stack);

#endif
