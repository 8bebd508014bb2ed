/* slabs.c - see slabs.h.
 * Layer: thread (includes slab and below). */
#include "thread/slabs.h"

#include "os/os.h"
#include "thread/remote.h"

/* Floor of an active slab that need not be told when it is empty. */
#define FLOOR_NEVER (INT32_MIN / 2)

/* So many carved slots may stay in an empty active slab, of whatever size: a pair is served from
 * it without a look. */
#define STAYS_SLOTS 2

/* How many spare slabs are looked at for one that is laid out for the class already. */
#define SPARE_LOOKS 64

static struct slab *slab_of(struct list_link *link) {
    return LIST_ELEMENT(link, struct slab, link);
}

static void put(struct list *list, struct slab *slab, enum slab_state state) {
    slab->state = (uint8_t)state;
    list_put_first(list, &slab->link);
}

/* A partly used slab leaves its list. */
static void leave_partial(struct thread *thread, const struct slab *slab) {
    if (slabs_is_sparse(slab)) {
        size_t bytes = slab->span_bytes;
        thread->sparse_bytes -= bytes < thread->sparse_bytes ? bytes : thread->sparse_bytes;
    }
}

/* ---- states --------------------------------------------------------------------------------- */

/* Within its first page, or with its first slots, an empty active slab costs what any slab costs:
 * nothing to look at. */
static bool is_small(const struct slab *slab) {
    size_t bytes = slab->origin - slab->start + slab_carved_bytes(slab);
    bool is_counted = sample_counts(slab->owner, slab->class_index);
    size_t stays = is_counted ? 2 * SAMPLE_FILL_SLOTS : STAYS_SLOTS;
    return slab->carved <= stays || (bytes < GRANULE_BYTES && bytes <= os_page_bytes());
}

static void watch(struct slab *slab) {
    slab_set_floor(slab, is_small(slab) ? FLOOR_NEVER : 0);
}

size_t slabs_idle_bytes(const struct slab *slab) {
    return slab->own.floor == FLOOR_NEVER && !is_small(slab) ? slab_carved_bytes(slab) : 0;
}

/* ---- what the thread has shown that it takes again ------------------------------------------- */

static void note_emptied(struct thread *thread, const struct slab *slab) {
    thread->emptied_bytes += class_span_bytes(slab->class_index);
    retention_note(&thread->retention, thread->emptied_bytes);
    if (retention_tick(&thread->retention)) {
        retention_look(&thread->retention, thread->emptied_bytes, os_clock_ns());
    }
}

/* A slab for the class was taken, wherever from. */
static void note_taken(struct thread *thread, size_t class_index) {
    size_t bytes = class_span_bytes(class_index);
    thread->emptied_bytes -= bytes < thread->emptied_bytes ? bytes : thread->emptied_bytes;
    retention_note(&thread->retention, thread->emptied_bytes);
}

/* A part of what all threads together may keep, 32 KiB at least. */
static size_t share_of(size_t all_bytes) {
    size_t share = all_bytes / (thread_count() + 1);
    return share > SPARE_MIN_BYTES ? share : SPARE_MIN_BYTES;
}

static size_t spare_limit(const struct thread *thread) {
    size_t earned = share_of(SPARE_ALL_BYTES) + retention_earned(&thread->retention);
    size_t most = share_of(SPARE_MOST_BYTES);
    return earned < most ? earned : most;
}

/* Whether so many more bytes of empty slabs are within the share. */
static bool may_keep(const struct thread *thread, size_t bytes) {
    return thread->spare_bytes + thread->idle_bytes + bytes <= spare_limit(thread);
}

/* ---- changes of state ------------------------------------------------------------------------ */

/* Before an active slab is carved further, or is active no more. */
static void end_idle(struct thread *thread, const struct slab *slab) {
    size_t bytes = slabs_idle_bytes(slab);
    if (bytes != 0) {
        thread->idle_bytes -= bytes;
        note_taken(thread, slab->class_index);
    }
}

