/* support_slabs.c - see support_slabs.h.
 * Layer: tests (includes thread and below). */
#include "support_slabs.h"

#include "thread/operation.h"
#include "thread/remote.h"
#include "thread/slabs.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool is_in(const struct list *list, const struct list_link *link) {
    const struct list_link *at = list->first;
    while (at != NULL && at != link) {
        at = at->next;
    }
    return at != NULL;
}

static bool is_partial(const struct thread *thread, const struct slab *slab) {
    return slab->group < SLAB_GROUPS && slab_group_of(slab) <= slab->group &&
           is_in(&thread->partial[slab->class_index][slab->group], &slab->link);
}

static bool is_where_it_says(const struct slab *slab) {
    const struct thread *thread = slab->owner;
    switch (slab->state) {
    case SLAB_ACTIVE:
        return thread->active[slab->class_index] == slab && slab->link.pointed_by == NULL;
    case SLAB_PARTIAL:
        return is_partial(thread, slab);
    case SLAB_FULL:
        return is_in(&thread->full, &slab->link) &&
               slab->carved - slab_live(slab) <= slabs_slack(slab);
    case SLAB_SPARE:
        return is_in(&thread->spare[class_span(slab->class_index)], &slab->link) &&
               slab_live(slab) == 0;
    default:
        return false;
    }
}

static const char *check_owned(const struct slab *slab) {
    const struct thread *thread = thread_first();
    while (thread != NULL && thread != slab->owner) {
        thread = thread->next;
    }
    if (thread == NULL || thread->attached == 0) {
        return "a slab's owner is no attached thread";
    }
    return is_where_it_says(slab) ? NULL : "a slab is not in the list of its state";
}

static const char *check_record(const struct slab *slab, struct slab_count *count) {
    count->slabs++;
    count->depot += slab->owner == depot_owner;
    count->spare += slab->state == SLAB_SPARE;
    count->live += slab_live(slab);
    if (slab_at((void *)slab->start) != slab) {
        return "the page map does not lead to a slab's record";
    }
    if (slab->owner == depot_torn) {
        return NULL;
    }
    const char *error = slab->owner == depot_owner ? NULL : check_owned(slab);
    return error != NULL ? error : slab_audit(slab);
}

const char *slabs_recount(struct slab_count *count) {
    struct slab_count sums = {0};
    const char *error = depot_audit();
    for (const struct slab *slab = depot_records; slab != NULL && error == NULL;
         slab = slab->next_record) {
        if (slab->state != SLAB_UNUSED) {
            error = check_record(slab, &sums);
        }
    }
    for (const struct thread *thread = thread_first(); thread != NULL && error == NULL;
         thread = thread->next) {
        error = slabs_audit(thread);
    }
    if (count != NULL) {
        *count = sums;
    }
    return error;
}

void slabs_expect_sound(void) {
    const char *error = slabs_recount(NULL);
    if (error != NULL) {
        fail_msg("%s", error);
    }
}

void slabs_send_home(void) {
    struct operation operation;
    operation_enter(&operation);
    caches_flush(thread_own);
    operation_leave(&operation);
}

size_t slabs_inbox_length(const struct thread *thread) {
    size_t length = 0;
    const struct slot *slot = thread->inbox;
    while (slot != NULL && slot != REMOTE_CLOSED) {
        length++;
        slot = slot->link;
    }
    return length;
}
