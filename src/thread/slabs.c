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

/* A slab of which this part is in use, or less, is nearly empty. */
#define SPARSE_SHARE 8

/* How many spare slabs are looked at for one that is laid out for the class already. */
#define SPARE_LOOKS 4

void slabs_init(struct thread *thread) {
    for (size_t i = 0; i < SLAB_CLASSES; i++) {
        thread->active[i] = &slab_none;
        for (size_t group = 0; group < SLAB_GROUPS; group++) {
            thread->partial[i][group].first = NULL;
        }
    }
    for (size_t span = 0; span < SLAB_SPANS; span++) {
        thread->spare[span].first = NULL;
    }
    thread->full.first = NULL;
    thread->spare_bytes = 0;
    thread->idle_bytes = 0;
    thread->sparse_bytes = 0;
    thread->holes_bytes = 0;
    thread->sparse = (struct retention){.high_bytes = 0};
}

static struct slab *slab_of(struct list_link *link) {
    return LIST_ELEMENT(link, struct slab, link);
}

static void put(struct list *list, struct slab *slab, enum slab_state state) {
    slab->state = (uint8_t)state;
    list_put_first(list, &slab->link);
}

/* A partly used slab leaves its list. */
static void leave_partial(struct thread *thread, const struct slab *slab) {
    bool is_sparse = slab->state == SLAB_PARTIAL && slab->group == 0 && slab->floor == 0;
    if (is_sparse) {
        size_t bytes = slab->span_bytes;
        thread->sparse_bytes -= bytes < thread->sparse_bytes ? bytes : thread->sparse_bytes;
    }
}

static struct slab *take_first(struct list *list) {
    struct list_link *link = list->first;
    if (link == NULL) {
        return NULL;
    }
    list_take(link);
    return slab_of(link);
}

/* ---- states --------------------------------------------------------------------------------- */

/* Within its first page, or with its first slots, an empty active slab costs what any slab costs:
 * nothing to look at. */
static bool is_small(const struct slab *slab) {
    uintptr_t end = slab->origin + slab_carved_bytes(slab);
    return end - slab->start <= os_page_bytes() || slab->carved <= STAYS_SLOTS;
}

static void watch(struct slab *slab) {
    slab_set_floor(slab, is_small(slab) ? FLOOR_NEVER : 0);
}

/* What an active slab that is not watched counts in idle_bytes. */
static size_t idle_bytes(const struct slab *slab) {
    return slab->floor == FLOOR_NEVER && !is_small(slab) ? slab_carved_bytes(slab) : 0;
}

/* Before an active slab is carved further, or is active no more. */
static void end_idle(struct thread *thread, const struct slab *slab) {
    thread->idle_bytes -= idle_bytes(slab);
}

/* One of the emptiest group is told once more, when it is nearly empty: an eighth is in use. */
static int32_t partial_floor(const struct slab *slab, unsigned group) {
    int32_t nearly_empty = slab->capacity / SPARSE_SHARE;
    bool is_above = group == 0 && (int32_t)slab_live(slab) > nearly_empty;
    return is_above ? nearly_empty : slab_group_floor(slab, group);
}

static void put_partial(struct thread *thread, struct slab *slab) {
    unsigned group = slab_group_of(slab);
    slab->group = (uint8_t)group;
    slab_set_floor(slab, partial_floor(slab, group));
    if (group == 0 && slab->floor == 0) {
        thread->sparse_bytes += slab->span_bytes;
    }
    put(&thread->partial[slab->class_index][group], slab, SLAB_PARTIAL);
}

/* Told when enough is free to be worth a look: one slot of large ones. */
static void put_full(struct thread *thread, struct slab *slab) {
    slab_set_floor(slab, (int32_t)slab_live(slab) - 1 - (int32_t)slabs_slack(slab));
    put(&thread->full, slab, SLAB_FULL);
}

/* What all threads together may keep, shared out among them. */
static size_t spare_limit(void) {
    size_t share = SPARE_ALL_BYTES / (thread_count() + 1);
    return share > SPARE_MIN_BYTES ? share : SPARE_MIN_BYTES;
}

/* Whether so many more bytes of empty slabs are within the share. */
static bool may_keep(const struct thread *thread, size_t bytes) {
    return thread->spare_bytes + thread->idle_bytes + bytes <= spare_limit();
}

static void put_spare(struct thread *thread, struct slab *slab) {
    if (!may_keep(thread, slab_carved_bytes(slab))) {
        depot_release(slab);
        return;
    }
    thread->spare_bytes += slab_carved_bytes(slab);
    put(&thread->spare[class_span(slab->class_index)], slab, SLAB_SPARE);
}