/* One of the emptiest group is told once more when it is nearly empty, and then each time half of
 * what was left has been freed. */
static int32_t partial_floor(const struct slab *slab, unsigned group) {
    int32_t live = (int32_t)slab_live(slab), few = (int32_t)slab_few(slab);
    if (group != 0) {
        return slab_group_floor(slab, group);
    }
    return live > few ? few : live / 2;
}

static void put_partial(struct thread *thread, struct slab *slab) {
    slab->list = &slab->own;
    unsigned group = slab_group_of(slab);
    slab->group = (uint8_t)group;
    slab_set_floor(slab, partial_floor(slab, group));
    put(&thread->partial[slab->class_index][group], slab, SLAB_PARTIAL);
    thread->sparse_bytes += slabs_is_sparse(slab) ? slab->span_bytes : 0;
}

/* Told when enough is free to be worth a look: one slot of large ones. */
static void set_full_floor(struct slab *slab) {
    slab_set_floor(slab, (int32_t)slab_live(slab) - 1 - (int32_t)slabs_slack(slab));
}

static void put_full(struct thread *thread, struct slab *slab) {
    set_full_floor(slab);
    put(&thread->full, slab, SLAB_FULL);
}

static void put_spare(struct thread *thread, struct slab *slab) {
    note_emptied(thread, slab);
    if (!may_keep(thread, slab_carved_bytes(slab))) {
        depot_release(slab);
        return;
    }
    thread->spare_bytes += slab_carved_bytes(slab);
    put(&thread->spare[class_span(slab->class_index)], slab, SLAB_SPARE);
}

static void make_active(struct thread *thread, struct slab *slab) {
    slab->state = SLAB_ACTIVE;
    slab->list = slabs_list(thread, slab);
    watch(slab);
    thread->active[slab->class_index] = slab;
}

/* The active slab can give nothing more: it becomes a full one. */
static void retire_active(struct thread *thread, size_t class_index) {
    struct slab *used_up = thread->active[class_index];
    if (used_up != &slab_none) {
        end_idle(thread, used_up);
        put_full(thread, used_up);
    }
    thread->active[class_index] = &slab_none;
}

static bool is_used_up(const struct slab *slab) {
    return slab_list_is_empty(slab) && !slab_can_carve(slab);
}

/* Two slabs change places: the active one, used up, and one that is no longer full. */
static void swap_active(struct thread *thread, struct slab *used_up, struct slab *slab) {
    end_idle(thread, used_up);
    list_replace(&slab->link, &used_up->link);
    used_up->state = SLAB_FULL;
    set_full_floor(used_up);
    make_active(thread, slab);
}

/* Of a slab that was full: the next allocation would find the active one used up and take this
 * one. It is spared the way if that is known now. */
static void no_longer_full(struct thread *thread, struct slab *slab) {
    struct slab *active = thread->active[slab->class_index];
    if (is_used_up(active) && LIKELY(active != &slab_none)) {
        swap_active(thread, active, slab);
        return;
    }
    list_take(&slab->link);
    if (active == &slab_none) {
        make_active(thread, slab);
    } else {
        put_partial(thread, slab);
    }
}

/* An empty active slab stays where it is and is not watched again, so that a class whose blocks
 * come and go does not change slabs each time; another class that needs a slab takes it away. */
static void look_at_active(struct thread *thread, struct slab *slab) {
    if (slab_live(slab) != 0) {
        return;
    }
    note_emptied(thread, slab);
    if (may_keep(thread, slab_carved_bytes(slab))) {
        slab_set_floor(slab, FLOOR_NEVER);
        thread->idle_bytes += slabs_idle_bytes(slab);
        return;
    }
    thread->active[slab->class_index] = &slab_none;
    depot_release(slab);
}

