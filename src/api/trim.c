/* trim.c - malloc_trim.
 * Layer: api (includes thread and below). */
#include "api/names.h"
#include "api/start.h"
#include "thread/operation.h"
#include "thread/reclaim.h"

#include "arenite/arenite.h"

#include <malloc.h>

/* A handler that interrupted an operation of its thread returns nothing: the heaps' locks cannot
 * be waited for there. */
API_EXPORT_WEAK int API(malloc_trim)(size_t pad_bytes) {
    struct operation operation;
    start_ensure();
    bool outermost = operation_enter(&operation);
    bool released = outermost && thread_reclaim(thread_attach_bare(), pad_bytes).pages;
    operation_leave(&operation);
    return released ? 1 : 0;
}
