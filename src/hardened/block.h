/* block.h - the life of a block under profile=hardened: handed out, checked, freed.
 * Layer: hardened (includes thread and below).
 *
 * The thread's slabs and caches serve here too; what is added lies around them:
 *
 *   malloc   a slot a word larger than the request, all zeros or somebody wrote to it after it
 *            was freed; its mark says LIVE, how much was asked for, where, by which function;
 *            canary behind the request (canary.h)
 *   free     the mark must say LIVE, and the same family of functions; the canary must be whole,
 *            and the last word in front of the block, too; then the slot is cleared and goes into
 *            quarantine (thread/quarantine.h), marked as FREED until it is handed out again
 *
 * All of a slot is zero from its free to its next use, but for the words of the lists it passes
 * through. Now and then an allocation looks at another slot of its class (patrol), and the end of
 * the process at many.
 *
 * Blocks that slabs do not serve are mappings of their own, with seals, or (large alignments,
 * handlers, no mappings left) chunks, as under the default profile.
 *
 * Every call is diverted here from the slow side of the public functions: fast paths miss, as
 * each thread is detoured (thread/thread.h). Thread-safe; may be entered again by a handler. */
#ifndef ARENITE_HARDENED_BLOCK_H
#define ARENITE_HARDENED_BLOCK_H

#include "slab/mark.h"

/* As thread_malloc, thread_calloc and thread_aligned; `caller` is whom a report names. */
void *hardened_malloc(size_t bytes, enum mark_origin origin, const void *caller);
void *hardened_calloc(size_t bytes, const void *caller);
void *hardened_aligned(size_t alignment, size_t bytes, enum mark_origin origin, const void *caller);

enum hardened_verdict {
    HARDENED_FREED,
    HARDENED_UNKNOWN,      /* no live slot: the caller finds out what it is */
    HARDENED_OTHER_ORIGIN, /* from another family of functions; nothing was changed */
};

/* Frees a slot, in use or not. ORIGIN_ANY fits all families. */
enum hardened_verdict hardened_free(void *memory, enum mark_origin origin, const void *caller);

#endif