void slabs_look_at(struct thread *thread, struct slab *slab) {
    if (slab->state == SLAB_ACTIVE) {
        look_at_active(thread, slab);
        return;
    }
    if (slab->state == SLAB_FULL && slab_live(slab) != 0) {
        no_longer_full(thread, slab);
        return;
    }
    list_take(&slab->link);
    leave_partial(thread, slab);
    if (slab_live(slab) == 0) {
        put_spare(thread, slab);
    } else {
        put_partial(thread, slab);
    }
}

void slabs_free_run(struct thread *thread, struct slab *slab, struct slot *first, struct slot *last,
                    size_t count) {
    int32_t until = slab->own.until;
    slot_set_next(last, slab->own.head, slot_fresh_flag(last));
    compiler_fence();
    slab->own.head = first;
    slab->own.until = until - (int32_t)count;
    if (slab->own.until <= 0) {
        slabs_look_at(thread, slab);
    }
}

/* One that was being laid out has nothing carved, and what its record says may not fit together. */
void slabs_place(struct thread *thread, struct slab *slab) {
    if (slab->carved == 0) {
        depot_release(slab);
    } else if (slab_live(slab) == 0) {
        put_spare(thread, slab);
    } else if (is_used_up(slab)) {
        slab->list = &thread->caches[slab->class_index];
        put_full(thread, slab);
    } else {
        put_partial(thread, slab);
    }
}

/* ---- allocation ----------------------------------------------------------------------------- */

/* The fullest, as far as groups say; listed: one with slots in its list, of each group's first. */
static struct slab *take_partial(struct thread *thread, size_t class_index, bool listed) {
    for (unsigned group = SLAB_GROUPS; group-- != 0;) {
        struct list_link *link = thread->partial[class_index][group].first;
        if (link != NULL && (!listed || !slab_list_is_empty(slab_of(link)))) {
            list_take(link);
            leave_partial(thread, slab_of(link));
            return slab_of(link);
        }
    }
    return NULL;
}

/* The one emptied last, unless there is one of the class itself: that one needs no laying out, and
 * its pages are touched as far as the class needs them. */
static struct slab *find_spare(const struct thread *thread, size_t class_index) {
    const struct list *spare = &thread->spare[class_span(class_index)];
    struct list_link *link = spare->first;
    for (unsigned looks = 0; link != NULL && looks < SPARE_LOOKS; looks++, link = link->next) {
        if (slab_of(link)->class_index == class_index) {
            return slab_of(link);
        }
    }
    return spare->first != NULL ? slab_of(spare->first) : NULL;
}

static struct slab *take_spare(struct thread *thread, size_t class_index, struct slab *slab) {
    if (slab != NULL) {
        list_take(&slab->link);
        thread->spare_bytes -= slab_carved_bytes(slab);
        note_taken(thread, class_index);
        if (slab->class_index != class_index) {
            depot_format(slab, class_index);
        }
    }
    return slab;
}

/* Takes the active slab of a class away when it is empty; NULL when it is not. */
struct slab *slabs_take_empty_active(struct thread *thread, size_t class_index) {
    struct slab *slab = thread->active[class_index];
    if (slab == &slab_none || slab_live(slab) != 0) {
        return NULL;
    }
    end_idle(thread, slab);
    thread->active[class_index] = &slab_none;
    return slab;
}

/* An idle slab that has come to be in use again is watched again. */
static struct slab *take_idle(struct thread *thread, size_t class_index) {
    for (size_t i = 1; i < SLAB_CLASSES && thread->idle_bytes != 0; i++) {
        if (slabs_idle_bytes(thread->active[i]) == 0 || class_span(i) != class_span(class_index)) {
            continue;
        }
        struct slab *slab = slabs_take_empty_active(thread, i);
        if (slab != NULL) {
            depot_format(slab, class_index);
            return slab;
        }
        end_idle(thread, thread->active[i]);
        watch(thread->active[i]);
    }
    return NULL;
}

