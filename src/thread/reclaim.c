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

/* What the thread itself keeps. */
static struct reclaimed empty_thread(struct thread *thread) {
    struct reclaimed reclaimed = {false, false};
    if (thread->attached != 0) {
        reclaimed.any |= quarantine_flush(thread);
        remote_flush(thread);
        reclaimed.any |= remote_collect(thread);
        reclaimed.any |= thread_flush_medium(thread);
        reclaimed.pages |= large_release(thread);
        reclaimed.any |= slabs_trim(thread);
    }
    return reclaimed;
}

/* Pages between slots in use: of the thread's slabs, which go to the depot, and of all there. */
static bool give_back_slabs(struct thread *thread) {
    bool given = thread->attached != 0 && slabs_make_holes(thread, true);
    return (thread->attached != 0 && depot_make_holes(thread)) || given;
}

struct reclaimed thread_reclaim(struct thread *thread, size_t pad_bytes) {
    struct reclaimed reclaimed = empty_thread(thread);
    reclaimed.pages |= thread_release_left();
    reclaimed.any |= depot_trim(thread);
    reclaimed.pages |= give_back_slabs(thread);
    reclaimed.pages |= page_heap_purge(0) != 0;
    reclaimed.any |= page_heap_release_empty() != 0;
    reclaimed.pages |= trim_all(pad_bytes);
    reclaimed.any |= reclaimed.pages;
    return reclaimed;
}
