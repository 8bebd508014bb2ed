/* lock.h - ranked locks: one word, uncontended in a few instructions, asleep in the kernel else.
 * Layer: os (waiting is a kernel call; includes base and os.h).
 *
 * States of the word: 0 free; else the tag of the thread that holds it, an even number, and 1 more
 * when somebody may sleep (after Drepper, "Futexes Are Tricky", mutex 2). One store says that it
 * is taken and whose it is, so that a thread whose operation was left by siglongjmp, and a forked
 * child, can tell what was theirs. While the process has one thread, taking is a plain store:
 * nobody else can look. The unlock then still handles sleepers, because a signal handler may have
 * started a thread. A lock that guards what nobody can use any more is dead for ever.
 *
 * Lock order: a thread takes locks in ascending rank only; a second lock of the same rank, or in
 * a signal handler one of a lower rank, only by lock_try, which cannot wait. Debug builds check
 * it, before a wrong lock_take can wait forever.
 *
 * A handler that interrupted a slow operation holds, so to say, all that its thread holds. Of what
 * it may need it tries an arena's lock. Those of the page map and of the metadata allocator, for an
 * arena that grows, it enters (lock_enter). And it may wait for that of the table of mmapped
 * chunks, which is the last: whoever holds it waits for no other, not even in a handler on top
 * (chunk/mapped_lock.h), and so it comes free.
 *
 * After fork a child sees, of every thread of its parent, a prefix of that thread's stores: fork
 * holds the address space's lock, so a store to a page already copied waits. A lock word that
 * reads free in the child therefore guards a structure that is whole.
 *
 * Memory order: lock acquires, unlock releases. */
#ifndef ARENITE_OS_LOCK_H
#define ARENITE_OS_LOCK_H

#include "base/check.h"
#include "os/os.h"

/* Ascending: a lock may be taken while holding those above it in this list. */
enum lock_rank {
    LOCK_RANK_THREAD_LIST = 1, /* states of threads */
    LOCK_RANK_ARENA_LIST,      /* ring and free list of arenas */
    LOCK_RANK_ARENA,           /* one arena: bins, top, heaps */
    LOCK_RANK_DEPOT,           /* slabs without an owner */
    LOCK_RANK_SLAB_RECORDS,    /* unused slab records */
    LOCK_RANK_ZERO,            /* addresses of blocks of no bytes */
    LOCK_RANK_PAGE_HEAP,       /* one page heap: its buddy and run records */
    LOCK_RANK_PAGE_MAP,        /* leaves of the page map */
    LOCK_RANK_META,            /* the metadata allocator */
    LOCK_RANK_MAPPED,          /* table of mmapped chunks: the last, see above */
    LOCK_RANK_COUNT
};

struct lock {
    uint32_t word;
};

#define LOCK_INIT \
    { 0 }

/* The word of a lock that nobody can have again. No thread's tag. */
#define LOCK_DEAD ((uint32_t)0xfffffffe)
#define LOCK_SLEEPERS ((uint32_t)1)

/* Slow paths; use the inline functions below. False: the lock is dead. */
bool lock_take_contended(struct lock *lock);
void lock_wake(struct lock *lock);

/* The calling thread's tag, 0 before its first lock. */
extern THREAD_LOCAL uint32_t lock_tag;
uint32_t lock_new_tag(void);
INLINE uint32_t lock_own_tag(void) {
    uint32_t tag = lock_tag;
    return LIKELY(tag != 0) ? tag : lock_new_tag();
}

/* tried: the lock was got without waiting, so another of its rank may already be held. */
#if defined(ARENITE_DEBUG) && ARENITE_DEBUG
void lock_order_push(enum lock_rank rank, bool tried);
void lock_order_pop(enum lock_rank rank);
/* The thread holds nothing: what it held was left. */
void lock_order_reset(void);
#else
INLINE void lock_order_push(enum lock_rank rank, bool tried) {
    (void)rank;
    (void)tried;
}
INLINE void lock_order_pop(enum lock_rank rank) {
    (void)rank;
}
INLINE void lock_order_reset(void) {
}
#endif

