/* quarantine.c - see quarantine.h.
 * Layer: thread (includes slab and below). */
#include "thread/quarantine.h"

#include "base/bits.h"

#include "os/report.h"
#include "pages/meta.h"
#include "slab/mark.h"
#include "thread/operation.h"

size_t quarantine_all_bytes = QUARANTINE_DEFAULT_BYTES;

/* More than a thread's part of what all may keep: without a division, as this is asked at each
 * free. */
INLINE bool is_too_much(size_t bytes) {
    size_t all;
    return mul_overflows(bytes, thread_count() + 1, &all) ||
           all > __atomic_load_n(&quarantine_all_bytes, __ATOMIC_RELAXED);
}

/* NULL: there is no memory for one. */
static struct quarantine *quarantine_of(struct thread *thread) {
    if (UNLIKELY(thread->quarantine == NULL) && thread->attached != 0) {
        thread->quarantine = meta_alloc(sizeof *thread->quarantine, CACHE_LINE_BYTES);
    }
    return thread->quarantine;
}

/* Its words are about to become those of a list. */
static void leave(struct thread *thread, struct slab *slab, struct slot *slot) {
    if (UNLIKELY(slot->word != 0 || slot->link != NULL)) {
        report_misuse("write after free: a freed block was written to", slot);
    }
    operation_release_slot(thread, slab, slot);
}

/* The last one takes the place of one that leaves. */
static void take_out(struct thread *thread, struct quarantine *quarantine, uint32_t place) {
    struct slot *slot = quarantine->places[place];
    struct slab *slab = slab_at(slot);
    quarantine->count--;
    compiler_fence();
    quarantine->places[place] = quarantine->places[quarantine->count];
    quarantine->places[quarantine->count] = NULL;
    quarantine->bytes -= slab->slot_bytes;
    leave(thread, slab, slot);
}

static void exchange(struct thread *thread, struct quarantine *quarantine, struct slab *slab,
                     struct slot *slot) {
    uint32_t place = chance_below(&quarantine->chance, QUARANTINE_PLACES);
    struct slot *old = quarantine->places[place];
    struct slab *old_slab = slab_at(old);
    quarantine->places[place] = slot;
    quarantine->bytes += (size_t)slab->slot_bytes - old_slab->slot_bytes;
    leave(thread, old_slab, old);
}

void quarantine_put(struct thread *thread, struct slab *slab, struct slot *slot) {
    struct quarantine *quarantine = quarantine_of(thread);
    if (UNLIKELY(quarantine == NULL || is_too_much((size_t)64 * slab->slot_bytes))) {
        leave(thread, slab, slot);
        return;
    }
    if (LIKELY(quarantine->count == QUARANTINE_PLACES)) {
        exchange(thread, quarantine, slab, slot);
    } else {
        quarantine->places[quarantine->count++] = slot;
        quarantine->bytes += slab->slot_bytes;
    }
    while (UNLIKELY(is_too_much(quarantine->bytes))) {
        take_out(thread, quarantine, chance_below(&quarantine->chance, quarantine->count));
    }
}

bool quarantine_flush(struct thread *thread) {
    struct quarantine *quarantine = thread->quarantine;
    bool any = quarantine != NULL && quarantine->count != 0;
    while (quarantine != NULL && quarantine->count != 0) {
        take_out(thread, quarantine, quarantine->count - 1);
    }
    return any;
}

READS_RACILY size_t quarantine_bytes_of(const struct thread *thread) {
    const struct quarantine *quarantine = thread->quarantine;
    return quarantine != NULL ? quarantine->bytes : 0;
}

READS_RACILY size_t quarantine_count_of(const struct thread *thread) {
    const struct quarantine *quarantine = thread->quarantine;
    return quarantine != NULL ? quarantine->count : 0;
}

void quarantine_abandon(struct thread *thread) {
    if (thread->quarantine != NULL) {
        *thread->quarantine = (struct quarantine){.bytes = 0};
    }
}

static bool is_kept(const struct slot *slot) {
    const struct slab *slab = slab_at(slot);
    return slab != NULL && slab_is_slot(slab, slot) && slab_has_marks(slab) &&
           slab_mark_of(slab, slot)->state == MARK_FREED;
}

/* The count goes down before the last one moves: no slot is ever twice below it. */
void quarantine_recount(struct thread *thread) {
    struct quarantine *quarantine = thread->quarantine;
    uint32_t place = 0;
    if (quarantine != NULL) {
        quarantine->bytes = 0;
    }
    for (size_t bytes = 0; quarantine != NULL && place < quarantine->count;) {
        struct slot *slot = quarantine->places[place];
        if (slot != NULL && is_kept(slot)) {
            bytes += slab_at(slot)->slot_bytes;
            place++;
        } else {
            quarantine->count--;
            compiler_fence();
            quarantine->places[place] = quarantine->places[quarantine->count];
        }
        quarantine->bytes = bytes;
    }
    for (; quarantine != NULL && place < QUARANTINE_PLACES; place++) {
        quarantine->places[place] = NULL;
    }
}

const char *quarantine_audit(const struct thread *thread) {
    const struct quarantine *quarantine = thread->quarantine;
    size_t bytes = 0;
    for (uint32_t place = 0; quarantine != NULL && place < QUARANTINE_PLACES; place++) {
        const struct slot *slot = quarantine->places[place];
        if ((slot != NULL) != (place < quarantine->count)) {
            return "a quarantine does not hold what it counts";
        }
        if (slot != NULL && !is_kept(slot)) {
            return "a quarantine holds something that is no freed slot";
        }
        bytes += slot != NULL ? slab_at(slot)->slot_bytes : 0;
    }
    return quarantine == NULL || bytes == quarantine->bytes
               ? NULL
               : "a quarantine's slots do not add up to its bytes";
}
