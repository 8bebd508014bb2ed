/* trim.c - malloc_trim.
 * Layer: api (includes thread and below). */
#include "chunk/trim.h"
#include "api/names.h"
#include "api/start.h"
#include "thread/large.h"
#include "thread/operation.h"
#include "thread/remote.h"
#include "thread/slabs.h"

#include "arenite/arenite.h"

#include <malloc.h>

/* The caller's own lists and empty slabs, the depot's, what page heaps keep, then the arenas. */
static bool trim_everything(size_t pad_bytes) {
    struct thread *thread = thread_attach_bare();
    bool released = remote_collect(thread);
    released |= thread_flush_medium(thread);
    released |= slabs_trim(thread);
    released |= large_release(thread);
    released |= depot_trim();
    released |= page_heap_purge(0) != 0;
    released |= page_heap_release_empty() != 0;
    return trim_all(pad_bytes) || released;
}

/* A handler that interrupted an operation of its thread returns nothing: the heaps' locks cannot
 * be waited for there. */
API_EXPORT_WEAK int API(malloc_trim)(size_t pad_bytes) {
    start_ensure();
    bool outermost = operation_enter();
    bool released = outermost && trim_everything(pad_bytes);
    operation_leave();
    return released ? 1 : 0;
}
