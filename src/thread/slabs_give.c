/* slabs_give.c - slabs that a thread gives away: all at its end, nearly empty ones without the
 * pages between their last slots in use (slab/holes.h); or forgets.
 * Layer: thread (includes slab and below). See slabs.h. */
#include "os/os.h"
#include "slab/holes.h"
#include "thread/slabs.h"

/* ---- forgetting ----------------------------------------------------------------------------- */

void slabs_forget_emptied(struct thread *thread) {
    thread->emptied_bytes = 0;
    thread->retention = (struct retention){.high_bytes = 0};
}

void slabs_forget(struct thread *thread) {
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
    thread->sparse_look_bytes = 0;
    thread->holes_bytes = 0;
    thread->sparse = (struct retention){.high_bytes = 0};
    slabs_forget_emptied(thread);
}

/* ---- at the end ------------------------------------------------------------------------------ */

static struct slab *take_first(struct list *list) {
    struct list_link *link = list->first;
    if (link == NULL) {
        return NULL;
    }
    list_take(link);
    return LIST_ELEMENT(link, struct slab, link);
}

static void give(struct slab *slab, struct list *empty) {
    if (slab_live(slab) != 0) {
        depot_give(slab);
    } else if (!depot_give_empty(slab)) {
        list_put_first(empty, &slab->link);
    }
}

static void give_list(struct list *list, struct list *empty) {
    struct slab *slab;
    while ((slab = take_first(list)) != NULL) {
        give(slab, empty);
    }
}

void slabs_give_all(struct thread *thread, struct list *empty) {
    for (size_t i = 1; i < SLAB_CLASSES; i++) {
        struct slab *slab = thread->active[i];
        if (slab != &slab_none) {
            thread->active[i] = &slab_none;
            give(slab, empty);
        }
        for (size_t group = 0; group < SLAB_GROUPS; group++) {
            give_list(&thread->partial[i][group], empty);
        }
    }
    give_list(&thread->full, empty);
    for (size_t span = 0; span < SLAB_SPANS; span++) {
        give_list(&thread->spare[span], empty);
    }
    thread->spare_bytes = 0;
    thread->idle_bytes = 0;
    slabs_forget_emptied(thread);
}

void slabs_release_list(struct list *empty) {
    struct slab *slab;
    while ((slab = take_first(empty)) != NULL) {
        depot_release(slab);
    }
}

/* ---- trimming ------------------------------------------------------------------------------- */

bool slabs_trim(struct thread *thread) {
    bool any = caches_flush(thread);
    for (size_t i = 1; i < SLAB_CLASSES; i++) {
        struct slab *slab = slabs_take_empty_active(thread, i);
        if (slab != NULL) {
            slab->state = SLAB_SPARE;
            list_put_first(&thread->spare[class_span(i)], &slab->link);
        }
    }
    for (size_t span = 0; span < SLAB_SPANS; span++) {
        any |= !list_is_empty(&thread->spare[span]);
        slabs_release_list(&thread->spare[span]);
    }
    thread->spare_bytes = 0;
    slabs_forget_emptied(thread);
    return any;
}

/* ---- holes ----------------------------------------------------------------------------------- */

static void note_holes(struct thread *thread, size_t added, size_t removed) {
    thread->holes_bytes += added;
    thread->holes_bytes -= removed < thread->holes_bytes ? removed : thread->holes_bytes;
    retention_note(&thread->sparse, thread->holes_bytes);
}

/* A slab with holes that is wanted again earns that as much stays whole next time. */
struct slab *slabs_adopt(struct thread *thread, size_t class_index) {
    bool had_holes = false;
    struct slab *slab = depot_adopt(thread, class_index, &had_holes);
    if (had_holes) {
        note_holes(thread, 0, slab->span_bytes);
    }
    return slab;
}

/* The newest come first: only as many nearly empty ones are looked at as have come since. */
static bool make_holes_in(struct thread *thread, struct list *list, bool all, size_t bytes) {
    size_t least_pages = all ? 1 : DEPOT_HOLES_PAGES;
    bool any = false;
    struct list_link *next;
    for (struct list_link *link = list->first; link != NULL && bytes != 0; link = next) {
        struct slab *slab = LIST_ELEMENT(link, struct slab, link);
        next = link->next;
        if (!all && !slabs_is_sparse(slab)) {
            continue;
        }
        bytes -= slab->span_bytes < bytes ? slab->span_bytes : bytes;
        if (depot_give_with_holes(slab, least_pages)) {
            note_holes(thread, slab->span_bytes, 0);
            any = true;
        }
    }
    return any;
}

size_t slabs_returns_bytes(const struct thread *thread) {
    size_t pages = 0;
    for (size_t i = 1; i < SLAB_CLASSES; i++) {
        for (size_t group = 0; group < SLAB_GROUPS; group++) {
            const struct list *list = &thread->partial[i][group];
            for (struct list_link *link = list->first; link != NULL; link = link->next) {
                pages += slab_count_holes(LIST_ELEMENT(link, struct slab, link));
            }
        }
    }
    return pages * os_page_bytes();
}

static size_t larger(size_t one, size_t other) {
    return one > other ? one : other;
}

/* What was taken again of slabs that became empty counts, too, whether the thread kept them or the
 * page heaps: before they are empty they are nearly so. */
static size_t sparse_limit(struct thread *thread) {
    retention_look(&thread->sparse, thread->holes_bytes, os_clock_ns());
    size_t emptied = larger(retention_earned(&thread->retention), page_heap_earned());
    return SPARSE_BYTES + (retention_earned(&thread->sparse) + emptied) / 4 * 5;
}

bool slabs_make_holes(struct thread *thread, bool all) {
    size_t bytes = all ? SIZE_MAX : thread->sparse_bytes;
    bool any = false;
    if (!all && bytes < sparse_limit(thread)) {
        thread->sparse_look_bytes = bytes + SPARSE_BYTES / 4;
        return false;
    }
    thread->sparse_bytes = 0;
    thread->sparse_look_bytes = 0;
    for (size_t i = 1; i < SLAB_CLASSES; i++) {
        for (size_t group = 0; group < (all ? SLAB_GROUPS : 1); group++) {
            any |= make_holes_in(thread, &thread->partial[i][group], all, bytes);
        }
    }
    return any;
}
