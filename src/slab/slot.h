/* slot.h - free slots and lists of them, as slabs and threads' caches have them.
 * Layer: slab (includes base).
 *
 * A free slot holds
 *
 *   +------------------------------+---------------+-----------------+
 *   | next: low 32 bits, and       | tag: 32 bits  | the same, whole |  ... the rest is as its last
 *   | in bit 0 whether it is fresh |               | under a mask    |      user left it
 *   +------------------------------+---------------+-----------------+
 *
 * The tag is a secret of the process. A slot that carries it is free: a second free sees it.
 * Handing out clears it. The next is written twice, the second time under another secret: before it
 * is followed it is seen that nobody wrote to either. The end of every list is one slot that never
 * looks so: one comparison tells "a slot" from "none left" and from "corrupted".
 *
 * A fresh slot was never handed out: all behind its two words is zero.
 *
 * `until` counts down at every slot that comes and up at every one that goes; at 0 the owner looks.
 *
 * On its way to another thread a slot carries the tag, its own address instead of a next, and a
 * plain link.
 *
 * Lists belong to one thread each. */
#ifndef ARENITE_SLAB_SLOT_H
#define ARENITE_SLAB_SLOT_H

#include "base/compiler.h"

#include <string.h>

#define SLOT_STEP_BYTES ((size_t)16)

struct slot {
    union {
        struct {
            uint32_t next;
            uint32_t tag;
        };
        uint64_t word; /* both, tag above */
    };
    struct slot *link; /* under the mask; plain while it travels */
};
_Static_assert(sizeof(struct slot) <= SLOT_STEP_BYTES, "the smallest slot holds its links");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "next is the low half of word");

struct slot_list {
    _Alignas(16) struct slot *head; /* never NULL: &slot_end where there is none */
    int32_t until;
    union {
        int32_t floor; /* of a slab: live slots less until */
        struct {       /* of a cache: see thread/cache.h */
            uint16_t top;
            uint16_t limit : 10, flushes : 6;
        };
    };
};
#define SLOT_LIST_SHIFT 4
_Static_assert(sizeof(struct slot_list) == 1 << SLOT_LIST_SHIFT, "threads' states begin with them");

/* What the last slot of every list leads to. Never written. */
extern struct slot slot_end;

/* Chosen once per process: the tag is not 0, the low bits of the mask are. */
struct slot_secrets {
    uintptr_t mask;
    uint32_t tag;
};
extern struct slot_secrets slot_secrets;

#define SLOT_FRESH ((uintptr_t)1)
#define SLOT_FLAGS ((uintptr_t)SLOT_STEP_BYTES - 1)

/* Compiled out in the build without checks (make nochecks), which shows what they cost: then no
 * slot carries a tag, links are plain, the end is told by its link, and every pointer into an own
 * slab is believed. */
#if defined(ARENITE_NOCHECKS) && ARENITE_NOCHECKS
#define SLAB_CHECKS false
#else
#define SLAB_CHECKS true
#endif

/* ---- one slot -------------------------------------------------------------------------------- */

INLINE uintptr_t slot_masked(uintptr_t link, uintptr_t mask) {
    return SLAB_CHECKS ? link ^ mask : link;
}

/* Where a listed slot leads, with its flag. */
INLINE uintptr_t slot_link(const struct slot *slot, uintptr_t mask) {
    return slot_masked((uintptr_t)slot->link, mask);
}

/* Nobody wrote to a listed slot, and it is not the end. */
INLINE bool slot_is_intact(const struct slot *slot) {
    uintptr_t link = slot_link(slot, slot_secrets.mask);
    return SLAB_CHECKS ? slot->next == (uint32_t)link : link != 0;
}

INLINE struct slot *slot_next(const struct slot *slot) {
    return (struct slot *)(slot_link(slot, slot_secrets.mask) & ~SLOT_FLAGS);
}

INLINE void slot_set_tag(struct slot *slot, uint32_t tag) {
    if (SLAB_CHECKS) {
        slot->tag = tag;
    }
}

/* The tag is there: the slot is free, or its user wrote these very bits. */
INLINE bool slot_looks_free(const struct slot *slot) {
    return SLAB_CHECKS && slot->tag == slot_secrets.tag;
}

INLINE bool slot_tag_is_right(const struct slot *slot) {
    return !SLAB_CHECKS || slot->tag == slot_secrets.tag;
}

/* Makes a free slot lead to another, or to the end; `flag` is SLOT_FRESH or 0. */
INLINE void slot_set_next(struct slot *slot, const struct slot *next, uintptr_t flag) {
    uintptr_t link = (uintptr_t)next | flag;
    slot_set_tag(slot, slot_secrets.tag);
    slot->next = (uint32_t)link;
    slot->link = (struct slot *)slot_masked(link, slot_secrets.mask);
}

/* Of a slot in a list or just taken from it. */
INLINE uintptr_t slot_fresh_flag(const struct slot *slot) {
    return slot_link(slot, slot_secrets.mask) & SLOT_FRESH;
}

INLINE bool slot_is_fresh(const struct slot *slot) {
    return slot_fresh_flag(slot) != 0;
}

/* Makes a slot that was just taken all zeros, as far as its user asked for. */
INLINE void *slot_clear(struct slot *slot, size_t bytes) {
    if (!slot_is_fresh(slot)) {
        return memset(slot, 0, bytes);
    }
    slot->word = 0;
    slot->link = NULL;
    return slot;
}

/* ---- a list ---------------------------------------------------------------------------------- */

/* Takes the first slot; NULL when there is none or it is damaged (slot_list_is_empty tells). The
 * mask is the secret one, or anything for a list that is empty for ever. */
INLINE void *slot_list_pop(struct slot_list *list, uintptr_t mask) {
    struct slot *slot = list->head;
    uintptr_t link = slot_link(slot, mask);
    IN_RETURN_REGISTER(slot);
    if (UNLIKELY(SLAB_CHECKS ? slot->next != (uint32_t)link : link == 0)) {
        return NULL;
    }
    list->head = (struct slot *)(link & ~SLOT_FLAGS);
    compiler_fence();
    slot_set_tag(slot, 0);
    list->until++;
    ASSUME(slot != NULL);
    return slot;
}

/* Puts a slot first; true when the list's owner must look at it: until is 0. */
INLINE bool slot_list_push(struct slot_list *list, struct slot *slot,
                           const struct slot_secrets *secrets) {
    uintptr_t head = (uintptr_t)list->head;
    slot_set_tag(slot, secrets->tag);
    if (SLAB_CHECKS) {
        slot->next = (uint32_t)head;
    }
    slot->link = (struct slot *)slot_masked(head, secrets->mask);
    compiler_fence();
    list->head = slot;
    return --list->until == 0;
}

INLINE bool slot_list_is_empty(const struct slot_list *list) {
    return list->head == &slot_end;
}

#endif
