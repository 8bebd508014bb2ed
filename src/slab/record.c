/* record.c - see record.h.
 * Layer: slab (includes base, os, pages). */
#include "slab/record.h"

#include "os/lock.h"
#include "os/os.h"
#include "pages/meta.h"
#include "slab/depot.h"

struct slab *depot_records;

static struct lock records_lock = LOCK_INIT;
static struct list unused_records;
static struct slab_holes *unused_holes; /* under the same lock */
static size_t holes_pages;

static struct slab *take_unused_record(void) {
    lock_take(&records_lock, LOCK_RANK_SLAB_RECORDS);
    struct list_link *link = unused_records.first;
    if (link != NULL) {
        list_take(link);
    }
    lock_drop(&records_lock, LOCK_RANK_SLAB_RECORDS);
    return link != NULL ? LIST_ELEMENT(link, struct slab, link) : NULL;
}

struct slab *record_take(void) {
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

struct slab_holes *record_take_holes(void) {
    lock_take(&records_lock, LOCK_RANK_SLAB_RECORDS);
    struct slab_holes *holes = unused_holes;
    if (holes != NULL) {
        unused_holes = holes->next;
    }
    lock_drop(&records_lock, LOCK_RANK_SLAB_RECORDS);
    return holes != NULL ? holes : meta_alloc(sizeof *holes, CACHE_LINE_BYTES);
}

void record_put_holes(struct slab_holes *holes) {
    lock_take(&records_lock, LOCK_RANK_SLAB_RECORDS);
    holes->next = unused_holes;
    unused_holes = holes;
    lock_drop(&records_lock, LOCK_RANK_SLAB_RECORDS);
}

/* The slab has no holes any more. */
void record_end_holes(struct slab *slab) {
    struct slab_holes *holes = slab->holes;
    if (holes != NULL) {
        __atomic_store_n(&slab->holes, NULL, __ATOMIC_RELAXED);
        __atomic_sub_fetch(&holes_pages, holes->page_count, __ATOMIC_RELAXED);
        record_put_holes(holes);
    }
}

void record_put(struct slab *slab) {
    record_end_holes(slab);
    slab->state = SLAB_UNUSED;
    __atomic_store_n(&slab->owner, NULL, __ATOMIC_RELAXED);
    lock_take(&records_lock, LOCK_RANK_SLAB_RECORDS);
    list_put_first(&unused_records, &slab->link);
    lock_drop(&records_lock, LOCK_RANK_SLAB_RECORDS);
}

void record_add_hole_pages(size_t pages) {
    __atomic_add_fetch(&holes_pages, pages, __ATOMIC_RELAXED);
}

size_t depot_holes_bytes(void) {
    return __atomic_load_n(&holes_pages, __ATOMIC_RELAXED) * os_page_bytes();
}

/* ---- what somebody left half done ------------------------------------------------------------ */

static void forget_unused(void) {
    unused_records.first = NULL;
    unused_holes = NULL;
}

void record_fork_child(void) {
    if (lock_is_taken(&records_lock) && !lock_is_mine(&records_lock)) {
        forget_unused();
    }
    lock_reset(&records_lock);
}

/* A slab may have got holes that were not added yet. Those of running threads come and go. */
READS_RACILY static void recount_holes(void) {
    size_t pages = 0;
    for (const struct slab *slab = depot_records; slab != NULL; slab = slab->next_record) {
        const struct slab_holes *holes = slab->holes;
        pages += holes != NULL ? holes->page_count : 0;
    }
    if (pages > __atomic_load_n(&holes_pages, __ATOMIC_RELAXED)) {
        __atomic_store_n(&holes_pages, pages, __ATOMIC_RELAXED);
    }
}

void record_recover(void) {
    recount_holes();
    if (lock_inherit(&records_lock, LOCK_RANK_SLAB_RECORDS)) {
        forget_unused();
        lock_drop(&records_lock, LOCK_RANK_SLAB_RECORDS);
    }
}
