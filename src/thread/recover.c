/* recover.c - see recover.h.
 * Layer: thread (includes chunk and below). */
#include "thread/recover.h"

#include "chunk/mapped_lock.h"
#include "chunk/params.h"
#include "chunk/sweep.h"
#include "pages/meta.h"
#include "pages/page_map.h"
#include "thread/large.h"
#include "thread/quarantine.h"
#include "thread/remote.h"
#include "thread/slabs.h"

struct thread_losses thread_losses;
bool (*recover_arena_is_sound)(struct arena *arena);
void (*recover_above)(void);

static void count(size_t *number, size_t more) {
    __atomic_add_fetch(number, more, __ATOMIC_RELAXED);
}

/* ---- arenas ---------------------------------------------------------------------------------- */

static void set_aside(struct arena *arena) {
    count(&thread_losses.arenas, 1);
    count(&thread_losses.arena_bytes, arena->system_bytes);
    arena_set_aside(arena);
}

static void recover_arena(struct arena *arena) {
    if (!lock_inherit(&arena->lock, LOCK_RANK_ARENA)) {
        return;
    }
    arena->last_remainder = NULL;
    if (recover_arena_is_sound != NULL && recover_arena_is_sound(arena)) {
        arena_unlock(arena);
    } else {
        set_aside(arena);
    }
}

static void recover_arenas(void) {
    struct arena *arena = &main_arena;
    do {
        recover_arena(arena);
        sweep_recover(arena);
        arena = arena_next(arena);
    } while (arena != &main_arena);
}

/* ---- the thread's own ------------------------------------------------------------------------ */

/* What its lists held is what its records say. */
static void recover_slabs(struct thread *thread) {
    caches_recount(thread);
    slabs_forget(thread);
    for (struct slab *slab = __atomic_load_n(&depot_records, __ATOMIC_ACQUIRE); slab != NULL;
         slab = slab->next_record) {
        if (__atomic_load_n(&slab->owner, __ATOMIC_RELAXED) == thread) {
            depot_mend(slab);
            slabs_place(thread, slab);
        }
    }
}

static void recover_lists(struct thread *thread) {
    if (thread->has_lists && !params.slabs && params.perturb == 0) {
        quick_recount(&thread->quick, params.quick_count, params.quick_bytes);
    }
    if (thread->medium != NULL) {
        medium_recount(thread->medium);
    }
}

static void recover_own(struct thread *thread) {
    recover_lists(thread);
    quarantine_recount(thread);
    recover_slabs(thread);
    large_abandon(thread);
    remote_recover(thread);
}

void thread_recover(void) {
    struct thread *thread = thread_own;
    count(&thread_losses.operations, 1);
    lock_order_reset();
    lock_entered = 0;
    meta_recover();
    page_map_recover();
    mapped_lock_recover();
    page_heap_recover();
    depot_recover(thread);
    thread_list_recover();
    arena_list_recover();
    recover_arenas();
    if (thread->attached != 0) {
        recover_own(thread);
    }
    if (recover_above != NULL) {
        recover_above();
    }
}
