/* statistics.h - what the arenas and mapped chunks hold, counted by walking.
 * Layer: api (includes thread and below).
 *
 * Definitions are glibc's: a chunk in a thread's quick lists, and the block that stands for those
 * lists, count as in use; the top chunk is one free chunk; sizes include headers.
 *
 * I1: system_bytes = used_bytes + free_bytes, for every arena and for their sum.
 * An arena that cannot be read (its lock is held by what the caller interrupted, it was torn by a
 * fork, its lists are damaged) counts as wholly in use, and incomplete says so. */
#ifndef ARENITE_API_STATISTICS_H
#define ARENITE_API_STATISTICS_H

#include "api/walk.h"
#include "chunk/bin.h"
#include "chunk/mapped.h"

/* Free chunks of one bin. Sizes here have their flags, as glibc shows them. */
struct bin_statistics {
    size_t count;
    size_t total;
    size_t from, to; /* smallest and largest size; 0 when there is none */
};

struct arena_statistics {
    size_t system_bytes, system_max_bytes;
    size_t used_bytes;
    size_t free_bytes; /* top + bins + fast bins */
    size_t top_bytes;
    size_t purged_bytes;  /* pages inside free chunks, given back: in none of the above */
    size_t returns_bytes; /* what malloc_trim(0) would give back */
    size_t fast_count, fast_bytes;
    size_t bin_count, bin_bytes; /* in bins, top not among them */
    size_t heap_count, heap_bytes, heap_committed_bytes;
    bool is_main;
    bool incomplete;
    struct bin_statistics fast[FAST_BINS];
    struct bin_statistics bins[BIN_COUNT]; /* by bin index */
};

/* Sums over arenas; the mapped chunks once. */
struct heap_statistics {
    size_t arenas;
    size_t incomplete; /* arenas that could not be read */
    size_t system_bytes, system_max_bytes;
    size_t used_bytes, free_bytes;
    size_t free_count; /* chunks in bins and tops */
    size_t fast_count, fast_bytes;
    size_t top_bytes;
    size_t returns_bytes; /* what malloc_trim(0) gives back of arenas and of the caller's lists */
    size_t region_bytes;  /* resident, in freed large blocks that stay mapped; in no other figure */
    size_t quick_bytes;   /* in threads' quick lists; in used_bytes, too */
    struct mapped_totals mapped;
    struct slab_statistics {
        size_t slabs;
        size_t live_count, live_bytes; /* slots in use, those under way between threads too */
        size_t free_count, free_bytes; /* carved slots that are free */
        size_t uncarved_bytes;         /* of slabs that are not empty: slots never handed out */
        size_t slack_bytes;            /* of these slabs: guards, colours, what no slot fills */
        size_t empty_bytes;            /* empty slabs, whole */
        size_t empty_free_bytes;       /* of free_bytes: in empty slabs */
        size_t committed_bytes;        /* of page heaps, without what is known to be zero */
        size_t unused_bytes;           /* of these: in no slab */
        size_t spare_bytes;            /* granules of empty slabs that malloc_trim gives back */
        size_t medium_bytes;           /* chunks that threads keep; in used_bytes, too */
        size_t queued_bytes;           /* slots on the way to their owners; in live_bytes, too */
        size_t quarantine_bytes;       /* of free_bytes: in threads' quarantines */
        size_t annex_bytes;            /* marks of slots (profile=hardened), in no other figure */
    } slabs;
};

/* The sums over every layer: arena, uordblks and fordblks of mallinfo2. */
INLINE size_t statistics_system(const struct heap_statistics *sum) {
    return sum->system_bytes + sum->slabs.committed_bytes;
}

INLINE size_t statistics_used(const struct heap_statistics *sum) {
    return sum->used_bytes - sum->slabs.medium_bytes + sum->slabs.live_bytes -
           sum->slabs.queued_bytes;
}

INLINE size_t statistics_free(const struct heap_statistics *sum) {
    return statistics_system(sum) - statistics_used(sum);
}

/* keepcost. Chunks in the caller's lists may lie between live ones: then less goes back. */
INLINE size_t statistics_returns(const struct heap_statistics *sum) {
    size_t bytes = sum->returns_bytes + sum->slabs.unused_bytes + sum->slabs.spare_bytes;
    return bytes < statistics_free(sum) ? bytes : statistics_free(sum);
}

/* Called for each arena in the order of the ring, main first, outside of locks. */
typedef void (*statistics_visitor)(const struct arena_statistics *arena, size_t number,
                                   void *state);

/* Counts every arena in turn, under its lock; visit may be NULL. May be called from a signal
 * handler; allocates nothing, and needs less than 16 KiB of stack. */
void statistics_collect(struct heap_statistics *sum, statistics_visitor visit, void *state);

/* Blocks in heaps, counted by walking every chunk, and what threads keep of them in quick lists.
 * The lists of running threads move meanwhile. */
struct block_statistics {
    size_t chunks; /* free ones and tops included, fences not */
    size_t quick_count, quick_bytes;
    size_t threads; /* attached */
};

void statistics_count_blocks(struct block_statistics *blocks);

#endif
