/* chance.h - numbers that a program cannot foresee, many and cheap.
 * Layer: os (includes base, os.h).
 *
 * A generator (Marsaglia's xorshift, 64 bits) begins with the process's seed and its own address. A
 * sandbox may kill whoever asks the kernel later, so the seed is drawn at the start. What chance
 * decides, places of blocks, is no key: whoever sees enough of it could go on with it. Threads that
 * share a generator may draw the same number, which does no harm. */
#ifndef ARENITE_OS_CHANCE_H
#define ARENITE_OS_CHANCE_H

#include "os/os.h"

/* Drawn once, before the first use. */
extern uint64_t chance_seed;

/* 0: not begun. */
struct chance {
    uint64_t state;
};

/* Never 0. */
INLINE uint64_t chance_next(struct chance *chance) {
    uint64_t state = __atomic_load_n(&chance->state, __ATOMIC_RELAXED);
    if (UNLIKELY(state == 0)) {
        state = (chance_seed ^ (uintptr_t)chance) | 1;
    }
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    __atomic_store_n(&chance->state, state, __ATOMIC_RELAXED);
    return state;
}

/* Below a number that is not 0. */
INLINE uint32_t chance_below(struct chance *chance, uint32_t limit) {
    return (uint32_t)((uint64_t)(uint32_t)chance_next(chance) * limit >> 32);
}

#endif
