/* retention.h - how much free memory may stay resident: what is sure to be little, and what the
 * program has shown that it takes again.
 * Layer: pages (includes base).
 *
 * Free memory that is given back costs a page fault when it is wanted again; kept, it costs memory
 * that others could use. Nobody can tell beforehand. So what is freed for the first time goes back,
 * beyond a small base; and who has taken free memory again may keep as much next time.
 *
 * The owner of a pool of free memory knows its *level*: the bytes that were freed and not taken
 * since, resident or not. The largest fall of the level is what the program took again, and the
 * budget is the base and that, with a quarter more:
 *
 *      level      ___            ___            ___
 *               /    \         /    \         /    \        first rise: all but the base goes back
 *              /      \       /      \       /      \       fall: as much is earned
 *      _______/        \_____/        \_____/        \      second rise: it stays
 *
 * A pool in pieces needs more than its falls: what is free lies in the wrong places, goes back, and
 * is taken again although the level hardly moves. So what is taken again after it went back is
 * summed up as well, and the larger of the two is what was earned. The sum ends by itself when the
 * budget holds what the program needs: then nothing goes back.
 *
 * Both are remembered for the window they were seen in and the next one; a program that stops
 * asking loses its budget with them. Windows change when somebody looks at the clock: on slow
 * paths, each so many operations.
 *
 * Pure: time comes in as a number. Not thread-safe: each pool's lock guards its own.
 * I1: fall_bytes is the largest difference between a level and a later one in this window.
 * I2: high_bytes is the highest level in this window. */
#ifndef ARENITE_PAGES_RETENTION_H
#define ARENITE_PAGES_RETENTION_H

#include "base/compiler.h"

#define RETENTION_WINDOW_NS ((uint64_t)10 * 1000 * 1000 * 1000)
/* Operations between two looks at the clock. */
#define RETENTION_TICKS 256

struct retention {
    size_t high_bytes;
    size_t fall_bytes;
    size_t again_bytes;  /* taken after it had gone back */
    size_t former_bytes; /* earned in the window before */
    uint64_t window_ns;  /* when this window began */
    uint32_t ticks;
};

/* What any pool may keep; SIZE_MAX: everything. */
#define RETENTION_BASE_BYTES ((size_t)512 * 1024)
extern size_t retention_base_bytes;
/* How long a window lasts. */
extern uint64_t retention_window_ns;

/* The level has changed. */
INLINE void retention_note(struct retention *retention, size_t level_bytes) {
    if (level_bytes > retention->high_bytes) {
        retention->high_bytes = level_bytes;
    } else if (retention->high_bytes - level_bytes > retention->fall_bytes) {
        retention->fall_bytes = retention->high_bytes - level_bytes;
    }
}

/* So much was taken that had gone back to the kernel. */
INLINE void retention_note_again(struct retention *retention, size_t bytes) {
    retention->again_bytes += bytes;
}

/* Bytes that the program has shown in this window that it takes again. */
INLINE size_t retention_earned_now(const struct retention *retention) {
    size_t fall = retention->fall_bytes, again = retention->again_bytes;
    return fall > again ? fall : again;
}

/* The same, in this window or the one before. */
INLINE size_t retention_earned(const struct retention *retention) {
    size_t now = retention_earned_now(retention), former = retention->former_bytes;
    return now > former ? now : former;
}

/* Bytes to give back now, 0 while all is within the budget. More than the excess, so that the next
 * free is not the next purge. */
INLINE size_t retention_surplus(const struct retention *retention, size_t dirty_bytes) {
    size_t base = __atomic_load_n(&retention_base_bytes, __ATOMIC_RELAXED);
    size_t earned = retention_earned(retention);
    if (LIKELY(dirty_bytes <= base || dirty_bytes - base <= earned + earned / 4)) {
        return 0;
    }
    return dirty_bytes - base / 2 - earned - earned / 8;
}

/* True when it is time to look at the clock. */
INLINE bool retention_ticks(const struct retention *retention) {
    return retention->ticks % RETENTION_TICKS == 0;
}

/* The same, and counts an operation. */
INLINE bool retention_tick(struct retention *retention) {
    bool ticks = retention_ticks(retention);
    retention->ticks++;
    return UNLIKELY(ticks);
}

/* Ends windows that are over. */
void retention_look(struct retention *retention, size_t level_bytes, uint64_t now_ns);

#endif
