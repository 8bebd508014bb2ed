/* depot.c - see depot.h.
 * Layer: slab (includes base, os, pages). */
#include "slab/depot.h"

#include "os/lock.h"
#include "pages/meta.h"
#include "pages/retention.h"
#include "slab/holes.h"
#include "slab/mark.h"

/* A slab of which this part is in use, or less, is nearly empty. */
#define NEARLY_EMPTY_SHARE 8

/* Touched memory in empty slabs that wait for the next thread. */
#define KEEP_EMPTY_BYTES ((size_t)1024 * 1024)

char depot_marks[2];
struct slab *depot_records;

static struct lock lock = LOCK_INIT;
static struct lock records_lock = LOCK_INIT;
static struct list partial[SLAB_CLASSES];
static struct list empty[SLAB_CLASSES];
static size_t empty_bytes;
static struct list unused_records;
static struct slab_holes *unused_holes; /* under the lock of records */
static size_t holes_pages;

size_t depot_holes_bytes(void) {
    return __atomic_load_n(&holes_pages, __ATOMIC_RELAXED) * os_page_bytes();
}

void depot_lock(void) {
    lock_take(&lock, LOCK_RANK_DEPOT);
}

void depot_unlock(void) {
    lock_drop(&lock, LOCK_RANK_DEPOT);
}

/* ---- records and granules ------------------------------------------------------------------- */

static struct slab *take_unused_record(void) {
    lock_take(&records_lock, LOCK_RANK_SLAB_RECORDS);
    struct list_link *link = unused_records.first;
    if (link != NULL) {
        list_take(link);
    }
    lock_drop(&records_lock, LOCK_RANK_SLAB_RECORDS);
    return link != NULL ? LIST_ELEMENT(link, struct slab, link) : NULL;
}

static struct slab *take_record(void) {
    struct slab *slab = take_unused_record();
    if (slab != NULL) {
        return slab;
    }
    slab = meta_alloc(sizeof *slab, CACHE_LINE_BYTES);
    if (slab != NULL) {
        lock_take(&records_lock, LOCK_RANK_SLAB_RECORDS);
        slab->next_record = depot_records;
        __atomic_store_n(&depot_records, slab, __ATOMIC_RELEASE);
        lock_drop(&records_lock, LOCK_RANK_SLAB_RECORDS);
    }
    return slab;
}

/* ---- records of holes ----------------------------------------------------------------------- */

static struct slab_holes *take_holes(void) {
    lock_take(&records_lock, LOCK_RANK_SLAB_RECORDS);
    struct slab_holes *holes = unused_holes;
    if (holes != NULL) {
        unused_holes = holes->next;
    }
    lock_drop(&records_lock, LOCK_RANK_SLAB_RECORDS);
    return holes != NULL ? holes : meta_alloc(sizeof *holes, CACHE_LINE_BYTES);
}

static void put_holes(struct slab_holes *holes) {
    lock_take(&records_lock, LOCK_RANK_SLAB_RECORDS);
    holes->next = unused_holes;
    unused_holes = holes;
    lock_drop(&records_lock, LOCK_RANK_SLAB_RECORDS);
}

/* The slab has no holes any more. */
static void end_holes(struct slab *slab) {
    struct slab_holes *holes = slab->holes;
    if (holes != NULL) {
        __atomic_store_n(&slab->holes, NULL, __ATOMIC_RELAXED);
        __atomic_sub_fetch(&holes_pages, holes->page_count, __ATOMIC_RELAXED);
        put_holes(holes);
    }
}

static void put_record(struct slab *slab) {
    end_holes(slab);
    slab->state = SLAB_UNUSED;
    __atomic_store_n(&slab->owner, NULL, __ATOMIC_RELAXED);
    lock_take(&records_lock, LOCK_RANK_SLAB_RECORDS);
    list_put_first(&unused_records, &slab->link);
    lock_drop(&records_lock, LOCK_RANK_SLAB_RECORDS);
}

static void note_touched(struct slab *slab, size_t bytes) {
    slab->touched_units = (uint16_t)(bytes / SLAB_TOUCHED_BYTES);
}

