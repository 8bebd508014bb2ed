/* page_map.h - address -> what of ours lies there, for any address whatever.
 * Layer: pages (includes base, os).
 *
 * The address space is cut into granules; each has one entry that leads to the record of what lies
 * there, 0 for "nothing of ours". Two levels on 64 bits: a root of offsets and leaves mapped on
 * demand, one leaf for 4 GiB.
 *
 *      address  47 ........ 32 | 31 ...... 16 | 15 ..... 0
 *               root index     | leaf index   | within the granule
 *
 * Root entries are distances from a static leaf of zeros, counted in entries, so a root entry of
 * zero leads to zeros without a test. Entries are byte offsets, from the page map itself, which
 * begins with a record of zeros: so "nothing of ours" is a record like any other, and whoever
 * compares its first word with something that is never 0 needs no test either. Only entries of
 * runs are plain offsets; others carry PAGE_NOT_RUN, which makes such a reader look at the second
 * word of their record. Addresses beyond the user half wrap onto some entry: every reader compares
 * the address with the bounds in the record before it believes anything, so wild pointers are
 * safe. On 32 bits one flat table serves.
 *
 * I1: an entry of kind PAGE_CHUNKS or PAGE_RUN names the only thing of ours in its granule;
 *     PAGE_MIXED says that several share it and a search must decide.
 * I2: leaves are never given back; an entry is written only while its granule's owner is
 *     allocated from or returned, under that owner's lock.
 * Memory order: entries are single words, stored with release and loaded relaxed: whoever holds a
 * pointer to a block learnt it from a thread that had stored the entry before.
 * Size: at most 1 MiB of .bss, untouched pages of it never resident. Lock: LOCK_RANK_PAGE_MAP
 * (creation of leaves only). */
#ifndef ARENITE_PAGES_PAGE_MAP_H
#define ARENITE_PAGES_PAGE_MAP_H

#include "base/compiler.h"

/* 16 pages of 4 KiB; on machines whose pages may be larger, 16 of the largest. */
#if defined(__aarch64__) || defined(__powerpc64__)
#define GRANULE_SHIFT 20
#define PAGE_MAP_ADDRESS_BITS 48
#define PAGE_MAP_LEAF_BITS 14
#elif UINTPTR_MAX > 0xffffffffu
#define GRANULE_SHIFT 16
#define PAGE_MAP_ADDRESS_BITS 47
#define PAGE_MAP_LEAF_BITS 16
#else
#define GRANULE_SHIFT 16
#define PAGE_MAP_ADDRESS_BITS 32
#define PAGE_MAP_LEAF_BITS 16
#endif
#define GRANULE_BYTES ((size_t)1 << GRANULE_SHIFT)
#define PAGE_MAP_LEAF_ENTRIES ((size_t)1 << PAGE_MAP_LEAF_BITS)
#define PAGE_MAP_ROOT_BITS (PAGE_MAP_ADDRESS_BITS - GRANULE_SHIFT - PAGE_MAP_LEAF_BITS)
#define PAGE_MAP_ROOT_ENTRIES ((size_t)1 << PAGE_MAP_ROOT_BITS)

enum page_kind {
    PAGE_NONE,    /* nothing of ours */
    PAGE_CHUNKS,  /* part of one chunk heap: record is its struct heap */
    PAGE_MIXED,   /* parts of several: search */
    PAGE_GUARDED, /* the pool of guarded blocks (guard.h): record is page_map.guarded */
    PAGE_RUN,     /* part of one run of a page heap: record is the run owner's */
};

/* Records are aligned to this. */
#define PAGE_RECORD_ALIGNMENT 16
/* Bytes that may be read behind an entry, whatever it says. */
#define PAGE_RECORD_BYTES 128
#define PAGE_NOT_RUN ((page_entry)8)

/* Offset of a record from page_map, plus PAGE_NOT_RUN for all but runs; PAGE_NOT_RUN alone is
 * PAGE_MIXED; 0 is PAGE_NONE. */
typedef uintptr_t page_entry;

