/* guards.h - sample_guards=1/N: guarded blocks set up, and what is said when one is misused.
 * Layer: api (includes thread and below). */
#ifndef ARENITE_API_GUARDS_H
#define ARENITE_API_GUARDS_H

#include "base/compiler.h"

/* After the options are read, before the first allocation: makes the pool and watches faults, if
 * blocks are to be guarded. */
void guards_start(void);

#endif
