/* holes.c - finding, noting and filling holes (contract in holes.h).
 * Layer: slab (includes base, os, pages).
 *
 * The guard slot may lie on a hole: all it has to be is zero. */
#include "slab/holes.h"

#include "os/os.h"

#define SLOT_WORDS (SLAB_SPAN_MAX_BYTES / SLAB_STEP_BYTES / 64)

/* Which slots are free, by index. */
struct free_slots {
    uint64_t words[SLOT_WORDS];
    uint32_t count;
};

static bool bit_is_set(const uint64_t *words, size_t index) {
    return (words[index / 64] >> index % 64 & 1) != 0;
}

static size_t index_at(const struct slab *slab, uintptr_t address) {
    return (uint32_t)(address - slab->origin) / slab->slot_bytes;
}

static uintptr_t slot_at(const struct slab *slab, size_t index) {
    return slab->origin + index * slab->slot_bytes;
}

/* Pages are powers of two: a shift, where slots are many. */
static size_t page_of(const struct slab *slab, uintptr_t address) {
    return (address - slab->start) >> log2_floor(os_page_bytes());
}

static void note_free(struct free_slots *found, size_t index) {
    found->words[index / 64] |= UINT64_C(1) << index % 64;
    found->count++;
}

static void clear(const struct slab *slab, struct free_slots *found) {
    memset(found->words, 0, (slab->carved / 64u + 1) * sizeof found->words[0]);
    found->count = 0;
}

static bool is_on_hole(const struct slab *slab, const struct slab_holes *holes, size_t index) {
    return bit_is_set(holes->pages, page_of(slab, slot_at(slab, index)));
}

/* In the order of addresses, which is the cache's, where the list leads to and fro: what carries
 * the tag is free. Pages that went back are not read: that would bring them in again. False when
 * others carry it, too: slots in a thread's cache or on their way. */
static bool scan_free_slots(const struct slab *slab, struct free_slots *found) {
    const struct slab_holes *holes = slab->holes;
    clear(slab, found);
    for (size_t index = 0; SLAB_CHECKS && index < slab->carved; index++) {
        if (holes != NULL && is_on_hole(slab, holes, index)) {
            continue;
        }
        if (slot_looks_free((const struct slot *)slot_at(slab, index))) {
            note_free(found, index);
        }
    }
    return found->count + slab_hidden(slab) + slab_live(slab) == slab->carved;
}

/* False when the list is damaged: somebody else will say so. */
static bool find_free_slots(const struct slab *slab, struct free_slots *found) {
    if (LIKELY(scan_free_slots(slab, found))) {
        return true;
    }
    clear(slab, found);
    for (const struct slot *at = slab->own.head; at != &slot_end; at = slot_next(at)) {
        if (!slab_is_slot(slab, at) || !slot_is_intact(at) || found->count > slab->carved) {
            return false;
        }
        note_free(found, index_at(slab, (uintptr_t)at));
    }
    return true;
}

/* All slots that lie on [start, end), even in part. */
static bool are_free(const struct slab *slab, const struct free_slots *found, uintptr_t start,
                     uintptr_t end) {
    size_t past = index_at(slab, end - 1) + 1;
    past = past < slab->carved ? past : slab->carved;
    size_t first = start > slab->origin ? index_at(slab, start) : 0;
    for (size_t index = first; index < past; index++) {
        if (!bit_is_set(found->words, index)) {
            return false;
        }
    }
    return true;
}

/* Slots that earlier holes hide are free, too. */
static void add_hidden(const struct slab *slab, const struct slab_holes *holes,
                       struct free_slots *found) {
    for (size_t index = 0; holes->page_count != 0 && index < slab->carved; index++) {
        if (is_on_hole(slab, holes, index)) {
            note_free(found, index);
        }
    }
}

static void find_pages(const struct slab *slab, const struct free_slots *found,
                       struct slab_holes *holes) {
    size_t page = os_page_bytes();
    uintptr_t end = slab->origin + slab_carved_bytes(slab);
    *holes = (struct slab_holes){.hidden = 0};
    uintptr_t first = align_down(slab->origin, page);
    for (uintptr_t at = first; at < end; at += page) {
        if (are_free(slab, found, at, at + page)) {
            size_t index = page_of(slab, at);
            holes->pages[index / 64] |= UINT64_C(1) << index % 64;
            holes->page_count++;
        }
    }
}

/* In ascending order; slots on pages of holes are left out. */
static void relink(struct slab *slab, const struct free_slots *found, struct slab_holes *holes) {
    struct slot *after = &slot_end;
    for (size_t index = slab->carved; index-- != 0;) {
        uintptr_t at = slot_at(slab, index);
        if (!bit_is_set(found->words, index)) {
            continue;
        }
        if (is_on_hole(slab, holes, index)) {
            holes->hidden++;
        } else {
            slot_set_next((struct slot *)at, after, 0);
            after = (struct slot *)at;
        }
    }
    compiler_fence();
    slab->own.head = after;
}

