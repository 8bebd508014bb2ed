/* lock.c - the waiting half of lock.h, and the order check of debug builds.
 * Layer: os (includes base, os.h).
 *
 * Waiting spins briefly first: critical sections are short, and a holder that runs on another
 * processor is gone before a kernel call would return. */
#include "os/lock.h"

#include "os/report.h"

#define SPIN_LIMIT 100

static void spin_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    compiler_fence();
#endif
}

void lock_take_contended(struct lock *lock) {
    for (unsigned i = 0; i < SPIN_LIMIT; i++) {
        if (!lock_is_taken(lock) && lock_word_try(lock)) {
            return;
        }
        spin_pause();
    }
    /* Whoever sleeps must leave a 2 behind, and so takes the lock as 2: it cannot know whether
     * others sleep still. */
    while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_ACQUIRE) != 0) {
        os_wait(&lock->word, 2);
    }
}

void lock_wake(struct lock *lock) {
    os_wake_one(&lock->word);
}

void lock_reset(struct lock *lock) {
    __atomic_store_n(&lock->word, 0, __ATOMIC_RELEASE);
}

#if defined(ARENITE_DEBUG) && ARENITE_DEBUG

/* Locks one thread may hold at once: one of each rank, and an arena that a walk tries on top. */
#define HELD_MAX (LOCK_RANK_COUNT * 2)

/* In the order taken: ascending, but for what a signal handler only tried on top. */
static THREAD_LOCAL uint8_t held[HELD_MAX];
static THREAD_LOCAL uint8_t held_count;

void lock_order_push(enum lock_rank rank, bool tried) {
    enum lock_rank highest =
        held_count > 0 ? (enum lock_rank)held[held_count - 1] : (enum lock_rank)0;
    if (rank <= highest && !tried) {
        report_fatal("lock order: rank %d taken while rank %d is held", (int)rank, (int)highest);
    }
    if (held_count == HELD_MAX) {
        report_fatal("lock order: more than %d locks held", (int)HELD_MAX);
    }
    /* A handler that comes between uses the same place, and leaves the count as it was: hence
     * once before the count covers the place and once after. */
    held[held_count] = (uint8_t)rank;
    compiler_fence();
    held_count++;
    compiler_fence();
    held[held_count - 1] = (uint8_t)rank;
}

void lock_order_pop(enum lock_rank rank) {
    unsigned at = held_count;
    while (at > 0 && held[at - 1] != rank) {
        at--;
    }
    if (at == 0) {
        report_fatal("lock order: rank %d dropped but not held", (int)rank);
    }
    for (; at < held_count; at++) {
        held[at - 1] = held[at];
    }
    held_count--;
}

#endif
