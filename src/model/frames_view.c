/* frames_view.c - what the kernel shows of its frames, in its formats, and the audit behind it.
 * Layer: model (includes base and the buddy core). */
#include "model/frames.h"
#include "model/text.h"

/* Frames that lie on processors' lists are in use for these tables, as in the kernel's. */

size_t frames_buddyinfo(const struct frames *frames, char *text, size_t size) {
    struct model_text out = {text, size, 0};
    text_add(&out, "Node %d, zone %8s ", 0, "Normal");
    for (unsigned order = 0; order < BUDDY_ORDERS; order++) {
        unsigned long blocks = 0;
        for (unsigned type = 0; type < FRAME_TYPES; type++) {
            blocks += frames->buddies[type].blocks[order];
        }
        text_add(&out, "%6lu ", blocks);
    }
    text_add(&out, "\n");
    return out.length;
}

/* Names in the kernel's order; the last two stay empty here. */
static const char *const type_names[] = {"Unmovable", "Movable", "Reclaimable", "HighAtomic",
                                         "Isolate"};
#define TYPE_NAMES (sizeof type_names / sizeof type_names[0])

static void add_free_counts(struct model_text *out, const struct frames *frames) {
    text_add(out, "%-43s ", "Free pages count per migrate type at order");
    for (unsigned order = 0; order < BUDDY_ORDERS; order++) {
        text_add(out, "%6u ", order);
    }
    text_add(out, "\n");
    for (unsigned type = 0; type < TYPE_NAMES; type++) {
        text_add(out, "Node %4d, zone %8s, type %12s ", 0, "Normal", type_names[type]);
        for (unsigned order = 0; order < BUDDY_ORDERS; order++) {
            text_add(out, "%6u ", type < FRAME_TYPES ? frames->buddies[type].blocks[order] : 0);
        }
        text_add(out, "\n");
    }
}

static void add_block_counts(struct model_text *out, const struct frames *frames) {
    unsigned counts[TYPE_NAMES] = {0};
    for (uint32_t frame = 0; frame < frames->pages; frame += FRAME_BLOCK_PAGES) {
        counts[frames->block_types[frame >> FRAME_BLOCK_ORDER]]++;
    }
    text_add(out, "\n%-23s", "Number of blocks type ");
    for (unsigned type = 0; type < TYPE_NAMES; type++) {
        text_add(out, "%12s ", type_names[type]);
    }
    text_add(out, "\nNode %d, zone %8s ", 0, "Normal");
    for (unsigned type = 0; type < TYPE_NAMES; type++) {
        text_add(out, "%12u ", counts[type]);
    }
    text_add(out, "\n");
}

size_t frames_pagetypeinfo(const struct frames *frames, char *text, size_t size) {
    struct model_text out = {text, size, 0};
    text_add(&out, "Page block order: %d\nPages per block:  %u\n\n", FRAME_BLOCK_ORDER,
             FRAME_BLOCK_PAGES);
    add_free_counts(&out, frames);
    add_block_counts(&out, frames);
    return out.length;
}

/* ---- audit --------------------------------------------------------------------------------- */

static bool is_free(const struct frames *frames, uint32_t frame) {
    unsigned order = 0;
    for (unsigned type = 0; type < FRAME_TYPES; type++) {
        if (buddy_find(&frames->buddies[type], frame, &order) != BUDDY_NONE) {
            return true;
        }
    }
    return false;
}

/* I2: every free block of a type's buddy lies in blocks of the type. */
static const char *audit_types(const struct frames *frames) {
    for (uint32_t frame = 1; frame < frames->pages; frame++) {
        unsigned own = frames->block_types[frame >> FRAME_BLOCK_ORDER];
        if (own >= FRAME_TYPES) {
            return "frames: a block is of no type";
        }
        for (unsigned type = 0; type < FRAME_TYPES; type++) {
            if (type != own && frames->buddies[type].order_of[frame] != 0) {
                return "frames: a free frame is in the buddy of another type";
            }
        }
    }
    return NULL;
}

/* I4 of one list; *pages grows by what is on it. */
static const char *audit_list(const struct frames *frames, const struct frame_list *list,
                              unsigned order, uint64_t *pages) {
    for (uint32_t i = 0; i < list->count; i++) {
        uint32_t first = list->first[i];
        if (first == 0 || first >= frames->pages || first % ((uint32_t)1 << order) != 0) {
            return "frames: a list holds what is no block of its order";
        }
        for (uint32_t frame = first; frame < first + ((uint32_t)1 << order); frame++) {
            if (is_free(frames, frame)) {
                return "frames: a frame on a list is free in a buddy, too";
            }
        }
        for (uint32_t j = 0; j < i; j++) {
            if (list->first[j] == first) {
                return "frames: a frame is on a list twice";
            }
        }
        *pages += (uint64_t)1 << order;
    }
    return NULL;
}

static const char *audit_lists(const struct frames *frames) {
    uint64_t pages = 0;
    for (unsigned number = 0; number < frames->processors * FRAME_LISTS; number++) {
        unsigned list = number % FRAME_LISTS;
        unsigned order =
            list < FRAME_LIST_ORDERS * FRAME_TYPES ? list / FRAME_TYPES : FRAME_BLOCK_ORDER;
        const char *broken = audit_list(
            frames, &frames->on_processor[number / FRAME_LISTS].lists[list], order, &pages);
        if (broken != NULL) {
            return broken;
        }
    }
    return pages == frames->listed_pages ? NULL : "frames: listed_pages is miscounted";
}

const char *frames_audit(const struct frames *frames) {
    uint64_t added = 0;
    for (unsigned type = 0; type < FRAME_TYPES; type++) {
        const char *broken = buddy_audit(&frames->buddies[type]);
        if (broken != NULL) {
            return broken;
        }
        added += frames->buddies[type].added_units;
    }
    if (added != frames->pages - 1) {
        return "frames: the buddies manage more or less than all frames";
    }
    const char *broken = audit_types(frames);
    return broken != NULL ? broken : audit_lists(frames);
}
