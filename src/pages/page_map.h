/* page_map.h - address -> what of ours lies there, for any address whatever.
 * Layer: pages (includes base, os).
 *
 * The address space is cut into granules; each has one entry: a record pointer with a kind in its
 * low bits, 0 for "nothing of ours". Two levels on 64 bits: a root of offsets and leaves mapped on
 * demand, one leaf for 4 GiB.
 *
 *      address  47 ........ 32 | 31 ...... 16 | 15 ..... 0
 *               root index     | leaf index   | within the granule
 *
 * Root entries are byte offsets relative to a static leaf of zeros, so a root entry of zero leads
 * to zeros without a test. Addresses beyond the user half wrap onto some entry: every reader
 * compares the address with the bounds in the record before it believes anything, so wild
 * pointers are safe. On 32 bits one flat table serves.
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
    PAGE_NONE = 0,   /* nothing of ours */
    PAGE_CHUNKS = 1, /* part of one chunk heap: record is its struct heap */
    PAGE_MIXED = 2,  /* parts of several: search */
    PAGE_RUN = 3,    /* part of one run of a page heap: record is the run owner's */
    PAGE_KIND_MASK = 7
};

/* A record pointer (8-byte aligned at least) with its kind in the low three bits. */
typedef uintptr_t page_entry;

extern page_entry page_map_zero_leaf[PAGE_MAP_LEAF_ENTRIES];
extern size_t page_map_root[PAGE_MAP_ROOT_ENTRIES]; /* byte offsets from page_map_zero_leaf */

/* The entry for any address, mapped or wild. Never faults, never locks. */
INLINE page_entry page_map_get(const void *address) {
    uintptr_t granule = (uintptr_t)address >> GRANULE_SHIFT;
    size_t root = (granule >> PAGE_MAP_LEAF_BITS) & (PAGE_MAP_ROOT_ENTRIES - 1);
    size_t leaf = granule & (PAGE_MAP_LEAF_ENTRIES - 1);
    size_t offset = __atomic_load_n(&page_map_root[root], __ATOMIC_RELAXED);
    uintptr_t base = (uintptr_t)page_map_zero_leaf + offset;
    return __atomic_load_n((const page_entry *)base + leaf, __ATOMIC_RELAXED);
}

INLINE enum page_kind page_entry_kind(page_entry entry) {
    return (enum page_kind)(entry & PAGE_KIND_MASK);
}

INLINE void *page_entry_record(page_entry entry) {
    return (void *)(entry & ~(page_entry)PAGE_KIND_MASK);
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

#endif
