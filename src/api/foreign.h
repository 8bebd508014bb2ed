/* foreign.h - pointers that are not blocks of ours.
 * Layer: api (includes thread and below).
 *
 * Where libc's own malloc is in the process too (the shared library), a module bound to it
 * directly (dlopen with RTLD_DEEPBIND) may hand its blocks to us. They are passed on to libc, with
 * one line per process that names the module, if libc's heap has ever been used; libc is asked
 * that, nothing is read at the pointer. In every other case the pointer is an error of the
 * program's: a line names it and the process aborts.
 *
 * `caller` is the return address of the public function. All of this is cold. */
#ifndef ARENITE_API_FOREIGN_H
#define ARENITE_API_FOREIGN_H

#include "thread/thread.h"

/* What the caller wanted of the pointer. */
struct misuse {
    const char *operation; /* "free" */
    const void *memory;
    const void *caller;
};

/* For a pointer of kind BLOCK_FOREIGN. */
COLD void foreign_free(void *memory, const void *caller);
COLD void *foreign_realloc(void *memory, size_t bytes, const void *caller);
COLD size_t foreign_usable_bytes(void *memory, const void *caller);

/* For one of kind BLOCK_INVALID, or for any other reason: prints and aborts. */
_Noreturn COLD void foreign_report(const struct misuse *misuse, const char *why);

#endif
