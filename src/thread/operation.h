/* operation.h - what the slow operations of a thread share: the entry mark, the caller's lists.
 * Layer: thread (includes chunk and below). Used by this layer and by api.
 *
 * The mark lies in the frame of the function that runs the operation; thread_operation leads to the
 * innermost one. A signal handler that interrupts one and calls in again finds the mark, and is
 * served without waiting for anything its own thread may hold.
 *
 * A handler may also never return: it leaves the operation by siglongjmp, by pthread_exit, or by a
 * C++ exception. The next operation of the thread finds the mark, too, and must tell the two cases
 * apart. An operation is over, whatever its mark says, when one of these holds:
 *
 *   overlap    the new mark lies where the old one was: memory of a live frame is not reused
 *   overwritten  the old mark is not what was written there, or no longer readable
 *   above      both lie on the stack that libc gave the thread, the new one above the old: the
 *              calls in between have returned, or were jumped over
 *
 * The first two hold on any stack. The third is asked only of the thread's own stack, so that
 * neither alternate signal stacks nor coroutines can be taken for it. Until one of them holds, the
 * thread is served as a handler is: slowly, but soundly. What happens then: recover.h.
 *
 * I1: thread_operation is NULL outside operations, and leads to the innermost mark inside;
 *     thread_outermost to the outermost one then.
 * I2: only the outermost live operation waits for locks or touches the thread's lists. */
#ifndef ARENITE_THREAD_OPERATION_H
#define ARENITE_THREAD_OPERATION_H

#include "thread/thread.h"

#define OPERATION_SEALS 4

struct operation {
    struct operation *outer;         /* that it interrupted; NULL: none */
    uint32_t seals[OPERATION_SEALS]; /* what must stand here while it lives */
};

INLINE uint32_t operation_seal(const struct operation *operation) {
    return (uint32_t)(uintptr_t)operation ^ UINT32_C(0x5ea1ed00);
}

/* For an operation that finds another one's mark: the innermost one that is not over; NULL when
 * all are, and what they left has been put in order. */
COLD struct operation *operation_find_live(struct operation *operation);

/* The outermost one ends, or its thread, and there are marks of others, which are over. */
COLD void operation_end_others(void);

/* Marks the thread as inside a slow operation: until the end both fast paths miss, since the state
 * is not whole. False when it already was: a signal handler interrupted one, and nothing may be
 * waited for. */
INLINE bool operation_enter(struct operation *operation) {
    struct operation *outer = thread_operation;
    if (UNLIKELY(outer != NULL)) {
        outer = operation_find_live(operation);
    }
    operation->outer = outer;
    for (size_t i = 0; i < OPERATION_SEALS; i++) {
        operation->seals[i] = operation_seal(operation);
    }
    if (outer == NULL) {
        thread_outermost = operation;
    }
    compiler_fence();
    thread_operation = operation;
    thread_current = &thread_none;
    compiler_fence();
    return outer == NULL;
}

INLINE void operation_leave(struct operation *operation) {
    compiler_fence();
    if (operation->outer == NULL) {
        if (UNLIKELY(thread_operation != operation)) {
            operation_end_others();
        }
        thread_operation = NULL;
        compiler_fence();
        thread_current = __atomic_load_n(&thread_own->view, __ATOMIC_RELAXED);
    } else {
        thread_operation = operation->outer;
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