static void make_active(struct thread *thread, struct slab *slab) {
    slab->state = SLAB_ACTIVE;
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

/* Of a slab that was full: the next allocation would find the active one used up and take this
 * one. It is spared the way if that is known now. */
static void put_no_longer_full(struct thread *thread, struct slab *slab) {
    if (is_used_up(thread->active[slab->class_index])) {
        retire_active(thread, slab->class_index);
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
    if (may_keep(thread, slab_carved_bytes(slab))) {
        slab_set_floor(slab, FLOOR_NEVER);
        thread->idle_bytes += idle_bytes(slab);
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
    list_take(&slab->link);
    leave_partial(thread, slab);
    if (slab_live(slab) == 0) {
        put_spare(thread, slab);
    } else if (slab->state == SLAB_FULL) {
        put_no_longer_full(thread, slab);
    } else {
        put_partial(thread, slab);
    }
}

void slabs_free(struct thread *thread, struct slab *slab, struct slot *slot) {
    if (slab_push(slab, slot)) {
        slabs_look_at(thread, slab);
    }
}

/* ---- allocation ----------------------------------------------------------------------------- */

static struct slab *take_partial(struct thread *thread, size_t class_index) {
    for (unsigned group = SLAB_GROUPS; group-- != 0;) {
        struct slab *slab = take_first(&thread->partial[class_index][group]);
        if (slab != NULL) {
            leave_partial(thread, slab);
            return slab;
        }
    }
    return NULL;
}

/* The one emptied last, unless one of the class itself comes soon behind it: that one needs no
 * laying out. */
static struct slab *choose_spare(const struct list *spare, size_t class_index) {
    struct list_link *link = spare->first;
    for (unsigned looks = 0; link != NULL && looks < SPARE_LOOKS; looks++, link = link->next) {
        if (slab_of(link)->class_index == class_index) {
            return slab_of(link);
        }
    }
    return spare->first != NULL ? slab_of(spare->first) : NULL;
}

static struct slab *take_spare(struct thread *thread, size_t class_index) {
    struct slab *slab = choose_spare(&thread->spare[class_span(class_index)], class_index);
    if (slab != NULL) {
        list_take(&slab->link);
        thread->spare_bytes -= slab_carved_bytes(slab);
        if (slab->class_index != class_index) {
            depot_format(slab, class_index);
        }
    }
    return slab;
}

/* Takes the active slab of a class away when it is empty; NULL when it is not. */
static struct slab *take_empty_active(struct thread *thread, size_t class_index) {
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
        if (idle_bytes(thread->active[i]) == 0 || class_span(i) != class_span(class_index)) {
            continue;
        }
        struct slab *slab = take_empty_active(thread, i);
        if (slab != NULL) {
            depot_format(slab, class_index);
            return slab;
        }
        end_idle(thread, thread->active[i]);
        watch(thread->active[i]);
    }
    return NULL;
}

static struct slab *next_slab(struct thread *thread, size_t class_index) {
    struct slab *slab = take_partial(thread, class_index);
    if (slab == NULL) {
        slab = take_spare(thread, class_index);
    }
    if (slab == NULL) {
        slab = take_idle(thread, class_index);
    }
    if (slab == NULL) {
        slab = slabs_adopt(thread, class_index);
    }
    return slab != NULL ? slab : depot_new(thread, class_index);
}

/* The active slab can give nothing more: another takes its place. */
static struct slab *replace_active(struct thread *thread, size_t class_index) {
    retire_active(thread, class_index);
    struct slab *slab = next_slab(thread, class_index);
    if (slab == NULL) {
        return NULL;
    }
    if (slab_list_is_empty(slab)) {
        slab_carve(slab);
    }
    make_active(thread, slab);
    return slab;
}

/* The list of the active slab is used up, or its first word is damaged. What a damaged list held
 * counts as live from then on. */
static void refill(struct thread *thread, struct slab *slab) {
    if (!slab_list_is_empty(slab)) {
        slab_report_damage(slab);
        slab_recount(slab);
    }
    size_t class_index = slab->class_index;
    remote_collect(thread);
    if (thread->active[class_index] == slab && slab_list_is_empty(slab) && slab_can_carve(slab)) {
        end_idle(thread, slab);
        slab_carve(slab);
        watch(slab);
    }
}

void *slabs_alloc(struct thread *thread, size_t class_index) {
    void *slot = slab_pop_wide(thread->active[class_index]);
    if (slot == NULL && thread->active[class_index] != &slab_none) {
        refill(thread, thread->active[class_index]);
        slot = slab_pop_wide(thread->active[class_index]);
    }
    if (slot == NULL) {
        struct slab *slab = replace_active(thread, class_index);
        slot = slab != NULL ? slab_pop_wide(slab) : NULL;
    }
    return slot;
}

/* ---- trimming ------------------------------------------------------------------------------- */

bool slabs_trim(struct thread *thread) {
    bool any = false;
    for (size_t i = 1; i < SLAB_CLASSES; i++) {
        struct slab *slab = take_empty_active(thread, i);
        if (slab != NULL) {
            put(&thread->spare[class_span(i)], slab, SLAB_SPARE);
        }
    }
    for (size_t span = 0; span < SLAB_SPANS; span++) {
        any |= !list_is_empty(&thread->spare[span]);
        slabs_release_list(&thread->spare[span]);
    }
    thread->spare_bytes = 0;
    return any;
}

/* ---- damage ---------------------------------------------------------------------------------- */

static const struct slot *find_damage_in(const struct list *list, size_t *budget) {
    const struct slot *damage = NULL;
    for (struct list_link *link = list->first; link != NULL && damage == NULL && *budget != 0;
         link = link->next) {
        damage = slab_find_damage(slab_of(link), budget);
    }
    return damage;
}

const struct slot *slabs_find_damage(const struct thread *thread, size_t *budget) {
    const struct slot *damage = NULL;
    for (size_t i = 1; i < SLAB_CLASSES && damage == NULL && *budget != 0; i++) {
        if (thread->active[i] != &slab_none) {
            damage = slab_find_damage(thread->active[i], budget);
        }
        for (size_t group = 0; group < SLAB_GROUPS && damage == NULL; group++) {
            damage = find_damage_in(&thread->partial[i][group], budget);
        }
    }
    return damage;
}

/* ---- audit ---------------------------------------------------------------------------------- */

static const char *audit_listed(const struct slab *slab, enum slab_state state) {
    bool has_room = slab_can_carve(slab) || slab->carved - slab_live(slab) > slabs_slack(slab);
    if (slab->state != state) {
        return "a slab's state is not that of its list";
    }
    if (state == SLAB_SPARE && slab_live(slab) != 0) {
        return "a spare slab has live slots";
    }
    return state == SLAB_FULL && has_room ? "a full slab has room" : NULL;
}

/* Each link is checked against its counterpart, so that no circle is followed. */
static const char *audit_list(const struct list *list, enum slab_state state, size_t *carved) {
    struct list_link *const *from = &list->first;
    for (struct list_link *link = list->first; link != NULL; from = &link->next, link = *from) {
        const struct slab *slab = slab_of(link);
        if (link->pointed_by != from) {
            return "the links of a list of slabs disagree";
        }
        const char *wrong = audit_listed(slab, state);
        if (wrong != NULL) {
            return wrong;
        }
        *carved += slab_carved_bytes(slab);
        const char *error = slab_audit(slab);
        if (error != NULL) {
            return error;
        }
    }
    return NULL;
}

static const char *audit_class(const struct thread *thread, size_t class_index, size_t *idle) {
    size_t carved = 0;
    const char *error = NULL;
    const struct slab *slab = thread->active[class_index];
    if (slab != &slab_none) {
        error = slab->state == SLAB_ACTIVE ? slab_audit(slab) : "an active slab's state is another";
        *idle += idle_bytes(slab);
    }
    for (size_t group = 0; group < SLAB_GROUPS && error == NULL; group++) {
        error = audit_list(&thread->partial[class_index][group], SLAB_PARTIAL, &carved);
    }
    return error;
}

const char *slabs_audit(const struct thread *thread) {
    size_t spare = 0;
    size_t full = 0;
    size_t idle = 0;
    const char *error = audit_list(&thread->full, SLAB_FULL, &full);
    for (size_t span = 0; span < SLAB_SPANS && error == NULL; span++) {
        error = audit_list(&thread->spare[span], SLAB_SPARE, &spare);
    }
    for (size_t i = 1; i < SLAB_CLASSES && error == NULL; i++) {
        error = audit_class(thread, i, &idle);
    }
    if (error == NULL && spare != thread->spare_bytes) {
        error = "the spare slabs do not add up to their sum";
    }
    if (error == NULL && idle != thread->idle_bytes) {
        error = "the idle slabs do not add up to their sum";
    }
    return error;
}
