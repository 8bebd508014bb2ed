/* slabs_audit.c - what is wrong with a thread's slabs, found by walking them.
 * Layer: thread (includes slab and below). */
#include "thread/slabs.h"

static const struct slab *slab_of(const struct list_link *link) {
    return LIST_ELEMENT(link, const struct slab, link);
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
    const struct slot *damage = caches_find_damage(thread, budget);
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

/* Where the owner's frees go. */
static bool is_list_right(const struct slab *slab) {
    bool is_direct = slab->state == SLAB_PARTIAL || sample_counts(slab->owner, slab->class_index);
    return slab->state == SLAB_SPARE ||
           slab->list == (is_direct ? &slab->own : &slab->owner->caches[slab->class_index]);
}

static const char *audit_listed(const struct slab *slab, enum slab_state state) {
    bool has_room = slab->carved - slab_live(slab) > slabs_slack(slab);
    if (slab->state != state) {
        return "a slab's state is not that of its list";
    }
    if (state == SLAB_SPARE && slab_live(slab) != 0) {
        return "a spare slab has live slots";
    }
    if (state == SLAB_FULL && has_room) {
        return "a full slab has room";
    }
    return is_list_right(slab) ? NULL : "what is freed into a slab goes to a wrong list";
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
        error = slab->state == SLAB_ACTIVE && is_list_right(slab)
                    ? slab_audit(slab)
                    : "an active slab's state or list is another";
        *idle += slabs_idle_bytes(slab);
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
    const char *error = caches_audit(thread);
    error = error != NULL ? error : audit_list(&thread->full, SLAB_FULL, &full);
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
