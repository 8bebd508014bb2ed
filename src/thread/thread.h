/* thread.h - the state of one thread, and the operations that start from it.
 * Layer: thread (includes base, os, pages, chunk).
 *
 * A thread's state holds its caches, its quick lists and its arena. It is found through one thread-
 * local pointer, which is never NULL: a thread that has not allocated yet, or that is past its end,
 * points to a static state whose lists are empty and closed, so that both fast paths miss and
 * nothing has to be tested for. States are records of the library, reused, never unmapped.
 *
 *   thread_current --> thread_none    before the first slow operation, during each, after the end
 *                  --> own state      attached
 *
 * It leads to thread_none also while a thread is detoured: both fast paths miss there. thread_own
 * keeps the real state, thread_none before the first and thread_gone after the end (then the thread
 * is served from an arena, without lists); its `view` is where thread_current returns to.
 *
 * A state is a handle: thread_switch lets one kernel thread act as any of several states in turn.
 *
 * Re-entrance: every slow operation leaves its mark in thread_operation. A signal handler that
 * allocates while it interrupted one misses the fast paths, finds the mark and is served
 * without waiting for any arena's lock and without the lists; what it frees into a locked arena is
 * deferred.
 *
 * I1: a state is in the list of all states from its first use on; attached ones have an arena.
 * I2: only the kernel thread whose thread_own it is touches a state's lists.
 * I3: thread_operation is NULL outside slow operations, and thread_current is thread_own->view
 *     there.
 * Lock: the list of states is under LOCK_RANK_THREAD_LIST. */
#ifndef ARENITE_THREAD_THREAD_H
#define ARENITE_THREAD_THREAD_H

#include "chunk/arena.h"
#include "chunk/medium.h"
#include "chunk/region.h"
#include "pages/retention.h"
#include "slab/depot.h"
#include "thread/cache.h"
#include "thread/quarantine.h"

/* Slots freed by this thread that belong to another one, not yet sent. */
struct outgoing {
    struct thread *owner; /* NULL: empty */
    struct slot *first;
    struct slot *last;
    size_t bytes;
};

#define OUTGOING_WAYS 4

struct thread {
    /* The owner's: fast paths. */
    struct slot_list caches[SLAB_CLASSES]; /* free slots at hand, by class */
    struct slot_secrets secrets;           /* the process's, at hand */

    /* The owner's: slow paths. */
    struct list full;
    struct list spare[SLAB_SPANS]; /* empty slabs, the one emptied last first */
    size_t spare_bytes;
    size_t sparse_bytes;      /* nearly empty slabs not looked through yet */
    size_t sparse_look_bytes; /* when there are so many they are looked at */
    size_t holes_bytes;       /* slabs with holes that it gave away and has not taken back */
    struct retention sparse;
    size_t idle_bytes;    /* in active slabs that came to be empty and are not watched */
    size_t emptied_bytes; /* of slabs that came to be empty, less those taken since */
    struct retention retention;
    struct outgoing outgoing[OUTGOING_WAYS];
    struct slot *arriving; /* taken out of the inbox, and not looked at yet */
    struct quick_lists quick;
    struct regions regions;        /* large blocks, live and cached */
    struct medium_lists *medium;   /* NULL until a medium chunk is freed; kept with the state */
    struct quarantine *quarantine; /* NULL until a slot is freed under profile=hardened; kept */
    struct arena *arena;           /* NULL: not attached */
    void *charge;        /* block that stands for glibc's in-heap cache, so that figures agree */
    struct thread *next; /* all states, newest first; written once */
    struct thread *next_free;
    int32_t id; /* kernel thread id of the last owner */
    uint32_t attached;
    bool is_in_callback; /* of a budget (api/budget.h) */
    bool has_lists;      /* opened, or never to be: nothing is left for thread_attach to do */
    struct thread *view; /* where fast paths look: this state, or thread_none */
    struct slab *active[SLAB_CLASSES]; /* never NULL: &slab_none where there is none */
    struct list partial[SLAB_CLASSES][SLAB_GROUPS];
    struct sampler *sampler;   /* NULL: no block of the thread is guarded; kept with it */
    uint32_t patrol_countdown; /* allocations until another slot is looked at (profile=hardened) */
    size_t raised_bytes;       /* by so much its caches may hold more than at first */
    size_t cache_turn;         /* of the last cache that was looked at in passing */
    int32_t cache_seen[SLAB_CLASSES]; /* its `until` then */
    size_t left_bytes;      /* in large blocks that its last owner had cached at its end */
    size_t left_kept_bytes; /* of that, still there */

    /* Written by others. */
    CACHE_ALIGNED struct slot *inbox; /* slots of ours that others freed, or REMOTE_CLOSED */
    size_t inbox_bytes; /* of these, counted after they came: may be below 0 for a moment */
    uint32_t
        waiting_since_ms; /* when a sender saw much of it; 0: nobody has since it was emptied */
};

_Static_assert(offsetof(struct thread, caches) == 0 && SLOT_LIST_SHIFT == SLAB_STEP_SHIFT,
               "a small size leads to its cache");

extern struct thread thread_none;
extern struct thread thread_gone;
extern THREAD_LOCAL struct thread *thread_current; /* for fast paths */
extern THREAD_LOCAL struct thread *thread_own;     /* for slow operations */
/* Where its operations left their marks (operation.h); NULL: it is in none. */
struct operation;
extern THREAD_LOCAL struct operation *thread_operation;
extern THREAD_LOCAL struct operation *thread_outermost;

