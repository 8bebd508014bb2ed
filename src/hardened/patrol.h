/* patrol.h - what is looked at beside the slot in hand: the word in front of it, now and then
 * another slot of its slab, and at the end of the process all that can be reached.
 * Layer: hardened (includes thread and below).
 *
 * Other slots may be another thread's, which is handing them out or freeing them at the moment. So
 * their marks are read before and after their bytes, and what is wrong must be so several times.
 * What a slot's last word can be follows from the order of the owner's stores:
 *
 *   alloc   pattern, then LIVE           while LIVE             pattern
 *   free    FREED, then zeros            while FREED or NONE    zero, or (of) the pattern
 */
#ifndef ARENITE_HARDENED_PATROL_H
#define ARENITE_HARDENED_PATROL_H

#include "hardened/canary.h"
#include "slab/mark.h"
#include "thread/thread.h"

/* One allocation in so many looks at another slot. */
#define PATROL_INTERVAL 64u

/* Whether what lies behind the words of lists is all zeros. */
#define PATROL_FIRST_BYTE (sizeof(struct slot) / CANARY_WORD_BYTES * CANARY_WORD_BYTES)
bool patrol_is_clear_wide(const struct slot *slot, size_t slot_bytes);
INLINE bool patrol_is_clear(const struct slot *slot, size_t slot_bytes) {
    uintptr_t end = (uintptr_t)slot + slot_bytes;
    uint64_t any = 0;
    if (UNLIKELY(slot_bytes > 128)) {
        return patrol_is_clear_wide(slot, slot_bytes);
    }
    for (uintptr_t at = (uintptr_t)slot + PATROL_FIRST_BYTE; at != end; at += CANARY_WORD_BYTES) {
        any |= canary_read(at);
    }
    return any == 0;
}

/* Whether a slot in use has lost its canary, or another one has something else in its last word. */
COLD bool patrol_is_wrong(const struct slab *slab, const struct slot_mark *mark, const void *slot);

/* The word in front of a slot: the last one of the slot before it, or of the guard. */
INLINE bool patrol_front_is_whole(const struct slab *slab, const struct slot_mark *mark,
                                  const void *slot) {
    uint64_t word = canary_read((uintptr_t)slot - CANARY_WORD_BYTES);
    if ((uintptr_t)slot == slab->origin) {
        return word == 0;
    }
    const void *before = (const char *)slot - slab->slot_bytes;
    uint64_t expected = mark_state(mark - 1) == MARK_LIVE ? canary_pattern(before) : 0;
    return LIKELY(word == expected) || !patrol_is_wrong(slab, mark - 1, before);
}

NOINLINE void patrol_look(const struct slab *slab);

/* Part of each allocation from a slab, by an attached thread. */
INLINE void patrol_step(const struct slab *slab) {
    if (UNLIKELY(thread_own->patrol_countdown-- == 0)) {
        thread_own->patrol_countdown = PATROL_INTERVAL - 1;
        patrol_look(slab);
    }
}

/* Looks at the thread's quarantine and up to so many slots of its slabs and of those without an
 * owner, and reports the first that was written to or beside. Inside an operation. */
void patrol_all(const struct thread *thread, size_t budget);

#endif
