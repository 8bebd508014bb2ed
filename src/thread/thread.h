/* thread.h - the state of one thread, and the operations that start from it.
 * Layer: thread (includes base, os, pages, chunk).
 *
 * A thread's state holds its quick lists and its arena. It is found through one thread-local
 * pointer, which is never NULL: a thread that has not allocated yet, or that is past its end,
 * points to a static state whose lists are empty and closed, so that both fast paths miss and
 * nothing has to be tested for. States are records of the library, reused, never unmapped.
 *
 *   thread_current --> thread_none    before the first slow operation
 *                  --> own state      attached
 *                  --> thread_gone    after the end: served from an arena, without lists
 *
 * A state is a handle: thread_switch lets one kernel thread act as any of several states in turn.
 *
 * Re-entrance: every slow operation counts itself in thread_depth. A signal handler that
 * allocates while it interrupted one finds the count above 0 and is served without waiting for
 * any arena's lock and without the lists; what it frees into a locked arena is deferred.
 *
 * I1: a state is in the list of all states from its first use on; attached ones have an arena.
 * I2: only the kernel thread whose thread_current it is touches a state's lists.
 * I3: thread_depth is 0 outside slow operations.
 * Lock: the list of states is under LOCK_RANK_THREAD_LIST. */
#ifndef ARENITE_THREAD_THREAD_H
#define ARENITE_THREAD_THREAD_H

#include "chunk/arena.h"

struct thread {
    struct quick_lists quick;
    struct arena *arena; /* NULL: not attached */
    void *charge;        /* block that stands for glibc's in-heap cache, so that figures agree */
    struct thread *next; /* all states, newest first; written once */
    struct thread *next_free;
    int32_t id; /* kernel thread id of the last owner */
    uint32_t attached;
};

extern struct thread thread_none;
extern struct thread thread_gone;
extern THREAD_LOCAL struct thread *thread_current;
extern THREAD_LOCAL uint32_t thread_depth;

/* ---- life ----------------------------------------------------------------------------------- */

/* Gives the calling thread a state and an arena if it has none yet, and arranges for its end. The
 * very first one gets the main arena. Returns the state, or thread_none / thread_gone when there
 * can be none. Part of every slow operation. */
struct thread *thread_attach_first(void);
INLINE struct thread *thread_attach(void) {
    struct thread *thread = thread_current;
    return LIKELY(thread != &thread_none) ? thread : thread_attach_first();
}

/* Empties a state's lists into the arenas, leaves its arena and keeps the record for another
 * thread. The calling thread becomes thread_gone if the state was its current one. */
void thread_detach(struct thread *thread);

/* A state that is not bound to the calling thread: a handle for thread_switch. NULL: no memory. */
struct thread *thread_create(void);
/* Makes another state the calling thread's; returns the former. */
struct thread *thread_switch(struct thread *thread);

/* Once per process, before any other function: secrets, bins of the main arena, the key whose
 * destructor detaches threads. 0 or a negative errno. */
int thread_init(void);

/* In a forked child, in the forking thread. */
void thread_fork_child(void);

/* All states ever used, newest first; the variable itself is for the registry. */
extern struct thread *thread_list;
struct thread *thread_first(void);

/* ---- slow operations: requests in bytes, at most REQUEST_MAX_BYTES --------------------------- */
/* Each returns NULL when memory cannot be had (nothing changed then), never sets errno, is
 * thread-safe, and may be entered again by a signal handler. Public entry points try the quick
 * lists first. */

void *thread_malloc(size_t bytes);
void *thread_calloc(size_t bytes);
/* alignment: a power of two. */
void *thread_aligned(size_t alignment, size_t bytes);

/* What a pointer is. */
enum block_kind {
    BLOCK_FOREIGN, /* nothing of ours starts there */
    BLOCK_CHUNK,
    BLOCK_MAPPED,
    BLOCK_INVALID, /* within our memory, but no block starts there */
};

struct block {
    enum block_kind kind;
    struct chunk *chunk; /* valid for BLOCK_CHUNK and BLOCK_MAPPED */
    struct heap *heap;   /* of a BLOCK_CHUNK */
    const char *error;   /* of a BLOCK_INVALID: what is wrong */
};

/* Finds out without reading memory that is not ours. */
struct block thread_find_block(const void *memory);

/* For a block of kind BLOCK_CHUNK or BLOCK_MAPPED. */
void thread_free(const struct block *block);
/* For a chunk known to lie in this heap, with a plausible header, that the calling thread's quick
 * list has no room for. */
void thread_free_chunk(struct heap *heap, struct chunk *chunk);
void *thread_realloc(const struct block *block, size_t bytes);
/* For a chunk known to lie in this heap, with a plausible header. */
void *thread_realloc_chunk(struct heap *heap, struct chunk *chunk, size_t bytes);

#endif
