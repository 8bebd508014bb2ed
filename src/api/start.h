/* start.h - the library's beginning: once per process, at the first slow operation.
 * Layer: api (includes thread and below).
 *
 * Any entry point may be called before the library's constructor runs: by the loader, by other
 * libraries' constructors, in a static program by libc itself. The fast paths need no beginning:
 * the static state of an unattached thread makes them miss. Every slow path that allocates calls
 * start_ensure. The beginning itself may allocate (libc's tables of fork handlers grow by malloc):
 * the thread that runs it is served, others wait for its end. */
#ifndef ARENITE_API_START_H
#define ARENITE_API_START_H

#include "base/compiler.h"

extern uint32_t start_is_done;

/* Runs the beginning, or waits for the thread that runs it. */
COLD void start_now(void);

INLINE void start_ensure(void) {
    if (UNLIKELY(__atomic_load_n(&start_is_done, __ATOMIC_ACQUIRE) == 0)) {
        start_now();
    }
}

#endif
