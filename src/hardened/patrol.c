/* patrol.c - see patrol.h.
 * Layer: hardened (includes thread and below). */
#include "hardened/patrol.h"

#include "os/chance.h"
#include "os/report.h"
#include "slab/depot.h"

/* A wrong word must be seen so often in a row. */
#define PATROL_LOOKS 64

/* A block of zeros is one whose first word is zero and whose every word equals the next. */
bool patrol_is_clear_wide(const struct slot *slot, size_t slot_bytes) {
    const char *behind = (const char *)slot + PATROL_FIRST_BYTE;
    size_t bytes = slot_bytes - PATROL_FIRST_BYTE;
    return canary_read((uintptr_t)behind) == 0 &&
           memcmp(behind, behind + CANARY_WORD_BYTES, bytes - CANARY_WORD_BYTES) == 0;
}

/* Each byte is the pattern's still, or zero already. */
static bool is_being_cleared(uint64_t word, uint64_t pattern) {
    bool all = true;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        uint64_t byte = word >> shift & 0xff;
        all = all && (byte == 0 || byte == (pattern >> shift & 0xff));
    }
    return all;
}

READS_RACILY static bool may_be_right(const struct slab *slab, const struct slot_mark *mark,
                                      const void *slot) {
    enum mark_state before = mark_state(mark);
    size_t slot_bytes = slab->slot_bytes;
    uint64_t word = canary_read((uintptr_t)slot + slot_bytes - CANARY_WORD_BYTES);
    bool is_whole = before == MARK_LIVE
                        ? canary_is_whole(slot, slot_bytes - mark->slack, slot_bytes)
                        : is_being_cleared(word, canary_pattern(slot));
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    return is_whole || mark_state(mark) != before;
}

bool patrol_is_wrong(const struct slab *slab, const struct slot_mark *mark, const void *slot) {
    for (unsigned look = 0; look < PATROL_LOOKS; look++) {
        if (may_be_right(slab, mark, slot)) {
            return false;
        }
    }
    return true;
}

static const void *slot_at(const struct slab *slab, size_t index) {
    return (const void *)(slab->origin + index * slab->slot_bytes);
}

static bool is_wrong(const struct slab *slab, size_t index) {
    return patrol_is_wrong(slab, &slab_marks(slab)[index], slot_at(slab, index));
}

static COLD void report(const void *slot) {
    report_misuse("the end of a block, or what lies in front of the next one, was written to",
                  slot);
}

void patrol_look(const struct slab *slab) {
    static struct chance chance;
    size_t index = chance_below(&chance, slab->carved);
    if (is_wrong(slab, index)) {
        report(slot_at(slab, index));
    }
}

/* ---- at the end of the process --------------------------------------------------------------- */

static bool is_clear(const struct slab *slab, const struct slot *slot) {
    return patrol_is_clear(slot, slab->slot_bytes);
}

/* A slot in a list keeps the list's words, one in quarantine is looked at below. */
static bool look_at(const struct slab *slab, size_t index) {
    const struct slot *slot = slot_at(slab, index);
    bool is_live = mark_state(&slab_marks(slab)[index]) == MARK_LIVE;
    if (is_live ? !is_wrong(slab, index) : is_clear(slab, slot)) {
        return true;
    }
    if (is_live) {
        report(slot);
    } else {
        report_misuse("write after free: a freed block was written to", slot);
    }
    return false;
}

static bool look_through(const struct slab *slab, size_t *budget) {
    bool all_right = true;
    for (size_t index = 0; all_right && index < slab->carved && *budget != 0; index++) {
        all_right = look_at(slab, index);
        (*budget)--;
    }
    return all_right;
}

static bool look_through_all(const struct thread *owner, size_t *budget) {
    const struct slab *slab = __atomic_load_n(&depot_records, __ATOMIC_ACQUIRE);
    for (; slab != NULL && *budget != 0; slab = slab->next_record) {
        bool is_its = slab->owner == owner && slab->state != SLAB_UNUSED && slab_has_marks(slab);
        if (is_its && !look_through(slab, budget)) {
            return false;
        }
    }
    return true;
}

static bool look_through_quarantine(const struct quarantine *quarantine) {
    for (uint32_t place = 0; quarantine != NULL && place < quarantine->count; place++) {
        const struct slot *slot = quarantine->places[place];
        if (slot->word != 0 || slot->link != NULL || !is_clear(slab_at(slot), slot)) {
            report_misuse("write after free: a freed block was written to", slot);
            return false;
        }
    }
    return true;
}

void patrol_all(const struct thread *thread, size_t budget) {
    if (!look_through_quarantine(thread->quarantine) || !look_through_all(thread, &budget)) {
        return;
    }
    depot_lock();
    look_through_all(depot_owner, &budget);
    depot_unlock();
}