/* Others may look at the record meanwhile, and must find a slot there before its tag goes. */
static void publish(struct slab *slab, struct slab_holes *holes, const struct slab_holes *now) {
    for (size_t i = 0; i < HOLES_WORDS; i++) {
        __atomic_store_n(&holes->pages[i], now->pages[i], __ATOMIC_RELAXED);
    }
    holes->hidden = now->hidden;
    holes->page_count = now->page_count;
    __atomic_store_n(&slab->holes, holes, __ATOMIC_RELEASE);
}

/* Runs of pages with one call each. What the kernel refuses stays resident, and hidden. */
static void give_back(const struct slab *slab, const uint64_t *pages_out) {
    size_t page = os_page_bytes(), pages = slab->span_bytes / page;
    for (size_t first = 0; first < pages; first++) {
        size_t past = first;
        while (past < pages && bit_is_set(pages_out, past)) {
            past++;
        }
        if (past != first) {
            (void)os_purge((void *)(slab->start + first * page), (past - first) * page);
            first = past;
        }
    }
}

/* The holes there would be, with those that there are; the pages that this adds. */
static size_t find_holes(const struct slab *slab, struct free_slots *found,
                         const struct slab_holes *former, struct slab_holes *now) {
    if (slab_live(slab) == 0 || !find_free_slots(slab, found)) {
        return 0;
    }
    add_hidden(slab, former, found);
    find_pages(slab, found, now);
    return now->page_count - former->page_count;
}

static struct slab_holes holes_of(const struct slab *slab) {
    return slab->holes != NULL ? *slab->holes : (struct slab_holes){.hidden = 0};
}

size_t slab_count_holes(const struct slab *slab) {
    const struct slab_holes former = holes_of(slab);
    struct free_slots found;
    struct slab_holes now;
    return find_holes(slab, &found, &former, &now);
}

size_t slab_make_holes(struct slab *slab, struct slab_holes *holes, size_t least_pages) {
    const struct slab_holes former = holes_of(slab);
    struct free_slots found;
    struct slab_holes now;
    size_t added = find_holes(slab, &found, &former, &now);
    if (added < least_pages || added == 0) {
        return 0;
    }
    relink(slab, &found, &now);
    publish(slab, holes, &now);
    for (size_t i = 0; i < HOLES_WORDS; i++) {
        now.pages[i] &= ~former.pages[i];
    }
    give_back(slab, now.pages);
    return added;
}

void slab_fill_holes(struct slab *slab) {
    const struct slab_holes *holes = slab->holes;
    struct slot *after = slab->own.head;
    for (size_t index = slab->carved; index-- != 0;) {
        uintptr_t at = slot_at(slab, index);
        if (is_on_hole(slab, holes, index)) {
            slot_set_next((struct slot *)at, after, 0);
            after = (struct slot *)at;
        }
    }
    compiler_fence();
    slab->own.head = after;
}

bool slab_is_hidden(const struct slab *slab, const struct slot *slot) {
    const struct slab_holes *holes = __atomic_load_n(&slab->holes, __ATOMIC_ACQUIRE);
    uintptr_t start = align_down(slab->origin, class_span_bytes(slab->class_index));
    return holes != NULL && bit_is_set(holes->pages, ((uintptr_t)slot - start) / os_page_bytes());
}

/* ---- audit ---------------------------------------------------------------------------------- */

static uint32_t count_hidden(const struct slab *slab, const struct slab_holes *holes) {
    uint32_t hidden = 0;
    for (size_t index = 0; index < slab->carved; index++) {
        hidden += is_on_hole(slab, holes, index);
    }
    return hidden;
}

static uint32_t count_pages(const struct slab *slab, const struct slab_holes *holes) {
    uint32_t pages = 0;
    for (size_t page = 0; page < slab->span_bytes / os_page_bytes(); page++) {
        pages += bit_is_set(holes->pages, page);
    }
    return pages;
}

const char *slab_audit_holes(const struct slab *slab) {
    const struct slab_holes *holes = slab->holes;
    struct free_slots found;
    if (holes == NULL || !find_free_slots(slab, &found)) {
        return NULL; /* a damaged list is told by slab_audit */
    }
    if (count_hidden(slab, holes) != holes->hidden ||
        count_pages(slab, holes) != holes->page_count) {
        return "the holes of a slab do not add up";
    }
    for (size_t index = 0; index < slab->carved; index++) {
        bool is_listed = bit_is_set(found.words, index);
        if (is_listed && is_on_hole(slab, holes, index)) {
            return "a listed slot lies on a page that was given back";
        }
    }
    return NULL;
}
