/* region.c - counting and giving back what cached regions hold (contract in region.h).
 * Layer: chunk (includes base, os, pages). */
#include "chunk/region.h"

#include "chunk/params.h"
#include "os/os.h"

#include <string.h>

/* Resident bytes that calloc clears rather than to give them back. */
#define CLEAR_MAX_BYTES ((size_t)8 << 20)

void region_open(struct region *region, uintptr_t memory, uintptr_t end, size_t request) {
    size_t usable = end - memory;
    bool is_beyond_heaps = usable > MMAP_THRESHOLD_MAX_BYTES;
    *region = (struct region){.memory = memory,
                              .usable_bytes = usable,
                              .slack_bytes = is_beyond_heaps ? usable / 8 : os_page_bytes(),
                              .end = end,
                              .request = request};
    compiler_fence();
    region_set_state(region, REGION_LIVE);
}

struct region *region_find_empty(struct regions *regions) {
    for (size_t i = 0; i < REGION_SLOTS; i++) {
        if (region_state(&regions->slots[i]) == REGION_EMPTY) {
            return &regions->slots[i];
        }
    }
    return NULL;
}

size_t region_count(const struct regions *regions) {
    size_t count = 0;
    for (size_t i = 0; i < REGION_SLOTS; i++) {
        count += region_state(&regions->slots[i]) != REGION_EMPTY;
    }
    return count;
}

/* Slots are looked at round the ring from behind the latest. */
struct region *region_find_oldest(struct regions *regions) {
    for (uint32_t i = 1; i <= REGION_SLOTS; i++) {
        struct region *region = &regions->slots[(regions->latest + i) % REGION_SLOTS];
        if (region_state(region) == REGION_CACHED) {
            return region;
        }
    }
    return NULL;
}

/* Whole pages behind the header. */
static uintptr_t body_start(const struct region *region) {
    return align_up(region->memory, os_page_bytes());
}

static size_t body_bytes(const struct region *region) {
    return region->end - body_start(region);
}

static void note_level(struct regions *regions, size_t added, size_t removed) {
    regions->level_bytes += added - removed;
    retention_note(&regions->retention, regions->level_bytes);
}

/* Refused (locked pages), it stays dirty. */
static bool give_back(struct regions *regions, struct region *region) {
    if (os_purge((void *)body_start(region), body_bytes(region)) != 0) {
        return false;
    }
    regions->dirty_bytes -= region->dirty_bytes;
    region->dirty_bytes = 0;
    region->request = 0;
    return true;
}

static void count_purge(struct regions *regions, struct region *region) {
    if (give_back(regions, region)) {
        region->is_gone = true;
        regions->gone_bytes += region->weight_bytes;
        region->purges++;
        regions->useless += region->purges == 2 && region_is_useless(region);
    }
}

/* ---- taking --------------------------------------------------------------------------------- */

static void clear_head(const struct region *region) {
    uintptr_t end = body_start(region);
    end = end < region->end ? end : region->end;
    memset((void *)region->memory, 0, end - region->memory);
}

void region_forget(struct regions *regions, struct region *region) {
    regions->useless -= region_is_useless(region);
    regions->cached_count--;
    regions->cached_bytes -= region->end - align_down(region->memory, os_page_bytes());
    regions->dirty_bytes -= region->dirty_bytes;
    regions->gone_bytes -= region->is_gone ? region->weight_bytes : 0;
    region->is_gone = false;
    region->dirty_bytes = 0;
    note_level(regions, 0, region->weight_bytes);
}

/* For calloc. The pages that a region keeps are cleared where that costs less than their faults
 * will; of a very large one the next user may touch little, so all of it goes back. */
static bool make_zero(struct regions *regions, struct region *region) {
    bool clears = region->dirty_bytes != 0 && region->dirty_bytes <= CLEAR_MAX_BYTES;
    if (clears && os_clear((void *)body_start(region), body_bytes(region)) == 0) {
        region->request = 0;
        return true;
    }
    return body_bytes(region) == 0 || give_back(regions, region);
}

bool region_take(struct regions *regions, struct region *region, bool zeroed) {
    bool is_useful = region->dirty_bytes != 0;
    if (zeroed && !make_zero(regions, region)) {
        return false;
    }
    region_forget(regions, region);
    if (is_useful) {
        region->purges = 0;
        region->uses++;
        regions->misses -= regions->misses != 0 && regions->seeks < REGION_SLOTS;
    }
    regions->seeks = 0;
    regions->latest = (uint32_t)(region - regions->slots);
    if (zeroed) {
        clear_head(region);
    }
    region_set_state(region, REGION_LIVE);
    return true;
}

/* ---- putting -------------------------------------------------------------------------------- */

/* At the frees whose number is a power of two; if the kernel does not say, all of it counts. */
static void weigh(struct region *region) {
    region->frees++;
    if ((region->frees & (region->frees - 1)) != 0) {
        return;
    }
    long resident = os_resident_bytes((void *)body_start(region), body_bytes(region));
    region->weight_bytes = resident >= 0 ? (size_t)resident : body_bytes(region);
}

static bool holds_too_much(const struct regions *regions) {
    return retention_surplus(&regions->retention, regions->dirty_bytes) != 0 ||
           regions->dirty_bytes > regions->most_bytes;
}

/* The others first: this one is the likeliest to be asked for again. */
static void give_back_surplus(struct regions *regions, struct region *latest) {
    for (uint32_t i = 1; i <= REGION_SLOTS; i++) {
        struct region *region = &regions->slots[(regions->latest + i) % REGION_SLOTS];
        if (!holds_too_much(regions)) {
            return;
        }
        if (region != latest && region->dirty_bytes != 0) {
            count_purge(regions, region);
        }
    }
    if (holds_too_much(regions)) {
        count_purge(regions, latest);
    }
}

void region_put(struct regions *regions, struct region *region) {
    weigh(region);
    if (UNLIKELY(region->frees == 1)) {
        params_adapt(chunk_bytes(chunk_of_memory((const void *)region->memory)));
    }
    region_set_state(region, REGION_CACHED);
    regions->latest = (uint32_t)(region - regions->slots);
    regions->cached_count++;
    regions->cached_bytes += region->end - align_down(region->memory, os_page_bytes());
    region->dirty_bytes = region->weight_bytes;
    regions->dirty_bytes += region->dirty_bytes;
    note_level(regions, region->weight_bytes, 0);
    if (retention_tick(&regions->retention)) {
        retention_look(&regions->retention, regions->level_bytes, os_clock_ns());
    }
    if (UNLIKELY(holds_too_much(regions))) {
        give_back_surplus(regions, region);
    }
}

/* ---- audit ---------------------------------------------------------------------------------- */

const char *region_audit(const struct regions *regions) {
    size_t count = 0, dirty = 0, level = 0, gone = 0;
    for (size_t i = 0; i < REGION_SLOTS; i++) {
        const struct region *region = &regions->slots[i];
        bool is_cached = region_state(region) == REGION_CACHED;
        if (!is_cached && (region->dirty_bytes != 0 || region->is_gone)) {
            return "a large block in use counts as cached";
        }
        count += is_cached;
        dirty += region->dirty_bytes;
        level += is_cached ? region->weight_bytes : 0;
        gone += region->is_gone ? region->weight_bytes : 0;
    }
    return count == regions->cached_count && dirty == regions->dirty_bytes &&
                   level == regions->level_bytes && gone == regions->gone_bytes
               ? NULL
               : "cached large blocks do not add up";
}
