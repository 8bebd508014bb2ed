/* depot.c - see depot.h.
 * Layer: slab (includes base, os, pages). */
#include "slab/depot.h"

#include "os/lock.h"
#include "pages/retention.h"
#include "slab/holes.h"
#include "slab/mark.h"
#include "slab/record.h"

/* Once a slab has holes, fewer pages are worth making more. */
#define MORE_HOLES_PAGES 2

/* Touched memory in empty slabs that wait for the next thread. */
#define KEEP_EMPTY_BYTES ((size_t)1024 * 1024)

char depot_marks[2];

static struct lock lock = LOCK_INIT;
static struct list partial[SLAB_CLASSES];
static struct list empty[SLAB_CLASSES];
static size_t empty_bytes;

void depot_lock(void) {
    lock_take(&lock, LOCK_RANK_DEPOT);
}

void depot_unlock(void) {
    lock_drop(&lock, LOCK_RANK_DEPOT);
}

/* ---- granules ------------------------------------------------------------------------------ */

static void note_touched(struct slab *slab, size_t bytes) {
    slab->touched_units = (uint16_t)(bytes / SLAB_TOUCHED_BYTES);
}

void depot_format(struct slab *slab, size_t class_index) {
    note_touched(slab, slab_touched_bytes(slab));
    slab_format(slab, class_index);
}

static struct page_wish wish_of(size_t class_index) {
    _Static_assert(SLAB_CLASSES <= UINT8_MAX, "a class is a use");
    return (struct page_wish){.granules = class_span_bytes(class_index) >> GRANULE_SHIFT,
                              .use = (uint8_t)class_index};
}

static struct slab *new_slab(struct thread *owner, const struct page_wish *wish) {
    struct slab *slab = record_take();
    if (slab == NULL) {
        return NULL;
    }
    struct page_run run;
    size_t class_index = wish->use;
    if (page_run_alloc_wish(wish, slab, &run) != 0) {
        record_put(slab);
        return NULL;
    }
    DEBUG_CHECK(is_aligned((uintptr_t)run.start, class_span_bytes(class_index)));
    slab->start = (uintptr_t)run.start;
    slab->heap = run.heap;
    if (!slab_set_marks(slab, run.annex)) {
        page_run_free(&run, slab);
        record_put(slab);
        return NULL;
    }
    slab_format(slab, class_index);
    note_touched(slab, run.touched_bytes);
    slab->is_zero = run.is_zero;
    slab->list = &slab->own;
    __atomic_store_n(&slab->owner, owner, __ATOMIC_RELEASE);
    return slab;
}

struct slab *depot_new(struct thread *owner, size_t class_index) {
    struct page_wish wish = wish_of(class_index);
    return new_slab(owner, &wish);
}

struct slab *depot_new_touched(struct thread *owner, size_t class_index, size_t least_bytes) {
    struct page_wish wish = wish_of(class_index);
    wish.least_bytes = least_bytes;
    return new_slab(owner, &wish);
}

/* From then on the slab is nobody's: left in the middle, it is lost, not found once more. */
void depot_release(struct slab *slab) {
    const struct page_run run = {.start = (void *)slab->start,
                                 .bytes = slab->span_bytes,
                                 .heap = slab->heap,
                                 .touched_bytes = slab_touched_bytes(slab),
                                 .use = (uint8_t)slab->class_index};
    __atomic_store_n(&slab->owner, NULL, __ATOMIC_RELAXED);
    page_run_free(&run, slab);
    record_put(slab);
    page_heap_limit();
}

/* ---- ownership ------------------------------------------------------------------------------ */

static bool has_room(const struct slab *slab) {
    return !slab_list_is_empty(slab) || slab_can_carve(slab) || slab->holes != NULL;
}

static void set_owner(struct slab *slab, struct thread *owner) {
    slab->list = &slab->own;
    __atomic_store_n(&slab->owner, owner, __ATOMIC_RELEASE);
}

/* Looked at when it is nearly empty, and then each time half of what was left has been freed. */
static int32_t give_floor(const struct slab *slab) {
    int32_t live = (int32_t)slab_live(slab), few = (int32_t)slab_few(slab);
    return slab->holes == NULL && live > few ? few : live / 2;
}

void depot_give(struct slab *slab) {
    slab_set_floor(slab, give_floor(slab));
    slab->state = SLAB_FULL;
    if (has_room(slab)) {
        slab->state = SLAB_PARTIAL;
        list_put_first(&partial[slab->class_index], &slab->link);
    }
    set_owner(slab, depot_owner);
}