struct page_map {
    CACHE_ALIGNED unsigned char nothing[PAGE_RECORD_BYTES];
    page_entry zero_leaf[PAGE_MAP_LEAF_ENTRIES];
    size_t root[PAGE_MAP_ROOT_ENTRIES]; /* where each leaf begins, in entries of zero_leaf */
    CACHE_ALIGNED unsigned char guarded[PAGE_RECORD_BYTES]; /* zeros, too: names no thread */
};

extern struct page_map page_map;

#define PAGE_GUARDED_ENTRY (offsetof(struct page_map, guarded) + PAGE_NOT_RUN)

/* Index of an address in its leaf. Where a leaf spans 4 GiB the low half of the address is enough,
 * and needs no mask. */
INLINE size_t page_map_leaf_index(uintptr_t address) {
    if (GRANULE_SHIFT + PAGE_MAP_LEAF_BITS == 32) {
        return (uint32_t)address >> GRANULE_SHIFT;
    }
    return address >> GRANULE_SHIFT & (PAGE_MAP_LEAF_ENTRIES - 1);
}

INLINE size_t page_map_root_index(uintptr_t address) {
    return (uint64_t)address >> (GRANULE_SHIFT + PAGE_MAP_LEAF_BITS) & (PAGE_MAP_ROOT_ENTRIES - 1);
}

/* Where the entry of an address lies, in its leaf or in the leaf of zeros. Addresses are numbers
 * here: a leaf is no part of the array from which its distance is counted. */
INLINE page_entry *page_map_slot(uintptr_t address) {
    uintptr_t base = (uintptr_t)&page_map;
    const size_t *root = (const size_t *)(base + offsetof(struct page_map, root));
    size_t index = LOAD_RELAXED(&root[page_map_root_index(address)]) + page_map_leaf_index(address);
    return (page_entry *)(base + offsetof(struct page_map, zero_leaf) + index * sizeof(page_entry));
}

/* The entry for any address, mapped or wild. Never faults, never locks. */
INLINE page_entry page_map_get(const void *address) {
    return LOAD_RELAXED(page_map_slot((uintptr_t)address));
}

INLINE enum page_kind page_entry_kind(page_entry entry) {
    if ((entry & PAGE_NOT_RUN) == 0) {
        return entry == 0 ? PAGE_NONE : PAGE_RUN;
    }
    if (UNLIKELY(entry == PAGE_GUARDED_ENTRY)) {
        return PAGE_GUARDED;
    }
    return entry == PAGE_NOT_RUN ? PAGE_MIXED : PAGE_CHUNKS;
}

/* What an entry leads to if it is a run's or nothing's: a record, or zeros. */
INLINE void *page_entry_run(page_entry entry) {
    return (void *)((uintptr_t)&page_map + entry);
}

/* NULL for PAGE_NONE and PAGE_MIXED. */
INLINE void *page_entry_record(page_entry entry) {
    page_entry offset = entry & ~PAGE_NOT_RUN;
    return offset == 0 ? NULL : page_entry_run(offset);
}

/* The entry that leads to a record. */
INLINE page_entry page_entry_of(const void *record, enum page_kind kind) {
    if (kind == PAGE_MIXED) {
        return PAGE_NOT_RUN;
    }
    page_entry offset = (uintptr_t)record - (uintptr_t)&page_map;
    return kind == PAGE_RUN ? offset : offset + PAGE_NOT_RUN;
}

/* Creates the leaves that cover [start, end), so that page_map_set cannot fail there. 0 or
 * -ENOMEM. */
int page_map_prepare(uintptr_t start, uintptr_t end);

/* Says that [start, end) belongs to record. A granule that already names another record becomes
 * PAGE_MIXED. 0, or -ENOMEM with nothing changed. */
int page_map_set(uintptr_t start, uintptr_t end, void *record, enum page_kind kind);

/* Forgets record in every granule that lies wholly inside [start, end) rounded outward; callers
 * whose memory still reaches into the first granule round start up. PAGE_MIXED stays. */
void page_map_clear(uintptr_t start, uintptr_t end, const void *record);

/* Leaves created so far, and the bytes they map. */
size_t page_map_leaf_count(void);

/* In a forked child: frees the lock if a thread of the parent held it. */
void page_map_fork_child(void);
/* After an operation of this thread that was left: frees the lock if that one held it. */
void page_map_recover(void);

#endif
