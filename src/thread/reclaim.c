/* reclaim.c - see reclaim.h.
 * Layer: thread (includes slab, chunk and below).
 *
 * In the order in which one thing lets go of the next: blocks go to slabs and arenas, empty slabs
 * to page heaps, then the pages of both to the kernel. */
#include "thread/reclaim.h"

#include "chunk/trim.h"
#include "thread/large.h"
#include "thread/remote.h"
#include "thread/slabs.h"

bool thread_reclaim(struct thread *thread, size_t pad_bytes) {
    bool released = remote_collect(thread);
    released |= thread_flush_medium(thread);
    released |= large_release(thread);
    released |= slabs_trim(thread);
    released |= slabs_make_holes(thread, true);
    released |= depot_trim();
    released |= page_heap_purge(0) != 0;
    released |= page_heap_release_empty() != 0;
    return trim_all(pad_bytes) || released;
}