bool depot_give_empty(struct slab *slab) {
    if (empty_bytes + slab_carved_bytes(slab) > KEEP_EMPTY_BYTES) {
        return false;
    }
    empty_bytes += slab_carved_bytes(slab);
    slab_set_floor(slab, 0);
    slab->state = SLAB_SPARE;
    list_put_first(&empty[slab->class_index], &slab->link);
    set_owner(slab, depot_owner);
    return true;
}

static struct slab *take_from(struct list *list) {
    struct list_link *link = list->first;
    if (link == NULL) {
        return NULL;
    }
    list_take(link);
    struct slab *slab = LIST_ELEMENT(link, struct slab, link);
    if (slab->state == SLAB_SPARE) {
        empty_bytes -= slab_carved_bytes(slab);
    }
    return slab;
}

struct slab *depot_adopt(struct thread *owner, size_t class_index, bool *had_holes) {
    depot_lock();
    struct slab *slab = take_from(&partial[class_index]);
    if (slab == NULL) {
        slab = take_from(&empty[class_index]);
    }
    if (slab != NULL) {
        set_owner(slab, owner);
    }
    depot_unlock();
    *had_holes = slab != NULL && slab->holes != NULL;
    if (*had_holes) {
        slab_fill_holes(slab);
        record_end_holes(slab);
    }
    return slab;
}

/* By the owner. */
static bool make_holes(struct slab *slab, size_t least_pages) {
    struct slab_holes *holes = slab->holes != NULL ? slab->holes : record_take_holes();
    size_t pages = holes != NULL ? slab_make_holes(slab, holes, least_pages) : 0;
    if (pages == 0 && holes != NULL && holes != slab->holes) {
        record_put_holes(holes);
    }
    record_add_hole_pages(pages);
    return pages != 0;
}

static void give_back_to_depot(struct slab *slab) {
    depot_lock();
    depot_give(slab);
    depot_unlock();
}

bool depot_give_with_holes(struct slab *slab, size_t least_pages) {
    if (!make_holes(slab, least_pages)) {
        return false;
    }
    list_take(&slab->link);
    give_back_to_depot(slab);
    return true;
}

static void own_all(const struct list *list, struct thread *thread) {
    for (struct list_link *link = list->first; link != NULL; link = link->next) {
        set_owner(LIST_ELEMENT(link, struct slab, link), thread);
    }
}

/* What others free into these slabs meanwhile comes to the thread's inbox, and is sent on. */
static bool make_holes_in_class(struct thread *thread, size_t class_index) {
    bool any = false;
    struct list mine = {NULL};
    depot_lock();
    list_move(&partial[class_index], &mine);
    own_all(&mine, thread);
    depot_unlock();
    for (struct slab *slab = take_from(&mine); slab != NULL; slab = take_from(&mine)) {
        any |= make_holes(slab, 1);
        give_back_to_depot(slab);
    }
    return any;
}

static size_t count_holes_in(const struct list *list) {
    size_t pages = 0;
    for (struct list_link *link = list->first; link != NULL; link = link->next) {
        pages += slab_count_holes(LIST_ELEMENT(link, struct slab, link));
    }
    return pages;
}

/* The lock is dropped between two classes. */
size_t depot_returns_bytes(void) {
    size_t pages = 0;
    for (size_t i = 1; i < SLAB_CLASSES; i++) {
        depot_lock();
        pages += count_holes_in(&partial[i]);
        depot_unlock();
    }
    return pages * os_page_bytes();
}

bool depot_make_holes(struct thread *thread) {
    bool any = false;
    for (size_t i = 1; i < SLAB_CLASSES; i++) {
        any |= make_holes_in_class(thread, i);
    }
    return any;
}

static struct slab *take_any_empty(struct thread *thread) {
    struct slab *slab = NULL;
    depot_lock();
    for (size_t i = 1; i < SLAB_CLASSES && slab == NULL; i++) {
        slab = take_from(&empty[i]);
    }
    if (slab != NULL) {
        set_owner(slab, thread);
    }
    depot_unlock();
    return slab;
}

bool depot_trim(struct thread *thread) {
    struct slab *slab = take_any_empty(thread);
    bool any = slab != NULL;
    for (; slab != NULL; slab = take_any_empty(thread)) {
        depot_release(slab);
    }
    return any;
}

static void mend_torn(struct slab *slab) {
    depot_mend(slab);
    depot_give(slab);
}