void depot_format(struct slab *slab, size_t class_index) {
    note_touched(slab, slab_touched_bytes(slab));
    slab_format(slab, class_index);
}

struct slab *depot_new(struct thread *owner, size_t class_index) {
    return depot_new_touched(owner, class_index, 0);
}

struct slab *depot_new_touched(struct thread *owner, size_t class_index, size_t least_bytes) {
    struct slab *slab = take_record();
    if (slab == NULL) {
        return NULL;
    }
    struct page_run run;
    size_t span_bytes = class_span_bytes(class_index);
    if (page_run_alloc_touched(span_bytes >> GRANULE_SHIFT, least_bytes, slab, &run) != 0) {
        put_record(slab);
        return NULL;
    }
    DEBUG_CHECK(is_aligned((uintptr_t)run.start, span_bytes));
    slab->start = (uintptr_t)run.start;
    slab->heap = run.heap;
    if (!slab_set_marks(slab, run.annex)) {
        page_run_free(&run, slab);
        put_record(slab);
        return NULL;
    }
    slab_format(slab, class_index);
    note_touched(slab, run.touched_bytes);
    slab->is_zero = run.is_zero;
    slab->list = &slab->own;
    __atomic_store_n(&slab->owner, owner, __ATOMIC_RELEASE);
    return slab;
}

void depot_release(struct slab *slab) {
    const struct page_run run = {.start = (void *)slab->start,
                                 .bytes = slab->span_bytes,
                                 .heap = slab->heap,
                                 .touched_bytes = slab_touched_bytes(slab)};
    page_run_free(&run, slab);
    put_record(slab);
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
    int32_t live = (int32_t)slab_live(slab), nearly_empty = slab->capacity / NEARLY_EMPTY_SHARE;
    return slab->holes == NULL && live > nearly_empty ? nearly_empty : live / 2;
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
        end_holes(slab);
    }
    return slab;
}

/* By the owner. */
static bool make_holes(struct slab *slab, size_t least_pages) {
    struct slab_holes *holes = slab->holes != NULL ? slab->holes : take_holes();
    size_t pages = holes != NULL ? slab_make_holes(slab, holes, least_pages) : 0;
    if (pages == 0 && holes != NULL && holes != slab->holes) {
        put_holes(holes);
    }
    __atomic_add_fetch(&holes_pages, pages, __ATOMIC_RELAXED);
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

static struct slab *take_any_empty(void) {
    struct slab *slab = NULL;
    depot_lock();
    for (size_t i = 1; i < SLAB_CLASSES && slab == NULL; i++) {
        slab = take_from(&empty[i]);
    }
    depot_unlock();
    return slab;
}

bool depot_trim(void) {
    struct slab *slab = take_any_empty();
    bool any = slab != NULL;
    for (; slab != NULL; slab = take_any_empty()) {
        depot_release(slab);
    }
    return any;
}

static void mend_torn(struct slab *slab) {
    slab->link = (struct list_link){NULL, NULL};
    slab_recount(slab);
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
    if (slab_live(slab) != 0) {
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
        make_holes(slab, DEPOT_HOLES_PAGES);
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
    bool adds_up = pages <= __atomic_load_n(&holes_pages, __ATOMIC_RELAXED);
    return error != NULL || adds_up ? error : "the depot's holes are more than were counted";
}

/* If a thread of the parent was inside, the depot's lists may be torn too. */
void depot_fork_child(const struct thread *mine) {
    bool torn = lock_is_taken(&lock);
    bool records_torn = lock_is_taken(&records_lock);
    lock_reset(&lock);
    lock_reset(&records_lock);
    if (torn) {
        for (size_t i = 0; i < SLAB_CLASSES; i++) {
            partial[i].first = NULL;
            empty[i].first = NULL;
        }
        empty_bytes = 0;
    }
    if (records_torn) {
        unused_records.first = NULL;
        unused_holes = NULL;
    }
    for (struct slab *slab = depot_records; slab != NULL; slab = slab->next_record) {
        bool is_safe = slab->owner == mine || (slab->owner == depot_owner && !torn);
        if (slab->state != SLAB_UNUSED && slab->owner != NULL && !is_safe) {
            slab->owner = depot_torn;
        }
    }
}
