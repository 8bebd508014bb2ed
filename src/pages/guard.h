/* guard.h - blocks that have a page each, between pages without access.
 * Layer: pages (includes base, os).
 *
 *   | no access | block 0's page | no access | block 1's page | no access | ...
 *                 ^ starts here  or ends here ^
 *
 * A block lies at one end of its page, so that the first byte in front of it, or behind it, ends
 * in a fault. The rest of the page holds a pattern, which is looked at when the block is freed. A
 * freed block's page is taken away, address and all, until GUARD_QUARANTINE others have been freed:
 * what still uses it faults too. Who allocated a block and who freed it is written down
 * (os/trace.h).
 *
 *   UNUSED ----> BUSY ----> LIVE ----> BUSY ----> FREED ----.
 *                  ^                                        |
 *                  `---------- GUARD_QUARANTINE frees later-'
 *
 * No locks: a place is taken, and a block freed, by exchanging its state. So handlers and forked
 * children find nothing half done but a place that stays BUSY, which is lost.
 *
 * I1: at most GUARD_LIVE_MOST places are live or busy; guard_live counts them, and in a forked
 *     child perhaps a few that are not.
 * I2: a place that is not live has no access.
 * I3: the last GUARD_QUARANTINE places freed are not live.
 * Source of the idea: Electric Fence, and the sampling of it by GWP-ASan. */
#ifndef ARENITE_PAGES_GUARD_H
#define ARENITE_PAGES_GUARD_H

#include "os/trace.h"

#define GUARD_PLACES 512
#define GUARD_LIVE_MOST (GUARD_PLACES / 2)
/* One less than are never live, so that there is always one to take. */
#define GUARD_QUARANTINE (GUARD_PLACES - GUARD_LIVE_MOST)

enum guard_state {
    GUARD_UNUSED,
    GUARD_BUSY,
    GUARD_LIVE,
    GUARD_FREED,
};

/* One place. What is said about the block is that of the last one which was there. */
struct guard_place {
    uint32_t state;    /* enum guard_state */
    int32_t allocator; /* thread that allocated it */
    int32_t freer;     /* thread that freed it */
    uint32_t bytes;    /* asked for */
    uint32_t reported; /* a fault of this block was */
    uintptr_t memory;  /* 0: nothing was ever here */
    uint32_t freed_at; /* number of this free among all */
    struct trace allocated, freed;
};

/* Where they lie. Written once, by guard_open. */
struct guard_pool {
    uintptr_t start; /* of the first guard page; 0: no pool */
    size_t bytes;
    struct guard_place *places; /* GUARD_PLACES of them */
};
extern struct guard_pool guard_pool;

/* How many allocations there are to one that is guarded; 0: none is. Set before the first one. */
extern uint32_t guard_interval;
extern uint32_t guard_live;

/* Makes the pool. Once, before the first allocation; false when there is no memory for it. */
bool guard_open(void);

/* The largest block, for any alignment up to it. 0 when there is no pool. */
size_t guard_most_bytes(void);

/* A block of zeros at the end or the start of its page; NULL: no place is free, or the kernel
 * refuses. Thread-safe, also in handlers. */
void *guard_alloc(size_t alignment, size_t bytes, bool at_end);

/* Takes a live block's page away; false: another thread was faster. */
bool guard_free(void *memory);

/* Whether an address lies in the pool. */
INLINE bool guard_contains(const void *address) {
    return (uintptr_t)address - guard_pool.start < guard_pool.bytes;
}

/* The place whose page or guard pages an address of the pool lies in: in a guard page, that of the
 * nearer block. NULL: nothing was ever near. */
const struct guard_place *guard_find(const void *address);

/* True for the first caller since the block was allocated. */
bool guard_report_once(const struct guard_place *place);

/* The first byte beside a live block that was written to; NULL: none. */
const void *guard_find_damage(const struct guard_place *place);

/* Pages of live blocks. */
size_t guard_live_bytes(void);

/* NULL when I1 holds, blocks lie in their pages and the page map leads here, else the first broken
 * one. For a process that stands still. */
const char *guard_audit(void);

#endif