/* ---- life ----------------------------------------------------------------------------------- */

/* Gives the calling thread a state, an arena and lists if it has none yet, and arranges for its
 * end. The very first one gets the main arena. Returns the state, or thread_none / thread_gone when
 * there can be none. Part of every slow operation. */
struct thread *thread_attach_first(void);
INLINE struct thread *thread_attach(void) {
    struct thread *thread = thread_own;
    return LIKELY(thread->has_lists) ? thread : thread_attach_first();
}
/* The same for an operation that, in glibc, does not make a thread cache: under its profile the
 * lists, and the block that stands for them, come with the next other operation. */
struct thread *thread_attach_bare(void);

/* Empties a state's lists into the arenas, leaves its arena and keeps the record for another
 * thread, with large blocks as far as threads have taken again what ended ones had. The calling
 * thread becomes thread_gone if the state was its current one. */
void thread_detach(struct thread *thread);
/* Unmaps the large blocks that ended threads left. True when there were some. Inside an
 * operation. */
bool thread_release_left(void);

/* A state that is not bound to the calling thread: a handle for thread_switch. NULL: no memory. */
struct thread *thread_create(void);
/* Makes another state the calling thread's; returns the former. */
struct thread *thread_switch(struct thread *thread);

/* Makes both fast paths of a thread miss, or hit again: whoever wants to see every call has it
 * from the thread's next slow operation on (from now on for the caller's own). Any thread may call
 * it. */
void thread_detour(struct thread *thread, bool on);
/* The same for every thread that there is; new ones are detoured while params.perturb is set, and
 * under profile=hardened. */
void thread_detour_all(bool on);
bool thread_is_detoured(const struct thread *thread);

/* What a detoured thread did: the blocks its calls returned and freed. */
enum thread_event {
    THREAD_EVENT_ALLOC,
    THREAD_EVENT_FREE,
};

/* Called for each, inside no operation; NULL: nobody listens. */
extern void (*thread_listener)(enum thread_event event, void *memory, size_t bytes);

/* Once per process, before any other function: secrets, bins of the main arena, the key whose
 * destructor detaches threads. 0 or a negative errno. */
int thread_init(void);

/* In a forked child, in the forking thread. */
void thread_fork_child(void);
/* After an operation of this thread that was left: frees the lock of the list of states. */
void thread_list_recover(void);

/* All states ever used, newest first; the variable itself is for the registry. */
extern struct thread *thread_list;
struct thread *thread_first(void);
/* Threads attached now. */
size_t thread_count(void);

/* ---- slow operations: requests in bytes, at most REQUEST_MAX_BYTES --------------------------- */
/* Each returns NULL when memory cannot be had (nothing changed then), never sets errno, is
 * thread-safe, and may be entered again by a signal handler. Public entry points try the quick
 * lists first. */

void *thread_malloc(size_t bytes);
/* From a slab alone; NULL: slabs do not serve the request, or have no memory. */
void *thread_slot(size_t bytes);
/* From a slab of its own, where nothing else can serve; NULL. For callers past thread_malloc. */
void *thread_lone_slot(size_t bytes);
void *thread_calloc(size_t bytes);
/* alignment: a power of two. */
void *thread_aligned(size_t alignment, size_t bytes);

/* What a pointer is. */
enum block_kind {
    BLOCK_FOREIGN, /* nothing of ours starts there */
    BLOCK_CHUNK,
    BLOCK_MAPPED,
    BLOCK_SLOT,
    BLOCK_GUARDED,
    BLOCK_FREED,   /* a block of ours that is free already */
    BLOCK_INVALID, /* within our memory, but no block starts there */
};

struct block {
    enum block_kind kind;
    struct chunk *chunk; /* valid for BLOCK_CHUNK and BLOCK_MAPPED */
    struct heap *heap;   /* of a BLOCK_CHUNK */
    struct slab *slab;   /* of a BLOCK_SLOT */
    void *memory;
    size_t mapped_bytes;  /* of a BLOCK_MAPPED: its usable size */
    size_t guarded_bytes; /* of a BLOCK_GUARDED: what was asked for */
    const char *error;    /* of a BLOCK_INVALID: what is wrong */
};

/* Finds out without reading memory that is not ours. A block that looks freed is looked for in the
 * lists that the caller may follow before it is called so. */
struct block thread_find_block(const void *address);

/* Bytes the block's user may write. */
size_t thread_usable_bytes(const struct block *block);

/* For a live slot of any slab. */
void thread_free_slot(struct slab *slab, void *memory);
/* For a live block. */
void thread_free(const struct block *block);
/* After a free of an own slot that brought the `until` of its slab's list to 0. */
void thread_look_at(struct slab *slab);
/* The newest medium chunk of this size (a chunk size) that the thread freed, NULL: none. */
void *thread_pop_medium(size_t bytes);

/* Keeps a medium chunk that does not look freed for the next request of its size; false when the
 * thread keeps none or not this size. */
bool thread_push_medium(struct chunk *chunk);
/* Gives all medium chunks back to their arenas. True when there were some. */
bool thread_flush_medium(struct thread *thread);

/* For a chunk known to lie in this heap, with a plausible header, that the calling thread's quick
 * list has no room for. */
void thread_free_chunk(struct heap *heap, struct chunk *chunk);
void *thread_realloc(const struct block *block, size_t bytes);
/* For a chunk known to lie in this heap, with a plausible header. */
void *thread_realloc_chunk(struct heap *heap, struct chunk *chunk, size_t bytes);

#endif
