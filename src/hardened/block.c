/* block.c - see block.h.
 * Layer: hardened (includes thread and below). */
#include "hardened/block.h"

#include "hardened/canary.h"
#include "hardened/patrol.h"
#include "hardened/site.h"
#include "hardened/zero.h"
#include "os/report.h"
#include "thread/large.h"
#include "thread/operation.h"

/* From this size on libc's functions are faster than a loop. */
#define LOOP_MOST_BYTES ((size_t)128)

/* ---- allocation ----------------------------------------------------------------------------- */

/* Of a slot that was just taken from a list: the words of lists come from us. */
INLINE void check_is_clear(struct slot *slot, size_t slot_bytes) {
    slot->word = 0;
    slot->link = NULL;
    if (UNLIKELY(!patrol_is_clear(slot, slot_bytes))) {
        report_misuse("write after free: a freed block was written to", slot);
        memset(slot, 0, slot_bytes);
    }
}

INLINE void note_live(struct slot_mark *mark, size_t slack, enum mark_origin origin,
                      const void *caller) {
    mark->allocated_at = site_of(caller);
    mark->slack = (uint16_t)slack;
    mark->origin = (uint8_t)origin;
    __atomic_store_n(&mark->state, MARK_LIVE, __ATOMIC_RELEASE);
}

INLINE void tell(enum thread_event event, void *memory, size_t bytes) {
    if (UNLIKELY(thread_listener != NULL)) {
        operation_event(event, memory, bytes);
    }
}

INLINE struct slot *take_slot(size_t class_index) {
    struct operation operation;
    struct slot *slot = NULL;
    if (LIKELY(operation_enter(&operation))) {
        struct thread *thread = thread_attach();
        if (LIKELY(thread->attached != 0)) {
            slot = slot_list_pop(&thread->caches[class_index], slot_secrets.mask);
            slot = LIKELY(slot != NULL) ? slot : cache_alloc(thread, class_index);
        }
    }
    operation_leave(&operation);
    return slot;
}

/* Makes a block of a slot. What of a very large slot is left over may be more than can be noted:
 * then the request counts as larger. */
INLINE void *make_block(struct slot *slot, size_t bytes, enum mark_origin origin,
                        const void *caller) {
    struct slab *slab = slab_at(slot);
    size_t slot_bytes = slab->slot_bytes, slack = slot_bytes - bytes;
    slack = LIKELY(slack <= UINT16_MAX) ? slack : UINT16_MAX;
    check_is_clear(slot, slot_bytes);
    canary_write(slot, slot_bytes - slack, slot_bytes);
    note_live(slab_mark_of(slab, slot), slack, origin, caller);
    tell(THREAD_EVENT_ALLOC, slot, bytes);
    patrol_step(slab);
    return slot;
}

/* What a slot must have at least for so many bytes. */
INLINE size_t padded_bytes(size_t bytes) {
    size_t padded = bytes + CANARY_LEAST_BYTES;
    return padded > MARKED_LEAST_BYTES ? padded : MARKED_LEAST_BYTES;
}

INLINE void *alloc_slot(size_t padded, size_t bytes, enum mark_origin origin, const void *caller) {
    struct slot *slot = padded <= SLAB_MAX_BYTES ? take_slot(class_of(padded)) : NULL;
    return LIKELY(slot != NULL) ? make_block(slot, bytes, origin, caller) : NULL;
}

/* Nothing else can serve. */
static COLD void *alloc_lone(size_t bytes, enum mark_origin origin, const void *caller) {
    struct slot *slot = thread_lone_slot(bytes + CANARY_LEAST_BYTES);
    return slot != NULL ? make_block(slot, bytes, origin, caller) : NULL;
}

static COLD void *alloc_nothing(size_t alignment, enum mark_origin origin, const void *caller) {
    struct operation operation;
    bool outermost = operation_enter(&operation);
    void *address = zero_alloc(alignment, outermost);
    if (address != NULL) {
        note_live(slab_mark_of(slab_at(address), address), SLAB_STEP_BYTES, origin, caller);
    }
    operation_leave(&operation);
    return address;
}

/* Has no mark: the table of mappings has room for a family. */
static void *note_large(void *memory, enum mark_origin origin) {
    if (memory != NULL) {
        large_note_family(memory, origin);
    }
    return memory;
}

