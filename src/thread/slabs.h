/* slabs.h - the slabs that a thread owns: which one it allocates from, and where the others wait.
 * Layer: thread (includes slab and below).
 *
 *                     list used up                     some freed
 *        active  ------------------------->  full  ------------------>  partial
 *          ^ \                                                         |   ^ |
 *          |    `--- empty, taken for another class -.     taken again |   `-' emptier group
 *          |                                         v                  |
 *          +----------------------------- spare <----+----- empty ------+
 *
 * "Some" is one slot more than a 64th of the slab: so much may lie idle, against a look at the slab
 * for every slot that is freed into a full one. If the active slab is used up at that moment, the
 * slab takes its place at once; a program that replaces blocks in a full heap then comes here once
 * in many frees and in no allocation.
 *
 * In front lie the thread's caches (cache.h), which take the active slab's list as a whole; what is
 * freed into a full slab or the active one comes here only when a cache is full.
 *
 * An allocation that finds its active slab used up carves more of it, if that touches no new page
 * or nothing else is there, collects what other threads freed, and else takes, in this order: the
 * fullest partial slab of the class, a spare slab that was of the class or the one emptied last
 * (its pages are resident and warm), one from the depot, a granule.
 *
 * An active slab that comes to be empty stays active as long as the share of spare bytes allows,
 * and is idle: not watched until it is carved further. Where another class finds no spare slab, it
 * takes an idle one.
 *
 * I1: a slab owned by a thread is active, or in exactly one of its lists.
 * I2: spare_bytes is the sum of the carved bytes of the spare slabs, and was, with idle_bytes,
 *     within the thread's share when the last of them was put there; idle_bytes is the same sum
 *     over idle slabs.
 * All functions: by the owner (for a handle: by who holds it), inside a slow operation. */
#ifndef ARENITE_THREAD_SLABS_H
#define ARENITE_THREAD_SLABS_H

#include "thread/sample.h"

/* Whether the thread keeps what it frees of others' slabs of this class: larger slots, of a class
 * that it uses itself. */
INLINE bool slabs_keep_foreign(const struct thread *thread, size_t class_index) {
    return thread->attached != 0 && class_index >= CACHE_FOREIGN_FIRST &&
           thread->active[class_index] != &slab_none && !sample_counts(thread, class_index);
}

/* Resident bytes that all threads together keep in empty slabs; with what they have shown that they
 * take again (retention.h); and what each may keep anyway. */
#define SPARE_ALL_BYTES ((size_t)1024 * 1024)
#define SPARE_MOST_BYTES ((size_t)8 * 1024 * 1024)
#define SPARE_MIN_BYTES ((size_t)32 * 1024)

/* Slots that may be free in a slab that counts as full. */
INLINE uint32_t slabs_slack(const struct slab *slab) {
    return slab->capacity / 64u;
}

/* Where the owner of a slab that is active or full puts what it frees: a cache whose slots are
 * counted is filled from slabs alone (sample.h). */
INLINE struct slot_list *slabs_list(struct thread *thread, struct slab *slab) {
    bool is_direct = sample_counts(thread, slab->class_index);
    return is_direct ? &slab->own : &thread->caches[slab->class_index];
}

/* A partly used slab that was found to be nearly empty. */
INLINE bool slabs_is_sparse(const struct slab *slab) {
    return slab->state == SLAB_PARTIAL && slab->group == 0 &&
           slab->own.floor < (int32_t)slab_few(slab);
}

/* Nearly empty slabs are looked through when they span this much at least. */
#define SPARSE_BYTES ((size_t)1024 * 1024)

/* Whether it is time to see if they are too many: when more have come, and now and then, because
 * what the thread has earned ends with time. */
INLINE bool slabs_wants_holes(struct thread *thread) {
    return thread->sparse_bytes >= SPARSE_BYTES &&
           (thread->sparse_bytes >= thread->sparse_look_bytes || retention_tick(&thread->sparse));
}

/* Clears a state's lists: every active slab is slab_none. */
void slabs_forget(struct thread *thread);
/* The same, and its caches, so that it owns nothing. */
INLINE void slabs_init(struct thread *thread) {
    caches_init(thread);
    slabs_forget(thread);
}
/* Puts a slab of the thread's that was counted anew, and is on no list, where it belongs. */
void slabs_place(struct thread *thread, struct slab *slab);

/* A slab of the class that has slots in its list, active now; NULL when there is no memory. */
struct slab *slabs_ready(struct thread *thread, size_t class_index);

/* The active slab has so many slots in its list, as far as it can. */
void slabs_stock(struct thread *thread, struct slab *slab, size_t slots);

/* slab->own.until has come to 0. */
void slabs_look_at(struct thread *thread, struct slab *slab);

/* Puts so many slots, linked first to last, back into their slab, an own one, and looks at it if
 * that is due; and a single one. */
void slabs_free_run(struct thread *thread, struct slab *slab, struct slot *first, struct slot *last,
                    size_t count);
INLINE void slabs_free(struct thread *thread, struct slab *slab, struct slot *slot) {
    if (slab_push(slab, slot)) {
        slabs_look_at(thread, slab);
    }
}

/* Gives every slab away: the empty ones to the page heaps, the others to the depot. The depot's
 * lock is held; empty ones are collected in `empty` for slabs_release_list. */
void slabs_give_all(struct thread *thread, struct list *empty);
void slabs_release_list(struct list *empty);

/* Takes the active slab of a class away when it is empty; NULL when it is not. */
struct slab *slabs_take_empty_active(struct thread *thread, size_t class_index);

/* Gives the spare slabs and the empty active ones back to the page heaps. True when there were
 * some. */
bool slabs_trim(struct thread *thread);

/* slab_find_damage of the active and the partial slabs. */
const struct slot *slabs_find_damage(const struct thread *thread, size_t *budget);

/* Gives back pages between the last slots in use of nearly empty slabs, which go to the depot; at
 * once when `all`, else when enough have come together. True when some did. Holding no lock. */
bool slabs_make_holes(struct thread *thread, bool all);
/* What it would give back with `all`. */
size_t slabs_returns_bytes(const struct thread *thread);
/* A slab from the depot that has room, its holes filled; NULL: none. */
struct slab *slabs_adopt(struct thread *thread, size_t class_index);
/* Ends what the thread has earned by taking empty slabs again. */
void slabs_forget_emptied(struct thread *thread);

/* What an active slab that is not watched counts in idle_bytes; 0 for one that is. */
size_t slabs_idle_bytes(const struct slab *slab);

/* NULL when I1, I2 and every slab's own audit hold, else the first broken one. */
const char *slabs_audit(const struct thread *thread);

#endif
