/* zero.c - see zero.h.
 * Layer: hardened (includes thread and below). */
#include "hardened/zero.h"

#include "os/lock.h"
#include "os/os.h"

#define ZERO_SLOTS UINT16_MAX
#define ZERO_BYTES ((size_t)1 << 20)
#define MARKS_BYTES (ZERO_BYTES / SLAB_STEP_BYTES * sizeof(struct slot_mark))
#define RECORDS_BYTES (MARKS_BYTES + ZERO_BYTES / SLAB_STEP_BYTES * sizeof(uint16_t))
_Static_assert(ZERO_SLOTS *SLAB_STEP_BYTES < ZERO_BYTES, "every address lies in the stretch");
_Static_assert(ZERO_BYTES % GRANULE_BYTES == 0, "the stretch is made of granules");

char zero_owner_mark;

/* Numbers of addresses, plus one: 0 is "none". */
static struct {
    struct lock lock;
    bool is_ready;
    struct slab slab;
    uint32_t fresh;       /* addresses handed out at least once */
    uint32_t first, last; /* of those that were freed */
    uint16_t *next;
} zero;

/* ---- the stretch ---------------------------------------------------------------------------- */

static bool enlist(uintptr_t start, uintptr_t marks) {
    struct slab *slab = &zero.slab;
    slab->start = start;
    slab_format_bare(slab, ZERO_SLOTS);
    __atomic_store_n(&slab->owner, zero_owner, __ATOMIC_RELEASE);
    return slab_set_marks(slab, marks) && page_map_prepare(start, start + ZERO_BYTES) == 0 &&
           page_map_set(start, start + ZERO_BYTES, slab, PAGE_RUN) == 0;
}

static bool make_ready(void) {
    void *reserved = os_reserve(ZERO_BYTES + GRANULE_BYTES, NULL);
    void *records = reserved != NULL ? os_map(RECORDS_BYTES) : NULL;
    uintptr_t start = align_up((uintptr_t)reserved, GRANULE_BYTES);
    zero.is_ready = records != NULL && enlist(start, (uintptr_t)records);
    zero.next = (uint16_t *)((uintptr_t)records + MARKS_BYTES);
    if (!zero.is_ready && records != NULL) {
        (void)os_release(records, RECORDS_BYTES);
    }
    if (!zero.is_ready && reserved != NULL) {
        (void)os_release(reserved, ZERO_BYTES + GRANULE_BYTES);
    }
    return zero.is_ready;
}

/* ---- addresses ------------------------------------------------------------------------------ */

static bool enter(bool may_wait) {
    if (may_wait) {
        lock_take(&zero.lock, LOCK_RANK_ZERO);
        return true;
    }
    return lock_try(&zero.lock, LOCK_RANK_ZERO);
}

static void leave(void) {
    lock_drop(&zero.lock, LOCK_RANK_ZERO);
}

static void put_number(uint32_t number) {
    zero.next[number - 1] = 0;
    if (zero.last != 0) {
        zero.next[zero.last - 1] = (uint16_t)number;
    } else {
        zero.first = number;
    }
    zero.last = number;
}

static uint32_t take_freed(void) {
    uint32_t number = zero.first;
    zero.first = zero.next[number - 1];
    zero.last = zero.first != 0 ? zero.last : 0;
    return number;
}

/* The next that is aligned to so many slots; those between are there for others. */
static uint32_t take_fresh(size_t slots) {
    while (zero.fresh < ZERO_SLOTS && zero.fresh % slots != 0) {
        put_number(++zero.fresh);
    }
    return zero.fresh < ZERO_SLOTS ? ++zero.fresh : 0;
}

static uint32_t take_number(size_t alignment) {
    bool is_plain = alignment <= SLAB_STEP_BYTES;
    return is_plain && zero.first != 0 ? take_freed()
                                       : take_fresh(is_plain ? 1 : alignment / SLAB_STEP_BYTES);
}

void *zero_alloc(size_t alignment, bool may_wait) {
    if (alignment > GRANULE_BYTES || !enter(may_wait)) {
        return NULL;
    }
    uint32_t number = zero.is_ready || make_ready() ? take_number(alignment) : 0;
    leave();
    return number != 0 ? (void *)(zero.slab.start + (number - 1) * SLAB_STEP_BYTES) : NULL;
}

void zero_free(void *address, bool may_wait) {
    if (enter(may_wait)) {
        put_number((uint32_t)slab_index_of(&zero.slab, address) + 1);
        leave();
    }
}

static void forget_freed(void) {
    zero.first = zero.last = 0;
    zero.fresh += zero.fresh < ZERO_SLOTS; /* one may have been counted by halves */
}

void zero_fork_child(void) {
    bool is_torn = lock_is_taken(&zero.lock) && !lock_is_mine(&zero.lock);
    lock_reset(&zero.lock);
    if (is_torn) {
        forget_freed();
    }
}

void zero_recover(void) {
    if (lock_inherit(&zero.lock, LOCK_RANK_ZERO)) {
        forget_freed();
        leave();
    }
}

/* While nobody changes the list. */
const char *zero_audit(void) {
    uint32_t number = zero.first, last = 0;
    for (uint32_t steps = 0; number != 0; steps++, number = zero.next[number - 1]) {
        bool is_free = number <= zero.fresh && steps < zero.fresh &&
                       mark_state(&slab_marks(&zero.slab)[number - 1]) != MARK_LIVE;
        if (!is_free) {
            return "the list of addresses for no bytes holds one that is not free";
        }
        last = number;
    }
    return last == zero.last ? NULL : "the list of addresses for no bytes does not end at its end";
}
