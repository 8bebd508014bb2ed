/* lock.c - the waiting half of lock.h, and the order check of debug builds.
 * Layer: os (includes base, os.h).
 *
 * Waiting spins briefly first: critical sections are short, and a holder that runs on another
 * processor is gone before a kernel call would return. */
#include "os/lock.h"

#include "os/report.h"

#define SPIN_LIMIT 100

THREAD_LOCAL uint16_t lock_entered;
THREAD_LOCAL uint16_t lock_last_inside;
THREAD_LOCAL uint32_t lock_tag;
static uint32_t last_tag;

uint32_t lock_new_tag(void) {
    uint32_t tag;
    do {
        tag = __atomic_add_fetch(&last_tag, LOCK_SLEEPERS + 1, __ATOMIC_RELAXED);
    } while (tag == 0 || tag == LOCK_DEAD);
    return lock_tag = tag;
}

static void spin_pause(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    compiler_fence();
#endif
}

static bool spin(struct lock *lock) {
    for (unsigned i = 0; i < SPIN_LIMIT; i++) {
        if (!lock_is_taken(lock) && lock_word_try(lock)) {
            return true;
        }
        spin_pause();
    }
    return false;
}

/* One step of waiting for a lock that is taken. */
static void sleep_until_dropped(struct lock *lock, uint32_t word) {
    uint32_t marked = word | LOCK_SLEEPERS;
    if (word == marked || __atomic_compare_exchange_n(&lock->word, &word, marked, false,
                                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        os_wait(&lock->word, marked);
    }
}

/* Whoever has slept must leave the mark of sleepers behind: it cannot know whether others sleep
 * still. Of a dead lock each tells the next. */
bool lock_take_contended(struct lock *lock) {
    uint32_t marked = lock_own_tag() | LOCK_SLEEPERS;
    uint32_t word = 0;
    if (spin(lock)) {
        return true;
    }
    while (!__atomic_compare_exchange_n(&lock->word, &word, marked, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED)) {
        if (word == LOCK_DEAD) {
            lock_wake(lock);
            return false;
        }
        sleep_until_dropped(lock, word);
        word = 0;
    }
    return true;
}

void lock_wake(struct lock *lock) {
    os_wake_one(&lock->word);
}

void lock_kill(struct lock *lock) {
    __atomic_store_n(&lock->word, LOCK_DEAD, __ATOMIC_RELEASE);
    lock_wake(lock);
}

void lock_reset(struct lock *lock) {
    if (!lock_is_mine(lock)) {
        __atomic_store_n(&lock->word, 0, __ATOMIC_RELEASE);
    }
}

#if defined(ARENITE_DEBUG) && ARENITE_DEBUG

/* How many locks of each rank the thread holds, or is about to have. Signal handlers are included;
 * they leave every count as they found it, wherever they come between. */
static THREAD_LOCAL uint32_t held;
#define HELD_BITS 2
#define HELD_MOST ((uint32_t)(1 << HELD_BITS) - 1)
_Static_assert(LOCK_RANK_COUNT *HELD_BITS <= 32, "two bits for each rank");

static uint32_t held_of(int rank) {
    return held >> rank * HELD_BITS & HELD_MOST;
}

static int highest_held(void) {
    int rank = LOCK_RANK_COUNT - 1;
    while (rank > 0 && held_of(rank) == 0) {
        rank--;
    }
    return rank;
}

void lock_order_push(enum lock_rank rank, bool tried) {
    int highest = highest_held();
    if ((int)rank <= highest && !tried) {
        report_fatal("lock order: rank %d taken while rank %d is held", (int)rank, highest);
    }
    held += held_of((int)rank) < HELD_MOST ? (uint32_t)1 << (int)rank * HELD_BITS : 0;
}

void lock_order_pop(enum lock_rank rank) {
    if (held_of((int)rank) == 0) {
        report_fatal("lock order: rank %d dropped but not held", (int)rank);
    }
    held -= (uint32_t)1 << (int)rank * HELD_BITS;
}

void lock_order_reset(void) {
    held = 0;
}

#endif
