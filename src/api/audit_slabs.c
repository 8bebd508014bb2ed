/* audit_slabs.c - the part of the audit that looks at slabs. See audit.h.
 * Layer: api (includes thread and below).
 *
 * What every record says is read through the registry's walker; the lists, which only their owner
 * may follow, are followed for the caller's own slabs and the depot's, and for all when the process
 * has one thread. */
#include "api/audit.h"

#include "api/registry.h"
#include "hardened/zero.h"
#include "os/os.h"
#include "pages/page_map.h"
#include "thread/slabs.h"

/* The page map must lead from the granule to the record: the entry is the record's offset. */
static bool audit_entry(struct walk *walk, const struct walk_slab *slab) {
    uint64_t entry;
    uint64_t page_map_at = walk->roots[WALK_ROOT_PAGE_MAP_ZERO_LEAF] - PAGE_RECORD_BYTES;
    uint64_t wanted = slab->address - page_map_at;
    if (walk->registry.pointer_bytes == sizeof(uint32_t)) {
        wanted &= UINT32_MAX;
    }
    return walk_page_entry(walk, slab->start, &entry) &&
           ((entry == wanted && slab->start % GRANULE_BYTES == 0) ||
            walk_fail(walk, "the page map does not lead to a slab's record", slab->address));
}

/* A slab that a fork tore has no lists worth looking at until somebody frees into it. */
static bool is_still(const struct walk_slab *slab) {
    const struct thread *owner = (const struct thread *)(uintptr_t)slab->owner;
    return owner == thread_own || (owner != depot_torn && os_is_single_threaded());
}

/* What may be said before anything is followed. */
static const char *audit_geometry(const struct walk_slab *slab) {
    if (slab->owner == 0) {
        return "a slab in use has no owner";
    }
    if (slab->class_index == 0 || slab->class_index >= SLAB_CLASSES ||
        slab->slot_bytes != class_bytes(slab->class_index)) {
        return "a slab's slots do not have the size of its class";
    }
    if (slab->capacity != class_capacity(slab->class_index)) {
        return "a slab's capacity is not that of its class";
    }
    return NULL;
}

/* The caller's own slabs: active, or in a list. */
static const char *audit_place(const struct slab *slab) {
    if (slab->owner != thread_own) {
        return NULL;
    }
    bool is_active = thread_own->active[slab->class_index] == slab;
    bool is_listed = list_holds(&slab->link);
    return is_active != is_listed && is_active == (slab->state == SLAB_ACTIVE)
               ? NULL
               : "a slab is not where its state says";
}

static bool audit_slab(struct walk *walk, const struct walk_slab *at, void *state) {
    const struct slab *slab = (const struct slab *)(uintptr_t)at->address;
    (void)state;
    if (!is_still(at)) {
        return true;
    }
    const char *error = audit_geometry(at);
    if (error != NULL) {
        return walk_fail(walk, error, at->address);
    }
    if (!audit_entry(walk, at)) {
        return false;
    }
    error = audit_place(slab);
    error = error == NULL ? slab_audit(slab) : error;
    return error == NULL || walk_fail(walk, error, at->address);
}

/* ---- slots on their way --------------------------------------------------------------------- */

static bool audit_queued_slot(struct walk *walk, uint64_t at, void *state) {
    const struct slot *slot = (const struct slot *)(uintptr_t)at;
    const struct slab *slab = slab_at(slot);
    uint64_t *bytes = state;
    if (slab == NULL || !slab_is_slot(slab, slot) || !slot_is_travelling(slot)) {
        return walk_fail(walk, "a slot on its way to its owner is none, or was written to", at);
    }
    *bytes += slab->slot_bytes;
    return true;
}

/* Free already, though live for their slabs. Those of a running thread change as they are read;
 * even one's own inbox is filled by others, who count after they came. */
static bool audit_queued(struct walk *walk, const struct walk_thread *at, void *state) {
    const struct thread *thread = (const struct thread *)(uintptr_t)at->address;
    uint64_t bytes = 0;
    (void)state;
    if (thread != thread_own && !os_is_single_threaded()) {
        return true;
    }
    if (!walk_queued_slots(walk, at, audit_queued_slot, &bytes)) {
        return false;
    }
    return bytes == at->queued_bytes || !os_is_single_threaded() ||
           walk_fail(walk, "the slots on their way do not add up to their counters", at->address);
}

/* Of what the caller itself keeps. */
static const char *audit_caller(const struct thread *thread) {
    const char *error = thread->attached != 0 ? slabs_audit(thread) : NULL;
    if (error == NULL && thread->medium != NULL) {
        error = medium_audit(thread->medium);
    }
    error = error == NULL ? quarantine_audit(thread) : error;
    return error == NULL && os_is_single_threaded() ? zero_audit() : error;
}

/* What the records say is checked first: only then may the lists be followed. */
bool audit_slabs(struct walk *walk) {
    if (!walk_slabs(walk, audit_slab, NULL) || !walk_threads(walk, audit_queued, NULL)) {
        return false;
    }
    const char *error = audit_caller(thread_own);
    if (error == NULL) {
        error = depot_audit();
    }
    if (error == NULL) {
        error = page_heap_audit();
    }
    return error == NULL || walk_fail(walk, error, (uintptr_t)thread_own);
}
