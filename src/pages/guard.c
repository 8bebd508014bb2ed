/* guard.c - see guard.h.
 * Layer: pages (includes base, os). */
#include "pages/guard.h"

#include "base/bits.h"
#include "os/os.h"
#include "os/report.h"
#include "pages/meta.h"
#include "pages/page_map.h"

#include <string.h>

_Static_assert(GUARD_LIVE_MOST + GUARD_QUARANTINE <= GUARD_PLACES,
               "there is always a place that is neither live nor in quarantine");

/* Neither zero nor a letter: what is written by mistake is mostly one of these. */
#define PATTERN 0xd3

uint32_t guard_interval;
uint32_t guard_live;

struct guard_pool guard_pool;

static uint32_t turn;  /* where the search for a place goes on */
static uint32_t frees; /* so far; wraps around: a place is then found free a little late */

/* ---- geometry -------------------------------------------------------------------------------- */

static size_t page_bytes(void) {
    return os_page_bytes();
}

static uintptr_t page_of(size_t index) {
    return guard_pool.start + (2 * index + 1) * page_bytes();
}

static uintptr_t page_of_place(const struct guard_place *place) {
    return page_of((size_t)(place - guard_pool.places));
}

size_t guard_most_bytes(void) {
    return guard_pool.start != 0 ? page_bytes() : 0;
}

/* ---- making the pool ------------------------------------------------------------------------- */

/* Whole granules, so that no other owner shares one. */
static uintptr_t reserve(size_t bytes) {
    uintptr_t start = (uintptr_t)os_reserve(bytes + GRANULE_BYTES, NULL);
    if (start == 0) {
        return 0;
    }
    uintptr_t first = align_up(start, GRANULE_BYTES), past = start + bytes + GRANULE_BYTES;
    if (first != start) {
        (void)os_release((void *)start, first - start);
    }
    (void)os_release((void *)(first + bytes), past - first - bytes);
    return first;
}

bool guard_open(void) {
    size_t bytes = align_up((2 * (size_t)GUARD_PLACES + 1) * page_bytes(), GRANULE_BYTES);
    uintptr_t start = reserve(bytes);
    if (start == 0) {
        return false;
    }
    guard_pool.places = meta_alloc(GUARD_PLACES * sizeof *guard_pool.places, CACHE_LINE_BYTES);
    if (guard_pool.places == NULL ||
        page_map_set(start, start + bytes, page_map.guarded, PAGE_GUARDED) < 0) {
        (void)os_release((void *)start, bytes);
        return false;
    }
    guard_pool.bytes = bytes;
    guard_pool.start = start;
    return true;
}

/* ---- a place for a block --------------------------------------------------------------------- */

