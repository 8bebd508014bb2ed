/* ledger.c - see ledger.h.
 * Layer: api (includes thread and below). */
#include "api/ledger.h"

#include "api/registry.h"
#include "pages/meta.h"
#include "slab/depot.h"
#include "thread/thread.h"

#include <string.h>

/* ---- sums ----------------------------------------------------------------------------------- */

/* Takes at most what is left of the rest. */
static size_t take(size_t *rest, size_t bytes) {
    size_t taken = bytes < *rest ? bytes : *rest;
    *rest -= taken;
    return taken;
}

void ledger_make(const struct heap_statistics *sum, struct ledger *ledger) {
    const struct slab_statistics *slabs = &sum->slabs;
    size_t kept = slabs->medium_bytes + sum->quick_bytes;
    size_t rest = slabs->committed_bytes;
    size_t live = take(&rest, slabs->live_bytes);
    *ledger = (struct ledger){
        .live = sum->used_bytes - kept + live - slabs->queued_bytes,
        .internal_slack = take(&rest, slabs->slack_bytes),
        .free_in_bins = sum->free_bytes,
        .free_in_lists = kept + slabs->queued_bytes,
        .metadata = meta_mapped_bytes() + slabs->annex_bytes,
        .mapped = sum->mapped.bytes,
    };
    size_t listed = slabs->free_bytes - take(&(size_t){slabs->free_bytes}, slabs->empty_free_bytes);
    ledger->free_in_slabs = take(&rest, listed + slabs->uncarved_bytes);
    ledger->retained = rest + sum->region_bytes;
    ledger->total = statistics_system(sum) + sum->region_bytes + ledger->metadata + ledger->mapped;
}

/* ---- size classes --------------------------------------------------------------------------- */

static bool count_class(struct walk *walk, const struct walk_slab *slab, void *state) {
    struct ledger_class *classes = state;
    (void)walk;
    if (slab->class_index < SLAB_CLASSES) {
        struct ledger_class *class = &classes[slab->class_index];
        class->slabs++;
        class->live += slab->live;
        class->free += slab->carved - slab->live;
        class->uncarved += slab->capacity - slab->carved;
    }
    return true;
}

/* Others change theirs meanwhile: what was read is not believed unseen. */
READS_RACILY static void move_quarantined(const struct thread *thread,
                                          struct ledger_class *classes) {
    for (size_t place = 0; place < quarantine_count_of(thread); place++) {
        const struct slab *slab = slab_at(thread->quarantine->places[place]);
        size_t i = slab != NULL ? slab->class_index : 0;
        if (i < SLAB_CLASSES && classes[i].live != 0) {
            classes[i].live--;
            classes[i].free++;
        }
    }
}

static bool move_cached(struct walk *walk, const struct walk_thread *thread, void *state) {
    struct ledger_class *classes = state;
    (void)walk;
    for (size_t i = 1; i < SLAB_CLASSES && thread->attached; i++) {
        size_t count = cache_count_of((const struct thread *)(uintptr_t)thread->address, i);
        count = count < classes[i].live ? count : classes[i].live;
        classes[i].live -= count;
        classes[i].free += count;
    }
    if (thread->attached) {
        move_quarantined((const struct thread *)(uintptr_t)thread->address, classes);
    }
    return true;
}

/* Slots in threads' caches are in use for their slabs, but not for the program. */
bool ledger_count_classes(struct ledger_class classes[SLAB_CLASSES]) {
    struct walk walk;
    struct own_memory own;
    memset(classes, 0, SLAB_CLASSES * sizeof classes[0]);
    return registry_walk(&walk, &own) && walk_slabs(&walk, count_class, classes) &&
           walk_threads(&walk, move_cached, classes);
}

/* ---- threads -------------------------------------------------------------------------------- */

#define BATCH_THREADS 32

/* Some threads, and the slabs that are theirs. */
struct batch {
    uint64_t owners[BATCH_THREADS];
    struct ledger_thread threads[BATCH_THREADS];
    size_t count;
    size_t skipped; /* attached threads that an earlier batch had */
    size_t seen;
};

static size_t number_of(const struct arena *wanted) {
    size_t number = 0;
    for (const struct arena *arena = &main_arena; arena != wanted; number++) {
        arena = arena_next(arena);
        if (arena == &main_arena) {
            return 0;
        }
    }
    return number;
}

static bool note_thread(struct walk *walk, const struct walk_thread *thread, void *state) {
    struct batch *batch = state;
    (void)walk;
    if (!thread->attached || batch->seen++ < batch->skipped) {
        return true;
    }
    batch->owners[batch->count] = thread->address;
    batch->threads[batch->count++] = (struct ledger_thread){
        .id = thread->id,
        .arena = number_of((const struct arena *)(uintptr_t)thread->arena),
        .list_bytes = (size_t)(thread->medium_bytes + thread->quick_bytes),
        .queued_bytes = (size_t)thread->queued_bytes,
    };
    return batch->count < BATCH_THREADS;
}

static void add_slab(struct ledger_thread *thread, const struct walk_slab *slab) {
    thread->slabs++;
    thread->live_bytes += (size_t)(slab->live * slab->slot_bytes);
    thread->free_bytes += (size_t)((slab->carved - slab->live) * slab->slot_bytes);
    thread->spare_bytes += slab->state == SLAB_SPARE ? class_span_bytes(slab->class_index) : 0;
}

/* In use for its slabs only. */
static void leave_out_cached(struct ledger_thread *thread, const struct thread *from) {
    size_t bytes = quarantine_bytes_of(from);
    for (size_t i = 1; i < SLAB_CLASSES; i++) {
        bytes += cache_count_of(from, i) * class_bytes(i);
    }
    thread->free_bytes += take(&thread->live_bytes, bytes);
}

static bool note_slab(struct walk *walk, const struct walk_slab *slab, void *state) {
    struct batch *batch = state;
    (void)walk;
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->owners[i] == slab->owner) {
            add_slab(&batch->threads[i], slab);
        }
    }
    return true;
}

static bool is_ownerless(uint64_t owner) {
    return owner == (uintptr_t)depot_owner || owner == (uintptr_t)depot_torn;
}

static bool note_ownerless(struct walk *walk, const struct walk_slab *slab, void *state) {
    (void)walk;
    if (is_ownerless(slab->owner)) {
        add_slab(state, slab);
    }
    return true;
}

static bool next_batch(struct walk *walk, struct batch *batch, size_t skipped) {
    memset(batch, 0, sizeof *batch);
    batch->skipped = skipped;
    return walk_threads(walk, note_thread, batch) && walk_slabs(walk, note_slab, batch) &&
           batch->count != 0;
}

void ledger_visit_threads(ledger_thread_visitor visit, void *state) {
    struct walk walk;
    struct own_memory own;
    struct batch batch;
    if (!registry_walk(&walk, &own)) {
        return;
    }
    for (size_t skipped = 0; next_batch(&walk, &batch, skipped); skipped += batch.count) {
        for (size_t i = 0; i < batch.count; i++) {
            leave_out_cached(&batch.threads[i], (const struct thread *)(uintptr_t)batch.owners[i]);
            visit(&batch.threads[i], state);
        }
    }
    struct ledger_thread ownerless = {.id = 0};
    if (walk_slabs(&walk, note_ownerless, &ownerless)) {
        visit(&ownerless, state);
    }
}