/* Takes a free lock while the process has one thread; nobody else can look. */
INLINE bool lock_try_single(struct lock *lock) {
    bool taken = os_is_single_threaded() && lock->word == 0;
    if (taken) {
        __atomic_store_n(&lock->word, lock_own_tag(), __ATOMIC_RELAXED);
    }
    return taken;
}

INLINE bool lock_word_try(struct lock *lock) {
    if (os_is_single_threaded()) {
        if (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) != 0) {
            return false;
        }
        __atomic_store_n(&lock->word, lock_own_tag(), __ATOMIC_RELAXED);
        compiler_fence();
        return true;
    }
    uint32_t expected = 0;
    return __atomic_compare_exchange_n(&lock->word, &expected, lock_own_tag(), false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

INLINE bool lock_try(struct lock *lock, enum lock_rank rank) {
    if (!lock_word_try(lock)) {
        return false;
    }
    lock_order_push(rank, true);
    return true;
}

/* False: the lock is dead. Only arenas' locks ever are. */
INLINE bool lock_take(struct lock *lock, enum lock_rank rank) {
    lock_order_push(rank, false);
    if (UNLIKELY(!lock_word_try(lock)) && UNLIKELY(!lock_take_contended(lock))) {
        lock_order_pop(rank);
        return false;
    }
    return true;
}

INLINE void lock_drop(struct lock *lock, enum lock_rank rank) {
    lock_order_pop(rank);
    if (os_is_single_threaded() &&
        (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) & LOCK_SLEEPERS) == 0) {
        compiler_fence();
        __atomic_store_n(&lock->word, 0, __ATOMIC_RELAXED);
        return;
    }
    if (UNLIKELY((__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) & LOCK_SLEEPERS) != 0)) {
        lock_wake(lock);
    }
}

/* Of locks that are entered a thread holds one at a time. Within, that is in a signal handler,
 * another one is only tried: so those who wait for one can be sure that its holder waits for none.
 * False: it could not be had. */
extern THREAD_LOCAL uint16_t lock_entered;

/* For the last lock in the order: above 0 from before it is taken until after it is dropped. It
 * stands here because thread-local storage is scarce. */
extern THREAD_LOCAL uint16_t lock_last_inside;

INLINE bool lock_enter(struct lock *lock, enum lock_rank rank) {
    bool had = true;
    if (LIKELY(lock_entered++ == 0)) {
        compiler_fence();
        lock_take(lock, rank);
    } else if (!lock_try(lock, rank)) {
        lock_entered--;
        had = false;
    }
    return had;
}

INLINE void lock_leave(struct lock *lock, enum lock_rank rank) {
    lock_drop(lock, rank);
    compiler_fence();
    lock_entered--;
}

INLINE bool lock_is_taken(const struct lock *lock) {
    return __atomic_load_n(&lock->word, __ATOMIC_RELAXED) != 0;
}

INLINE bool lock_is_mine(const struct lock *lock) {
    uint32_t tag = lock_tag;
    return tag != 0 && (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) & ~LOCK_SLEEPERS) == tag;
}

/* A lock that an operation of this thread was left with: true when it holds it. It may be dropped
 * then, or killed. */
INLINE bool lock_inherit(const struct lock *lock, enum lock_rank rank) {
    bool is_mine = lock_is_mine(lock);
    if (is_mine) {
        lock_order_push(rank, true);
    }
    return is_mine;
}

INLINE bool lock_is_dead(const struct lock *lock) {
    return __atomic_load_n(&lock->word, __ATOMIC_RELAXED) == LOCK_DEAD;
}

/* Nobody can have the lock again; who waits for it is told. */
void lock_kill(struct lock *lock);

/* In a forked child: frees a lock that a thread of the parent held; one of the forking thread's own
 * stays taken. */
void lock_reset(struct lock *lock);

#endif