static bool claim(struct guard_place *place, uint32_t from) {
    return __atomic_compare_exchange_n(&place->state, &from, GUARD_BUSY, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

static void settle(struct guard_place *place, enum guard_state state) {
    __atomic_store_n(&place->state, (uint32_t)state, __ATOMIC_RELEASE);
}

static uint32_t state_of(const struct guard_place *place) {
    return __atomic_load_n(&place->state, __ATOMIC_ACQUIRE);
}

/* What a place that nobody holds can be taken from; GUARD_BUSY: it cannot. */
static uint32_t state_to_take(const struct guard_place *place) {
    uint32_t state = state_of(place);
    uint32_t now = __atomic_load_n(&frees, __ATOMIC_RELAXED);
    uint32_t freed_at = __atomic_load_n(&place->freed_at, __ATOMIC_RELAXED);
    bool may =
        state == GUARD_UNUSED || (state == GUARD_FREED && now - freed_at >= GUARD_QUARANTINE);
    return may ? state : GUARD_BUSY;
}

/* Among others that search at the same time, a place may be missed: the block is not guarded. */
static struct guard_place *take_place(uint32_t *former) {
    for (size_t tries = 0; tries < GUARD_PLACES; tries++) {
        size_t index = __atomic_fetch_add(&turn, 1, __ATOMIC_RELAXED) % GUARD_PLACES;
        struct guard_place *place = &guard_pool.places[index];
        *former = state_to_take(place);
        if (*former != GUARD_BUSY && claim(place, *former)) {
            return place;
        }
    }
    return NULL;
}

static bool count_one_more(void) {
    if (__atomic_load_n(&guard_live, __ATOMIC_RELAXED) >= GUARD_LIVE_MOST) {
        return false;
    }
    if (__atomic_add_fetch(&guard_live, 1, __ATOMIC_RELAXED) <= GUARD_LIVE_MOST) {
        return true;
    }
    __atomic_sub_fetch(&guard_live, 1, __ATOMIC_RELAXED);
    return false;
}

static void count_one_less(void) {
    __atomic_sub_fetch(&guard_live, 1, __ATOMIC_RELAXED);
}

/* ---- a block in its page --------------------------------------------------------------------- */

/* Bytes of the page in front of the block, and behind it. */
static size_t front_bytes(const struct guard_place *place) {
    return place->memory - page_of_place(place);
}

static size_t back_bytes(const struct guard_place *place) {
    return page_bytes() - front_bytes(place) - place->bytes;
}

/* A page that could not be taken away holds what was there. */
static void fill(const struct guard_place *place) {
    memset((void *)page_of_place(place), PATTERN, front_bytes(place));
    memset((void *)place->memory, 0, place->bytes);
    memset((void *)(place->memory + place->bytes), PATTERN, back_bytes(place));
}

static const void *find_written(uintptr_t start, size_t bytes) {
    const unsigned char *at = (const unsigned char *)start;
    size_t i = 0;
    while (i < bytes && at[i] == PATTERN) {
        i++;
    }
    return i < bytes ? &at[i] : NULL;
}

const void *guard_find_damage(const struct guard_place *place) {
    const void *behind = find_written(place->memory + place->bytes, back_bytes(place));
    return behind != NULL ? behind : find_written(page_of_place(place), front_bytes(place));
}

static void lay_out(struct guard_place *place, size_t alignment, size_t bytes, bool at_end) {
    uintptr_t page = page_of_place(place);
    size_t needed = align_up(bytes + (bytes == 0), alignment);
    place->memory = at_end ? page + page_bytes() - needed : page;
    place->bytes = (uint32_t)bytes;
    place->allocator = os_thread_id();
    place->freer = 0;
    place->reported = 0;
    memset(&place->freed, 0, sizeof place->freed);
    trace_take(&place->allocated);
    fill(place);
}

void *guard_alloc(size_t alignment, size_t bytes, bool at_end) {
    uint32_t former;
    if (bytes > guard_most_bytes() || alignment > guard_most_bytes() || !count_one_more()) {
        return NULL;
    }
    struct guard_place *place = take_place(&former);
    if (place != NULL && os_commit((void *)page_of_place(place), page_bytes()) == 0) {
        lay_out(place, alignment, bytes, at_end);
        settle(place, GUARD_LIVE);
        return (void *)place->memory;
    }
    if (place != NULL) {
        settle(place, (enum guard_state)former);
    }
    count_one_less();
    return NULL;
}

/* A page that the kernel does not take away stays readable: then only a second free is noticed. */
bool guard_free(void *memory) {
    size_t index = ((uintptr_t)memory - guard_pool.start) / page_bytes() / 2;
    struct guard_place *place = &guard_pool.places[index];
    if (!claim(place, GUARD_LIVE)) {
        return false;
    }
    place->freer = os_thread_id();
    trace_take(&place->freed);
    (void)os_decommit((void *)page_of(index), page_bytes());
    uint32_t number = __atomic_add_fetch(&frees, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&place->freed_at, number, __ATOMIC_RELAXED);
    settle(place, GUARD_FREED);
    count_one_less();
    return true;
}

/* ---- finding --------------------------------------------------------------------------------- */

/* The place of an index that may be one too low or too high; NULL: nothing was ever there. */
static const struct guard_place *place_at(size_t index) {
    bool is_one = index < GUARD_PLACES && guard_pool.places[index].memory != 0;
    return is_one ? &guard_pool.places[index] : NULL;
}

/* In a guard page: the block that ends nearer, or starts nearer. */
static const struct guard_place *nearer(uintptr_t at, const struct guard_place *before,
                                        const struct guard_place *behind) {
    if (before == NULL || behind == NULL) {
        return before != NULL ? before : behind;
    }
    return at - (before->memory + before->bytes) <= behind->memory - at ? before : behind;
}

const struct guard_place *guard_find(const void *address) {
    size_t page = ((uintptr_t)address - guard_pool.start) / page_bytes();
    if (page % 2 != 0) {
        return place_at(page / 2);
    }
    return nearer((uintptr_t)address, place_at(page / 2 - 1), place_at(page / 2));
}

bool guard_report_once(const struct guard_place *place) {
    uint32_t *reported = &guard_pool.places[place - guard_pool.places].reported;
    return __atomic_exchange_n(reported, 1, __ATOMIC_RELAXED) == 0;
}

size_t guard_live_bytes(void) {
    return __atomic_load_n(&guard_live, __ATOMIC_RELAXED) * page_bytes();
}

/* ---- audit ----------------------------------------------------------------------------------- */

static const char *audit_place(const struct guard_place *place) {
    uintptr_t page = page_of_place(place);
    bool is_live = state_of(place) == GUARD_LIVE;
    if (page_entry_kind(page_map_get((const void *)page)) != PAGE_GUARDED) {
        return "the page map does not lead to the pool of guarded blocks";
    }
    if (is_live && (place->memory - page > page_bytes() ||
                    place->bytes > page + page_bytes() - place->memory)) {
        return "a guarded block does not lie in its page";
    }
    return NULL;
}

const char *guard_audit(void) {
    const char *error = NULL;
    size_t used = 0;
    for (size_t i = 0; i < GUARD_PLACES && guard_pool.start != 0 && error == NULL; i++) {
        uint32_t state = state_of(&guard_pool.places[i]);
        used += state == GUARD_LIVE || state == GUARD_BUSY;
        error = audit_place(&guard_pool.places[i]);
    }
    if (error == NULL && used > __atomic_load_n(&guard_live, __ATOMIC_RELAXED)) {
        error = "more blocks are guarded than are counted";
    }
    return error;
}
