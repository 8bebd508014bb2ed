/* budget.c - see budget.h.
 * Layer: api (includes thread and below).
 *
 * Counted anew each time from the counters that arenas, page heaps and tables keep anyway, read
 * without their locks but for the page heaps': a moment's error is as good as growth in steps. */
#include "api/budget.h"

#include "api/names.h"
#include "chunk/keep.h"
#include "chunk/mapped_table.h"
#include "os/cgroup.h"
#include "pages/guard.h"
#include "pages/meta.h"
#include "pages/page_heap.h"
#include "thread/operation.h"

#include "arenite/arenite.h"

#include <malloc.h>

#define NO_LIMIT SIZE_MAX
/* Beyond the soft limit memory is given back each time that so much more is committed. */
#define SOFT_STEPS 16

bool budget_is_set;
static size_t hard_bytes = NO_LIMIT;
static size_t soft_bytes = NO_LIMIT;
static size_t next_soft_bytes = NO_LIMIT; /* where memory is given back next */

static arenite_limit_callback callback;
static void *callback_argument;

/* ---- limits ---------------------------------------------------------------------------------- */

static size_t resolve(uint64_t limit) {
    if ((limit & BUDGET_OF_CGROUP) != 0) {
        uint64_t whole = cgroup_memory_limit("/proc/self/cgroup", "/proc/self/mountinfo");
        uint64_t percent = limit & ~BUDGET_OF_CGROUP;
        limit = whole == CGROUP_UNLIMITED ? 0 : whole / 100 * percent + whole % 100 * percent / 100;
    }
    return limit == 0 || limit > SIZE_MAX ? NO_LIMIT : (size_t)limit;
}

static void note_limits(void) {
    __atomic_store_n(&next_soft_bytes, soft_bytes, __ATOMIC_RELAXED);
    __atomic_store_n(&budget_is_set, hard_bytes != NO_LIMIT || soft_bytes != NO_LIMIT,
                     __ATOMIC_RELAXED);
}

void budget_set_limit(uint64_t limit) {
    __atomic_store_n(&hard_bytes, resolve(limit), __ATOMIC_RELAXED);
    note_limits();
}

void budget_set_soft_limit(uint64_t limit) {
    __atomic_store_n(&soft_bytes, resolve(limit), __ATOMIC_RELAXED);
    note_limits();
}

EXPORT void arenite_set_limit_callback(arenite_limit_callback function, void *argument) {
    __atomic_store_n(&callback_argument, argument, __ATOMIC_RELAXED);
    __atomic_store_n(&callback, function, __ATOMIC_RELEASE);
}

/* ---- counting -------------------------------------------------------------------------------- */

READS_RACILY static size_t committed_in_arenas(void) {
    size_t bytes = 0;
    const struct arena *arena = &main_arena;
    do {
        const struct keep *keep = arena->keep;
        size_t clean = keep != NULL ? keep->clean_bytes : 0;
        bytes += arena->system_bytes;
        bytes -= clean < bytes ? clean : bytes;
        arena = arena_next(arena);
    } while (arena != &main_arena);
    return bytes;
}

/* What threads keep of freed large blocks. */
READS_RACILY static size_t committed_in_regions(void) {
    size_t bytes = 0;
    for (const struct thread *thread = thread_first(); thread != NULL; thread = thread->next) {
        bytes += thread->regions.dirty_bytes;
    }
    return bytes;
}

size_t budget_committed(void) {
    struct page_heap_stats pages = page_heap_statistics();
    return committed_in_arenas() + committed_in_regions() + pages.in_use_bytes +
           pages.free_dirty_bytes + pages.purging_bytes + pages.annex_bytes +
           __atomic_load_n(&mapped_counts.bytes, __ATOMIC_RELAXED) + guard_live_bytes() +
           meta_mapped_bytes();
}

/* ---- the look -------------------------------------------------------------------------------- */

static bool is_within(size_t bytes) {
    size_t committed = budget_committed();
    size_t limit = __atomic_load_n(&hard_bytes, __ATOMIC_RELAXED);
    return committed <= limit && bytes <= limit - committed;
}

/* One thread is enough, and not for every request. */
static void keep_soft_limit(void) {
    size_t next = __atomic_load_n(&next_soft_bytes, __ATOMIC_RELAXED);
    if (budget_committed() <= next) {
        return;
    }
    API(malloc_trim)(0);
    size_t limit = __atomic_load_n(&soft_bytes, __ATOMIC_RELAXED);
    size_t step = limit / SOFT_STEPS;
    size_t left = budget_committed();
    next = left < limit ? limit : left + (left < NO_LIMIT - step ? step : 0);
    __atomic_store_n(&next_soft_bytes, next, __ATOMIC_RELAXED);
}

/* The callback may free memory, and may allocate: then without a callback. */
static bool ask_callback(size_t bytes) {
    arenite_limit_callback function = __atomic_load_n(&callback, __ATOMIC_ACQUIRE);
    if (function == NULL || thread_own->is_in_callback) {
        return false;
    }
    thread_own->is_in_callback = true;
    function(bytes, budget_committed(), __atomic_load_n(&callback_argument, __ATOMIC_RELAXED));
    thread_own->is_in_callback = false;
    API(malloc_trim)(0);
    return is_within(bytes);
}

COLD bool budget_allows_slow(size_t bytes) {
    if (thread_operation != NULL) {
        return true;
    }
    keep_soft_limit();
    if (is_within(bytes)) {
        return true;
    }
    API(malloc_trim)(0);
    return is_within(bytes) || ask_callback(bytes);
}
