/* page_heap.h - runs of granules, cut from large aligned heaps.
 * Layer: pages (includes base, os).
 *
 * A heap is a stretch of reserved address space, aligned to its size, whose granules a buddy
 * manages. It is committed upward in steps of 256 KiB to 1 MiB and never decommitted, so that it
 * costs the kernel two mappings however it is used:
 *
 *      start                         committed                       end
 *      | run | free, dirty | run | free, zero |  reserved only ......  |
 *
 * 64 MiB is asked for (on 4 KiB pages one block of the buddy's highest order), and 16, 4 or 1 MiB
 * is taken where address space is short. All records lie outside the heaps (pages/meta.h): a heap
 * holds nothing but its users' bytes, and free granules are never touched.
 *
 * I1: a granule of a heap is either in use, and then the page map names its run's owner as
 *     PAGE_RUN; or free and in the buddy; or being purged; or not committed. The page map names
 *     nothing in the last three.
 * I2: a granule marked known zero is free and reads as zeros. Only a fresh mapping and a successful
 *     os_purge set the mark; handing out clears it.
 * I3: known-zero granules that were never touched are not resident; the resident free bytes are at
 *     most the dirty ones.
 *
 * Where policy.annex_bytes says so, a heap has an annex: a mapping of its own with so many bytes
 * for each granule, committed with it, for whoever keeps records of what lies in the granule. They
 * read as zeros, or as their last user left them.
 *
 * What stays resident of free granules is bounded by whoever frees them: page_heap_limit.
 *
 * Lock: LOCK_RANK_PAGE_HEAP, one for all heaps. Committing happens under it; reserving, purging and
 * unmapping do not. All functions are thread-safe. */
#ifndef ARENITE_PAGES_PAGE_HEAP_H
#define ARENITE_PAGES_PAGE_HEAP_H

#include "pages/buddy.h"
#include "pages/page_map.h"

#define PAGE_HEAP_MAX_BYTES ((size_t)64 << 20)
#define PAGE_HEAP_MAX_UNITS ((uint32_t)(PAGE_HEAP_MAX_BYTES >> GRANULE_SHIFT))
#define PAGE_RUN_MAX_GRANULES ((size_t)PAGE_HEAP_MAX_UNITS)
_Static_assert(PAGE_HEAP_MAX_UNITS <= BUDDY_MAX_BLOCK_UNITS, "a run may fill a whole heap");

struct page_heap;

struct page_run {
    void *start; /* aligned to a granule */
    size_t bytes;
    bool is_zero;           /* when handed out: every byte is zero */
    struct page_heap *heap; /* where it goes back to */
    uintptr_t annex;        /* handed out: its records, policy.annex_bytes a granule; 0: none */
    size_t touched_bytes;   /* handed out: about how much has its pages; given back: how much its
                             * user touched, from the start, 0: not known */
    uint8_t use;            /* given back: a number for what it was used for */
};

/* What is wanted of a run that had a user before. */
struct page_wish {
    size_t granules;
    size_t least_bytes; /* more than these have their pages; 0: it may be a new one */
    uint8_t use;        /* of runs with pages, those that were used for this go first */
};

struct page_heap_stats {
    size_t heaps;
    size_t reserved_bytes;
    size_t committed_bytes; /* = in use + free dirty + free zero + purging */
    size_t in_use_bytes;
    size_t free_dirty_bytes; /* free, perhaps resident */
    size_t free_zero_bytes;  /* free, known zero */
    size_t purging_bytes;    /* being given back by some thread right now */
    size_t annex_bytes;      /* committed beside the heaps, in none of the above */
};

/* Takes granules in one piece, aligned to the power of two that holds them where a heap allows,
 * and registers them in the page map under record (8-byte aligned). 0, or -ENOMEM with *run
 * untouched; 0 granules and more than PAGE_RUN_MAX_GRANULES are refused so. */
int page_run_alloc(size_t granules, void *record, struct page_run *run);

/* The same by a wish: -ENOENT when there are none such, or none that a short search finds. */
int page_run_alloc_wish(const struct page_wish *wish, void *record, struct page_run *run);

/* Whether free granules may have pages; a guess, since others take and free them meanwhile. */
bool page_heap_has_dirty(void);

/* Gives a run back, contents and all; record as at its allocation. Aborts when it is not out. */
void page_run_free(const struct page_run *run, const void *record);

/* Purges dirty free granules until at most so many bytes of them are left; returns the bytes
 * purged. Fewer than asked when the kernel refuses (locked memory). */
size_t page_heap_purge(size_t max_dirty_bytes);

/* The same down to what the retention allows (retention.h); to be called after larger frees. */
size_t page_heap_limit(void);

/* Bytes of granules that the program has shown it takes again (retention.h). */
size_t page_heap_earned(void);

/* Unmaps heaps in which nothing is in use, all but one; returns the bytes of address space given
 * back. */
size_t page_heap_release_empty(void);

struct page_heap_stats page_heap_statistics(void);

/* Recounts from page map and buddies; NULL, or the first broken invariant. */
const char *page_heap_audit(void);

/* In a forked child: rebuilds what other threads of the parent were changing, from the page map. */
void page_heap_fork_child(void);
/* The same after an operation of this thread that was left by siglongjmp, wherever it was. */
void page_heap_recover(void);

#endif