struct slab *depot_free(struct thread *thread, struct slab *slab, struct slot *slot) {
    if (slab->owner == depot_torn) {
        mend_torn(slab);
    }
    bool is_due = slab_push(slab, slot);
    if (slab->state == SLAB_FULL) {
        slab->state = SLAB_PARTIAL;
        list_put_first(&partial[slab->class_index], &slab->link);
    }
    if (!is_due) {
        return NULL;
    }
    if (slab_live(slab) != 0 && thread == NULL) {
        slab_set_floor(slab, give_floor(slab));
        return NULL;
    }
    list_take(&slab->link);
    if (thread != NULL) {
        set_owner(slab, thread);
    }
    return slab;
}

/* Who takes granules again soon would take these pages again, too. */
void depot_settle(struct slab *slab) {
    if (slab_live(slab) == 0) {
        depot_release(slab);
        return;
    }
    if (page_heap_earned() <= RETENTION_BASE_BYTES) {
        make_holes(slab, slab->holes != NULL ? MORE_HOLES_PAGES : DEPOT_HOLES_PAGES);
    }
    give_back_to_depot(slab);
}

/* ---- audit and fork ------------------------------------------------------------------------- */

static const char *audit_one(const struct slab *slab) {
    if ((slab_live(slab) == 0) != (slab->state == SLAB_SPARE)) {
        return "a slab in the depot is empty and not listed so, or the other way round";
    }
    if (has_room(slab) != list_holds(&slab->link)) {
        return "a slab with room is not in the depot's list, or one without is";
    }
    const char *error = slab_audit(slab);
    return error != NULL ? error : slab_audit_holes(slab);
}

const struct slot *depot_find_damage(size_t *budget) {
    const struct slot *damage = NULL;
    if (!lock_try(&lock, LOCK_RANK_DEPOT)) {
        return NULL;
    }
    for (const struct slab *slab = depot_records; slab != NULL && damage == NULL && *budget != 0;
         slab = slab->next_record) {
        if (slab->state != SLAB_UNUSED && slab->owner == depot_owner) {
            damage = slab_find_damage(slab, budget);
        }
    }
    depot_unlock();
    return damage;
}

/* While no thread gives slabs to the depot or takes them. */
const char *depot_audit(void) {
    const char *error = NULL;
    size_t pages = 0;
    depot_lock();
    for (struct slab *slab = depot_records; slab != NULL && error == NULL;
         slab = slab->next_record) {
        if (slab->state != SLAB_UNUSED && slab->owner == depot_owner) {
            error = audit_one(slab);
            pages += slab->holes != NULL ? slab->holes->page_count : 0;
        }
    }
    depot_unlock();
    bool adds_up = pages * os_page_bytes() <= depot_holes_bytes();
    return error != NULL || adds_up ? error : "the depot's holes are more than were counted";
}

/* Without their lists. */
static void forget_slabs(void) {
    for (size_t i = 0; i < SLAB_CLASSES; i++) {
        partial[i].first = NULL;
        empty[i].first = NULL;
    }
    empty_bytes = 0;
}

/* If another thread of the parent was inside, the depot's lists may be torn too. */
void depot_fork_child(const struct thread *mine) {
    bool torn = lock_is_taken(&lock) && !lock_is_mine(&lock);
    lock_reset(&lock);
    record_fork_child();
    if (torn) {
        forget_slabs();
    }
    for (struct slab *slab = depot_records; slab != NULL; slab = slab->next_record) {
        bool is_safe = slab->owner == mine || (slab->owner == depot_owner && !torn);
        if (slab->state != SLAB_UNUSED && slab->owner != NULL && !is_safe) {
            slab->owner = depot_torn;
        }
    }
}

/* Holes that were filled are so as a whole; only the record may still be there. */
void depot_mend(struct slab *slab) {
    bool is_depots = slab->owner == depot_owner || slab->owner == depot_torn;
    slab->link = (struct list_link){NULL, NULL};
    if (slab->holes != NULL && slab_audit_holes(slab) != NULL) {
        record_end_holes(slab);
    } else if (slab->holes != NULL && !is_depots) {
        slab_fill_holes(slab);
        record_end_holes(slab);
    }
    slab_recount(slab);
}

/* The calling thread's operation was left while it changed the lists. What came to be empty is
 * handed to the thread. */
static void rebuild(struct thread *thread) {
    forget_slabs();
    for (struct slab *slab = depot_records; slab != NULL; slab = slab->next_record) {
        if (slab->owner != depot_owner) {
            continue;
        }
        depot_mend(slab);
        if (slab_live(slab) != 0) {
            depot_give(slab);
        } else if (!depot_give_empty(slab)) {
            set_owner(slab, thread);
        }
    }
}

void depot_recover(struct thread *thread) {
    record_recover();
    if (lock_inherit(&lock, LOCK_RANK_DEPOT)) {
        rebuild(thread);
        depot_unlock();
    }
}
