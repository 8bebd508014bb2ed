/* release_slot.c - the slow side of freeing a slot: into which list, and what is to be done then.
 * Layer: thread (includes base, os, pages, slab). See thread.h. */
#include "thread/operation.h"
#include "thread/remote.h"
#include "thread/slabs.h"

#include "chunk/params.h"

#include <string.h>

static void look_at(struct thread *thread, struct slab *slab, const struct slot_list *list) {
    if (list == &slab->own) {
        slabs_look_at(thread, slab);
    } else {
        cache_flush(thread, slab->class_index);
    }
    if (UNLIKELY(slabs_wants_holes(thread))) {
        slabs_make_holes(thread, false);
    }
}

/* Where the thread puts a slot. NULL: it goes to its owner. */
static struct slot_list *list_for(struct thread *thread, struct slab *slab) {
    if (slab->owner == thread) {
        return slab->list;
    }
    bool keeps = slabs_keep_foreign(thread, slab->class_index);
    return keeps ? &thread->caches[slab->class_index] : NULL;
}

void operation_release_slot(struct thread *thread, struct slab *slab, struct slot *slot) {
    struct slot_list *list = list_for(thread, slab);
    if (list == NULL) {
        slot_mark_travelling(slot);
        remote_free(thread, slab, slot);
    } else if (slot_list_push(list, slot, &slot_secrets)) {
        look_at(thread, slab, list);
    }
}

void operation_release_slot_reentrant(struct slab *slab, struct slot *slot) {
    slot_mark_travelling(slot);
    remote_free_reentrant(slab, slot);
}

void thread_free_slot(struct slab *slab, void *memory) {
    struct operation operation;
    operation_event(THREAD_EVENT_FREE, memory, 0);
    bool outermost = operation_enter(&operation);
    if (UNLIKELY(params.perturb != 0)) {
        memset(memory, params.perturb, slab->slot_bytes);
    }
    if (LIKELY(outermost)) {
        operation_release_slot(thread_attach(), slab, memory);
    } else {
        operation_release_slot_reentrant(slab, memory);
    }
    operation_leave(&operation);
}

/* What was left half done before may have been put in order meanwhile, and the slab with it. */
static bool is_due(const struct slab *slab) {
    return slab->owner == thread_own && slab->state != SLAB_SPARE && slab->list->until == 0;
}

void thread_look_at(struct slab *slab) {
    struct operation operation;
    operation_enter(&operation);
    if (LIKELY(is_due(slab))) {
        look_at(thread_own, slab, slab->list);
    }
    operation_leave(&operation);
}
