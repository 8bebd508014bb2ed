/* page_map.c - writing the page map (contract and picture in page_map.h).
 * Layer: pages (includes base, os).
 *
 * Leaves are made first, entries written after: only making a leaf can fail, so a failure has
 * changed no entry. Two owners with different locks may share a granule, so an entry changes by
 * compare and exchange. */
#include "pages/page_map.h"

#include "base/bits.h"
#include "base/check.h"
#include "os/lock.h"
#include "os/os.h"

#include <errno.h>

struct page_map page_map;

_Static_assert(sizeof page_map <= (size_t)1 << 20, "the page map's static part stays within 1 MiB");

#define LEAF_BYTES (PAGE_MAP_LEAF_ENTRIES * sizeof(page_entry))
#define LEAF_SPAN_SHIFT (GRANULE_SHIFT + PAGE_MAP_LEAF_BITS)

static struct {
    struct lock lock;
    size_t leaf_count;
} leaves;

/* Indexes of the first granule of [start, end) and of the one after its last. */
struct granule_range {
    uintptr_t first;
    uintptr_t past;
};

static struct granule_range granules_of(uintptr_t start, uintptr_t end) {
    DEBUG_CHECK(start < end);
    return (struct granule_range){.first = start >> GRANULE_SHIFT,
                                  .past = ((end - 1) >> GRANULE_SHIFT) + 1};
}

static bool is_mappable(uintptr_t end) {
    return (uint64_t)(end - 1) >> PAGE_MAP_ADDRESS_BITS == 0;
}

/* 0, or -ENOMEM. Distances from the zero leaf wrap around, which unsigned arithmetic undoes. */
static int create_leaf(size_t root) {
    if (page_map.root[root] != 0) {
        return 0;
    }
    void *leaf = os_map(align_up(LEAF_BYTES, os_page_bytes()));
    if (leaf == NULL) {
        return -ENOMEM;
    }
    size_t distance = ((uintptr_t)leaf - (uintptr_t)page_map.zero_leaf) / sizeof(page_entry);
    __atomic_store_n(&page_map.root[root], distance, __ATOMIC_RELEASE);
    __atomic_add_fetch(&leaves.leaf_count, 1, __ATOMIC_RELAXED);
    return 0;
}

static int create_leaf_locked(size_t root) {
    if (!lock_enter(&leaves.lock, LOCK_RANK_PAGE_MAP)) {
        return -ENOMEM;
    }
    int status = create_leaf(root);
    lock_leave(&leaves.lock, LOCK_RANK_PAGE_MAP);
    return status;
}

int page_map_prepare(uintptr_t start, uintptr_t end) {
    DEBUG_CHECK(start < end);
    if (!is_mappable(end)) {
        return -ENOMEM;
    }
    size_t last = (size_t)((uint64_t)(end - 1) >> LEAF_SPAN_SHIFT);
    for (size_t root = (size_t)((uint64_t)start >> LEAF_SPAN_SHIFT); root <= last; root++) {
        if (__atomic_load_n(&page_map.root[root], __ATOMIC_ACQUIRE) != 0) {
            continue;
        }
        int status = create_leaf_locked(root);
        if (status < 0) {
            return status;
        }
    }
    return 0;
}

/* What an entry becomes when `wanted` is set on it. */
static page_entry combined(page_entry present, page_entry wanted) {
    return present == 0 || present == wanted ? wanted : PAGE_NOT_RUN;
}

static void set_entry(page_entry *entry, page_entry wanted) {
    page_entry present = __atomic_load_n(entry, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(entry, &present, combined(present, wanted), false,
                                        __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
    }
}

int page_map_set(uintptr_t start, uintptr_t end, void *record, enum page_kind kind) {
    DEBUG_CHECK(is_aligned((uintptr_t)record, PAGE_RECORD_ALIGNMENT));
    DEBUG_CHECK(kind != PAGE_NONE && kind <= PAGE_RUN);
    int status = page_map_prepare(start, end);
    if (status < 0) {
        return status;
    }
    page_entry wanted = page_entry_of(record, kind);
    struct granule_range range = granules_of(start, end);
    for (uintptr_t granule = range.first; granule < range.past; granule++) {
        set_entry(page_map_slot(granule << GRANULE_SHIFT), wanted);
    }
    return 0;
}

static void clear_entry(page_entry *entry, const void *record) {
    page_entry present = __atomic_load_n(entry, __ATOMIC_RELAXED);
    /* A mixed granule names no record, and so stays as it is. */
    if (page_entry_record(present) != record) {
        return;
    }
    /* Losing the exchange means that another owner has just made the granule mixed. */
    (void)__atomic_compare_exchange_n(entry, &present, 0, false, __ATOMIC_RELEASE,
                                      __ATOMIC_RELAXED);
}

void page_map_clear(uintptr_t start, uintptr_t end, const void *record) {
    DEBUG_CHECK(record != NULL);
    struct granule_range range = granules_of(start, end);
    for (uintptr_t granule = range.first; granule < range.past; granule++) {
        clear_entry(page_map_slot(granule << GRANULE_SHIFT), record);
    }
}

size_t page_map_leaf_count(void) {
    return __atomic_load_n(&leaves.leaf_count, __ATOMIC_RELAXED);
}

void page_map_fork_child(void) {
    lock_reset(&leaves.lock);
}

/* Every prefix of what is stored under the lock is valid, or loses one leaf. */
void page_map_recover(void) {
    if (lock_inherit(&leaves.lock, LOCK_RANK_PAGE_MAP)) {
        lock_drop(&leaves.lock, LOCK_RANK_PAGE_MAP);
    }
}
