/* arena.h - the arena: one lock, its bins, its top, its heaps; and how threads share arenas.
 * Layer: chunk (includes base, os).
 *
 * The main arena grows over the program break and has its header in the library's data; every
 * other arena lives in mapped heaps and has its header at the start of the first:
 *
 *   +-----------+-------+------------------------------ ... ------------+----------------+
 *   | heap info | arena | chunk | chunk | ...                     | top | reserved       |
 *   +-----------+-------+------------------------------ ... ------------+----------------+
 *   ^ aligned to the heap size                             heap->bytes ^
 *
 * All arenas form a ring that starts at main and only grows; an arena without threads waits in
 * the free list for the next one. The number of arenas is limited to 8 (32-bit: 2) times the
 * processors; threads beyond share.
 *
 * Sizes of the two headers together equal glibc's (0x8d0 on 64 bits), so that the same requests
 * find the same space.
 *
 * I1: top is never in a bin, borders the end of the newest heap, and its P bit is set.
 * I2: system_bytes is the sum of the heaps' bytes (main: of the break's and mapped segments', with
 *     gaps that foreign users of sbrk left).
 * I3: chunks in use carry the A bit exactly in non-main arenas; free chunks never do.
 * I4: flag ARENA_HAS_FAST is set whenever a fast bin may hold a chunk.
 * Locks: LOCK_RANK_ARENA (one arena's contents), LOCK_RANK_ARENA_LIST (ring, free list, counts of
 * threads).
 * Source: ptmalloc's design; glibc's rules for limits and order. */
#ifndef ARENITE_CHUNK_ARENA_H
#define ARENITE_CHUNK_ARENA_H

#include "chunk/chunk.h"
#include "chunk/quick.h"
#include "os/lock.h"

#define FAST_BINS 10
/* Bin 1 is unsorted, 2..63 small, 64..126 large; 0 and 127 are not used: in glibc's place for the
 * last stand two words of ours. */
#define BIN_COUNT 128
#define BINMAP_WORDS (BIN_COUNT / 64)

/* More than this is no growth but a mapping gone wrong; also the limit per processor. */
#define ARENAS_PER_CPU (SIZE_BYTES == 8 ? 8u : 2u)
#define ARENA_TEST_DEFAULT (SIZE_BYTES == 8 ? 8u : 2u)

enum arena_flags {
    ARENA_HAS_FAST = 1,      /* a fast bin may hold a chunk */
    ARENA_NONCONTIGUOUS = 2, /* main only: a mapping stood in for the break */
};

struct heap;
struct keep;

struct arena {
    struct lock lock;
    uint32_t flags; /* enum arena_flags; under the lock */

    struct chunk *fast[FAST_BINS];
    struct chunk *top;
    struct chunk *last_remainder;
    struct links bins[BIN_COUNT - 2]; /* bins[i - 1] is bin i */
    struct keep *keep;                /* what of the free memory is kept; NULL: as ptmalloc does */
    size_t walk_at_bytes;             /* dirty bytes at which the bins are walked (sweep.h) */
    uint64_t binmap[BINMAP_WORDS];

    struct arena *next;      /* ring; written once, before the arena can be found */
    struct arena *next_free; /* free list; under the list lock */
    uint32_t attached_threads;

    size_t system_bytes; /* from the kernel, now and at most */
    size_t system_max_bytes;
    struct heap *heap;      /* newest heap; main: newest segment */
    struct chunk *deferred; /* frees that could not take the lock: a stack, linked by fd */
};
_Static_assert(UINTPTR_MAX == 0xffffffffu || sizeof(struct arena) == 2208,
               "heap info and arena take what glibc's take");

extern struct arena main_arena;

/* Everything the engine needs to know about who calls it. */
struct chunk_caller {
    struct arena *arena;       /* locked */
    struct quick_lists *quick; /* the caller's lists; &quick_closed: none */
};

/* Empties the bins; the arena has no top yet. */
void arena_init(struct arena *arena);

/* Runs the deferred frees; under the lock. */
void arena_run_deferred(struct arena *arena);

/* Waits for the lock; false when the arena was set aside, or an operation of this very thread that
 * was left holds it. */
bool arena_lock_contended(struct arena *arena);

/* Locks for the calling thread and runs the deferred frees; false when the arena was set aside. */
INLINE bool arena_lock(struct arena *arena) {
    if (LIKELY(lock_try_single(&arena->lock))) {
        lock_order_push(LOCK_RANK_ARENA, false);
    } else if (UNLIKELY(!lock_try(&arena->lock, LOCK_RANK_ARENA)) && !arena_lock_contended(arena)) {
        return false;
    }
    if (UNLIKELY(__atomic_load_n(&arena->deferred, __ATOMIC_RELAXED) != NULL)) {
        arena_run_deferred(arena);
    }
    return true;
}

/* The same if it can be done at once; deferred frees wait for somebody less pressed. */
INLINE bool arena_try_lock(struct arena *arena) {
    return lock_try(&arena->lock, LOCK_RANK_ARENA);
}

INLINE void arena_unlock(struct arena *arena) {
    lock_drop(&arena->lock, LOCK_RANK_ARENA);
}

/* Frees a chunk of an arena whose lock cannot be had now: the next holder does it. Lock-free,
 * async-signal-safe. */
void arena_defer_free(struct arena *arena, struct chunk *chunk);

/* An arena for a thread that has none: from the free list, a new one, or shared. Counts the
 * thread in. Never NULL: when nothing can be had it is main. */
struct arena *arena_attach(void);
/* Counts the calling (initialising) thread into main. */
struct arena *arena_attach_main(void);
/* Counts a thread out; the last one puts the arena into the free list. */
void arena_detach(struct arena *arena);
/* Another arena for a request that failed in this one, not locked: main for the others; for main
 * one from the free list, a new or a shared one. NULL when there is no other. */
struct arena *arena_retry(struct arena *failed);
/* Some arena that can be locked without waiting, locked; NULL when there is none. For callers
 * that may have interrupted the holder of any lock. */
struct arena *arena_lock_any(void);

/* False for an arena that was set aside, because an operation in it was never ended: by a fork, or
 * by a signal handler that did not return. Nobody can lock it; its blocks stay readable. */
INLINE bool arena_is_usable(const struct arena *arena) {
    return !lock_is_dead(&arena->lock);
}

/* The next arena of the ring that starts and ends at main_arena. */
INLINE struct arena *arena_next(const struct arena *arena) {
    return __atomic_load_n(&arena->next, __ATOMIC_ACQUIRE);
}

size_t arena_count(void);

/* After an operation of this thread that was left: frees the list's lock if that one held it. */
void arena_list_recover(void);
/* Sets an arena aside whose lock the caller holds: whoever waits for it is told. */
void arena_set_aside(struct arena *arena);

/* In a forked child: sets arenas aside in which another thread was (in a process of one thread
 * there was none), empties the free list and
 * refills it with all arenas but `mine`. */
void arena_fork_child(struct arena *mine, bool parent_was_single_threaded);

#endif
