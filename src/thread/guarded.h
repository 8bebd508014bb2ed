/* guarded.h - guarded blocks (pages/guard.h) as blocks of a thread: found and freed.
 * Layer: thread (includes pages and below). */
#ifndef ARENITE_THREAD_GUARDED_H
#define ARENITE_THREAD_GUARDED_H

#include "thread/thread.h"

/* What an address of the pool is. */
struct block guarded_find(void *memory);

/* Frees a live one. One beside which something was written is reported, and stays as it is. */
COLD void guarded_free(void *memory);

#endif