static struct slab *noted(struct thread *thread, struct slab *slab) {
    if (slab != NULL) {
        note_taken(thread, slab->class_index);
    }
    return slab;
}

static struct slab *take_from_depot(struct thread *thread, size_t class_index) {
    struct slab *slab = slabs_adopt(thread, class_index);
    return noted(thread, slab != NULL ? slab : depot_new(thread, class_index));
}

static struct slab *next_slab(struct thread *thread, size_t class_index) {
    struct slab *slab = take_partial(thread, class_index, false);
    if (slab == NULL) {
        slab = take_spare(thread, class_index, find_spare(thread, class_index));
    }
    if (slab == NULL) {
        slab = take_idle(thread, class_index);
    }
    return slab != NULL ? slab : take_from_depot(thread, class_index);
}

static void begin_with(struct thread *thread, struct slab *slab) {
    if (slab_list_is_empty(slab)) {
        slab_carve(slab);
    }
    make_active(thread, slab);
}

/* The active slab can give nothing more: another takes its place. */
static struct slab *replace_active(struct thread *thread, size_t class_index) {
    retire_active(thread, class_index);
    struct slab *slab = next_slab(thread, class_index);
    if (slab != NULL) {
        begin_with(thread, slab);
    }
    return slab;
}

/* An empty slab with more of its pages than `slab` has; NULL. */
static struct slab *take_fuller(struct thread *thread, const struct slab *slab) {
    size_t class_index = slab->class_index, touched = slab_touched_bytes(slab);
    struct slab *spare = find_spare(thread, class_index);
    if (spare != NULL && slab_touched_bytes(spare) > touched) {
        return take_spare(thread, class_index, spare);
    }
    if (touched > slab->span_bytes / 2 || !page_heap_has_dirty()) {
        return NULL;
    }
    return noted(thread, depot_new_touched(thread, class_index, 2 * touched));
}

/* The active slab's list is used up, and carving it would fault: a partly used slab with free slots
 * takes its place, and it waits among these; or an empty one with more pages, and it counts as
 * full. What it lacks stays untouched. False: neither is there. */
static bool leave_active(struct thread *thread, struct slab *slab) {
    struct slab *listed = take_partial(thread, slab->class_index, true);
    if (listed != NULL) {
        put_partial(thread, slab);
        make_active(thread, listed);
        return true;
    }
    struct slab *fuller = take_fuller(thread, slab);
    if (fuller != NULL) {
        put_full(thread, slab);
        begin_with(thread, fuller);
    }
    return fuller != NULL;
}

static void carve_or_leave(struct thread *thread, struct slab *slab) {
    end_idle(thread, slab);
    if (slab_has_next_page(slab) || !leave_active(thread, slab)) {
        slab_carve(slab);
        watch(slab);
    }
}

void slabs_stock(struct thread *thread, struct slab *slab, size_t slots) {
    if (slab->carved - slab_live(slab) >= slots || !slab_can_carve(slab)) {
        return;
    }
    end_idle(thread, slab);
    while (slab->carved - slab_live(slab) < slots && slab_can_carve(slab)) {
        slab_carve(slab);
    }
    watch(slab);
}

/* The list of the active slab is used up, or its first word is damaged. What a damaged list held
 * counts as live from then on. */
static void refill(struct thread *thread, struct slab *slab) {
    if (!slab_list_is_empty(slab)) {
        slab_report_damage(slab);
        end_idle(thread, slab);
        slab_recount(slab);
    }
    if (slab_list_is_empty(slab) && slab_can_carve(slab)) {
        carve_or_leave(thread, slab);
    }
}

struct slab *slabs_ready(struct thread *thread, size_t class_index) {
    struct slab *slab = thread->active[class_index];
    if (slab != &slab_none && !slab_is_ready(slab)) {
        refill(thread, slab);
        slab = thread->active[class_index];
    }
    return slab_is_ready(slab) ? slab : replace_active(thread, class_index);
}
