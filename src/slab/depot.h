/* depot.h - slabs without an owner, and records without a slab.
 * Layer: slab (includes base, os, pages).
 *
 * When a thread ends, its slabs come here, where the next thread that needs their class finds them;
 * empty ones only up to KEEP_EMPTY_BYTES of touched memory, the rest goes back to the page heaps.
 * Until then anybody may free into them, under the depot's lock. The owner of such a slab is
 * depot_owner.
 *
 * A forked child cannot know what the threads of its parent were doing to their slabs: those have
 * the owner depot_torn until somebody frees into one; then it is recounted and becomes an
 * ordinary slab of the depot.
 *
 * I1: the partial list of a class holds exactly the depot's slabs of that class that have room.
 * I2: a slab that is the depot's has a live slot, or is in the empty list of its class and counted
 *     with its carved bytes.
 * I3: an owner changes only under the lock; a thread may make itself the owner of a slab, and give
 *     one up, and nobody else's.
 * Locks: LOCK_RANK_DEPOT (slabs), LOCK_RANK_SLAB_RECORDS (unused records). */
#ifndef ARENITE_SLAB_DEPOT_H
#define ARENITE_SLAB_DEPOT_H

#include "slab/slab.h"

/* Never dereferenced: addresses that no thread state has. */
#define depot_owner ((struct thread *)(void *)&depot_marks[0])
#define depot_torn ((struct thread *)(void *)&depot_marks[1])
extern char depot_marks[2];

/* All records ever made, newest first; those with state SLAB_UNUSED hold nothing. */
extern struct slab *depot_records;

void depot_lock(void);
void depot_unlock(void);

/* Formats an empty slab for a class. */
void depot_format(struct slab *slab, size_t class_index);

/* A slab of fresh granules, formatted for the class and owned by `owner`; NULL when there is no
 * memory. */
struct slab *depot_new(struct thread *owner, size_t class_index);
/* The same, only if more than least_bytes of it have their pages already. */
struct slab *depot_new_touched(struct thread *owner, size_t class_index, size_t least_bytes);

/* Gives an empty slab's granules back. */
void depot_release(struct slab *slab);

/* A slab of the class that has room, now the thread's; NULL when there is none. */
struct slab *depot_adopt(struct thread *owner, size_t class_index, bool *had_holes);

/* Takes over a slab with live slots from the calling thread; under the lock. */
void depot_give(struct slab *slab);

/* Fewer pages are not worth the way through the depot. */
#define DEPOT_HOLES_PAGES 4

/* Takes over a partly used slab that stands on its owner's list, without the pages that only free
 * slots lie on; false, with nothing changed, when these are fewer than least_pages. Not under the
 * lock. */
bool depot_give_with_holes(struct slab *slab, size_t least_pages);

/* Looks through all partly used slabs of the depot again, which are the calling thread's meanwhile;
 * true when pages went back. Not under the lock; the thread must be attached. */
bool depot_make_holes(struct thread *thread);
/* What depot_make_holes would give back now. Not under the lock. */
size_t depot_returns_bytes(void);
/* Pages that slabs do not have because of their holes. */
size_t depot_holes_bytes(void);

/* The same as depot_give for an empty one, as it is; false when enough of them are kept. */
bool depot_give_empty(struct slab *slab);

/* Gives all empty slabs back to the page heaps, through the calling thread. True when there were
 * some. */
bool depot_trim(struct thread *thread);

/* Frees a slot of a slab that is the depot's (or torn); under the lock. Returns the slab if it is
 * the caller's now, to be settled without the lock: it came to be empty or nearly so, or half of
 * what was left then is free. NULL for a thread: only an empty one is passed on. */
struct slab *depot_free(struct thread *thread, struct slab *slab, struct slot *slot);
/* Gives an empty slab's granules back; else more of its pages, and the slab to the depot again. */
void depot_settle(struct slab *slab);

/* The slab whose granule an address lies in, or a record of zeros. Any address is safe. */
INLINE struct slab *slab_at(const void *address) {
    page_entry entry = page_map_get(address);
    return page_entry_kind(entry) == PAGE_RUN ? page_entry_run(entry) : NULL;
}

/* slab_find_damage of the depot's slabs; looks at nothing if the lock cannot be had at once. */
const struct slot *depot_find_damage(size_t *budget);

/* NULL when I1 and I2 hold and every slab here passes its audit; else the first broken one. */
const char *depot_audit(void);

/* In a forked child: slabs of other owners than `mine` are torn. */
void depot_fork_child(const struct thread *mine);

/* A slab whose lists nobody knows any more: on none now, and counted anew. */
void depot_mend(struct slab *slab);

/* After an operation of this thread that was left: makes the depot whole if it was inside. Empty
 * slabs that it does not keep are the thread's then. */
void depot_recover(struct thread *thread);

#endif
