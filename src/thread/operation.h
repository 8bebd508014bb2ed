/* operation.h - what the slow operations of a thread share: the entry mark, the caller's lists.
 * Layer: thread (includes chunk and below). Used by this layer and by api. */
#ifndef ARENITE_THREAD_OPERATION_H
#define ARENITE_THREAD_OPERATION_H

#include "thread/thread.h"

/* Marks the thread as inside a slow operation: until the end both fast paths miss, since the state
 * is not whole. False when it already was: a signal handler interrupted one, and nothing may be
 * waited for. */
INLINE bool operation_enter(void) {
    bool outermost = thread_depth++ == 0;
    thread_current = &thread_none;
    compiler_fence();
    return outermost;
}

INLINE void operation_leave(void) {
    compiler_fence();
    if (--thread_depth == 0) {
        compiler_fence();
        thread_current = __atomic_load_n(&thread_own->view, __ATOMIC_RELAXED);
    }
}

/* Tells the listener of a detoured thread. */
COLD void operation_tell(enum thread_event event, void *memory, size_t bytes);
INLINE void operation_event(enum thread_event event, void *memory, size_t bytes) {
    if (UNLIKELY(thread_current == &thread_none)) {
        operation_tell(event, memory, bytes);
    }
}

/* Puts a slot that nobody uses any more where its slab's frees go; inside an operation that
 * interrupted no other, and inside one that did. */
void operation_release_slot(struct thread *thread, struct slab *slab, struct slot *slot);
void operation_release_slot_reentrant(struct slab *slab, struct slot *slot);

/* A block from this arena, or another if it cannot grow, past all lists; inside an operation. */
void *operation_alloc_in(struct arena *arena, size_t bytes);

#endif
