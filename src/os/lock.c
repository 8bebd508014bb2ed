/* lock.c - the waiting half of lock.h, and the order check of debug builds.
 * Layer: os (includes base, os.h).
 *
 * Waiting spins briefly first: critical sections are short, and a holder that runs on another
 * processor is gone before a kernel call would return. */
#include "os/lock.h"

#include "os/report.h"

#define SPIN_LIMIT 100

THREAD_LOCAL uint32_t lock_entered;

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

/* How many locks of each rank the thread holds, or is about to have. Signal handlers are included;
 * they leave every count as they found it, wherever they come between. */
static THREAD_LOCAL uint8_t held[LOCK_RANK_COUNT];

static int highest_held(void) {
    int rank = LOCK_RANK_COUNT - 1;
    while (rank > 0 && held[rank] == 0) {
        rank--;
    }
    return rank;
}

void lock_order_push(enum lock_rank rank, bool tried) {
    int highest = highest_held();
    if ((int)rank <= highest && !tried) {
        report_fatal("lock order: rank %d taken while rank %d is held", (int)rank, highest);
    }
    held[rank]++;
}

void lock_order_pop(enum lock_rank rank) {
    if (held[rank] == 0) {
        report_fatal("lock order: rank %d dropped but not held", (int)rank);
    }
    held[rank]--;
}

#endif
