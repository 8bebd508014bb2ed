/* foreign.h - pointers that are no live blocks of ours.
 * Layer: api (includes thread and below).
 *
 * Where libc's own malloc is in the process too (the shared library), a module bound to it
 * directly (dlopen with RTLD_DEEPBIND) may hand its blocks to us. They are passed on to libc, with
 * one line per process that names the module, if libc's heap has ever been used and the pointer can
 * be its: aligned, in no loaded file, not on the stack, not in or lately of a mapped block of ours.
 * libc is asked, nothing is read at the pointer. Every other pointer is an error of the program's,
 * and is reported (os/report.h).
 *
 * All of this is cold. */
#ifndef ARENITE_API_FOREIGN_H
#define ARENITE_API_FOREIGN_H

#include "thread/thread.h"

/* For a block of kind FOREIGN, FREED or INVALID: reports the last two, and the first unless it can
 * be libc's. What was reported is of kind INVALID afterwards. `operation` is what the program
 * called, "free". */
COLD void foreign_settle(const char *operation, struct block *block);

/* For a pointer that is still of kind FOREIGN then. */
COLD void foreign_free(void *memory);
COLD void *foreign_realloc(void *memory, size_t bytes);
COLD size_t foreign_usable_bytes(void *memory);

#endif