void *hardened_malloc(size_t bytes, enum mark_origin origin, const void *caller) {
    void *memory = bytes == 0 ? alloc_nothing(1, origin, caller) : NULL;
    if (LIKELY(memory == NULL)) {
        memory = alloc_slot(padded_bytes(bytes), bytes, origin, caller);
    }
    if (UNLIKELY(memory == NULL)) {
        memory = note_large(thread_malloc(bytes), origin);
    }
    return LIKELY(memory != NULL) ? memory : alloc_lone(bytes, origin, caller);
}

void *hardened_calloc(size_t bytes, const void *caller) {
    void *memory = bytes == 0 ? alloc_nothing(1, ORIGIN_MALLOC, caller) : NULL;
    if (LIKELY(memory == NULL)) {
        memory = alloc_slot(padded_bytes(bytes), bytes, ORIGIN_MALLOC, caller);
    }
    if (UNLIKELY(memory == NULL)) {
        memory = note_large(thread_calloc(bytes), ORIGIN_MALLOC);
    }
    return LIKELY(memory != NULL) ? memory : alloc_lone(bytes, ORIGIN_MALLOC, caller);
}

void *hardened_aligned(size_t alignment, size_t bytes, enum mark_origin origin,
                       const void *caller) {
    void *memory = bytes == 0 ? alloc_nothing(alignment, origin, caller) : NULL;
    if (memory == NULL && alignment <= SLAB_MAX_ALIGNMENT) {
        size_t padded = align_up(padded_bytes(bytes), alignment);
        memory = alloc_slot(padded, bytes, origin, caller);
    }
    return memory != NULL ? memory : note_large(thread_aligned(alignment, bytes), origin);
}

/* ---- free ----------------------------------------------------------------------------------- */

/* False when the slot is not in use: of two frees at once one is told so. */
INLINE bool end_life(struct slot_mark *mark) {
    if (os_is_single_threaded()) {
        bool was_live = mark->state == MARK_LIVE;
        mark->state = was_live ? MARK_FREED : mark->state;
        return was_live;
    }
    uint8_t live = MARK_LIVE;
    return __atomic_compare_exchange_n(&mark->state, &live, MARK_FREED, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_RELAXED);
}

static COLD void report_canary(const void *memory) {
    report_misuse("overflow: the bytes behind the block were written to", memory);
}

static COLD void report_before(const void *memory) {
    report_misuse("underflow, or overflow of the block before it: the bytes in front of the block "
                  "were written to",
                  memory);
}

INLINE void check_around(const struct slab *slab, const struct slot_mark *mark, void *memory) {
    size_t slot_bytes = slab->slot_bytes;
    if (UNLIKELY(!canary_is_whole(memory, slot_bytes - mark->slack, slot_bytes))) {
        report_canary(memory);
    }
    if (UNLIKELY(!patrol_front_is_whole(slab, mark, memory))) {
        report_before(memory);
    }
}

INLINE void clear(void *memory, size_t bytes) {
    if (UNLIKELY(bytes > LOOP_MOST_BYTES)) {
        memset(memory, 0, bytes);
        return;
    }
    char *end = (char *)memory + bytes;
    for (char *at = memory; at != end; at += SLOT_STEP_BYTES) {
        memset(at, 0, SLOT_STEP_BYTES);
    }
}

INLINE void retire(struct slab *slab, struct slot *slot) {
    struct operation operation;
    bool outermost = operation_enter(&operation);
    if (UNLIKELY(zero_owns(slab))) {
        zero_free(slot, outermost);
    } else if (LIKELY(outermost)) {
        quarantine_put(thread_attach(), slab, slot);
    } else {
        operation_release_slot_reentrant(slab, slot);
    }
    operation_leave(&operation);
}

enum hardened_verdict hardened_free(void *memory, enum mark_origin origin, const void *caller) {
    struct slab *slab = slab_at(memory);
    if (slab == NULL || UNLIKELY(!slab_is_slot(slab, memory))) {
        return HARDENED_UNKNOWN;
    }
    struct slot_mark *mark = slab_mark_of(slab, memory);
    if (UNLIKELY(mark_state(mark) != MARK_LIVE)) {
        return HARDENED_UNKNOWN;
    }
    if (UNLIKELY((mark->origin & origin) == 0)) {
        return HARDENED_OTHER_ORIGIN;
    }
    bool has_memory = LIKELY(!zero_owns(slab));
    if (has_memory) {
        check_around(slab, mark, memory);
    }
    if (UNLIKELY(!end_life(mark))) {
        return HARDENED_UNKNOWN;
    }
    mark->freed_at = site_of(caller);
    tell(THREAD_EVENT_FREE, memory, 0);
    if (has_memory) {
        clear(memory, slab->slot_bytes);
    }
    retire(slab, memory);
    return HARDENED_FREED;
}
