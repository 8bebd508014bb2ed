/* operation.h - what the slow operations of a thread share: the entry mark, the caller's lists.
 * Layer: thread (includes chunk and below). Used by this layer and by api. */
#ifndef ARENITE_THREAD_OPERATION_H
#define ARENITE_THREAD_OPERATION_H

#include "thread/thread.h"

/* Marks the thread as inside a slow operation. False when it already was: a signal handler
 * interrupted one, and nothing may be waited for. */
INLINE bool operation_enter(void) {
    bool outermost = thread_depth++ == 0;
    compiler_fence();
    return outermost;
}

INLINE void operation_leave(void) {
    compiler_fence();
    thread_depth--;
}

/* A block from this arena, or another if it cannot grow, past all lists; inside an operation. */
void *operation_alloc_in(struct arena *arena, size_t bytes);

#endif
