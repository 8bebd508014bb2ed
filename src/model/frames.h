/* frames.h - the modelled machine's memory in page frames, as the kernel's page allocator keeps it.
 * Layer: model (includes base and the buddy core).
 *
 *   frames_take                                           frames_give
 *       |                                                     |
 *   lists of this processor, by type: orders 0-3, and 9       last given, first taken
 *       | empty: a batch                                      | too long: a batch
 *   one buddy per type, orders 0-10                           the type of the frame's block decides
 *       | empty: what another type has
 *   fallback: the largest block of the next type
 *
 * Types keep what can be moved or reclaimed apart from what cannot, so that large blocks can come
 * together again. Every FRAME_BLOCK_PAGES frames, a block, have a type. A request that finds
 * nothing of its type looks at another's largest free block. If that is of order 9 or more, or if
 * half of the block around it is free, the block changes its type, with all that is free in it;
 * else the request takes what it needs from the other type. So the pollution stays in few blocks.
 *
 * Watermarks: an ordinary request leaves `min` pages in the buddies; below `low` somebody should
 * reclaim until `high` is reached. Urgent requests (those that free memory) may go deeper.
 *
 * I1: frame 0 is never handed out; it stands for "none".
 * I2: a free block of a type's buddy lies in blocks of that type.
 * I3: frames in the buddies + frames on processors' lists + frames handed out = pages - 1.
 * I4: a frame on a processor's list is free in no buddy, and on no other list.
 *
 * One zone, one node. Against the kernel: free blocks of two types never merge, where the kernel
 * lets them above the block order; types 3 and 4 (reserves for atomic requests, isolation) are
 * shown and stay empty. None of it can be compared with a running kernel: checked are invariants
 * and formats. Not thread-safe: callers serialise.
 * Source: mm/page_alloc.c of Linux 6.x, re-told. */
#ifndef ARENITE_MODEL_FRAMES_H
#define ARENITE_MODEL_FRAMES_H

#include "model/address.h"
#include "pages/buddy.h"

#define FRAME_BLOCK_ORDER 9
#define FRAME_BLOCK_PAGES ((uint32_t)1 << FRAME_BLOCK_ORDER)

/* The kernel's numbers. */
enum frame_type {
    FRAME_UNMOVABLE,   /* the kernel's own objects, page tables */
    FRAME_MOVABLE,     /* pages of processes */
    FRAME_RECLAIMABLE, /* caches that can be dropped */
    FRAME_TYPES
};

/* How deep a request may go. */
enum frame_urgency {
    FRAME_ORDINARY, /* leaves the min watermark */
    FRAME_URGENT,   /* leaves half of it */
    FRAME_NO_LIMIT  /* leaves nothing: it will free memory */
};

/* Orders kept on processors' lists: 0-3 per type, and huge pages, movable or not. */
#define FRAME_LIST_ORDERS 4
#define FRAME_LISTS (FRAME_LIST_ORDERS * FRAME_TYPES + 2)
#define FRAME_LIST_BATCH_PAGES 63
#define FRAME_LIST_HIGH_BATCHES 6
#define FRAME_LIST_SLOTS (FRAME_LIST_BATCH_PAGES * FRAME_LIST_HIGH_BATCHES)

struct frame_list {
    uint32_t count;
    uint32_t first[FRAME_LIST_SLOTS]; /* frames, the last given on top */
};

struct frame_processor {
    struct frame_list lists[FRAME_LISTS];
};

struct frame_marks {
    uint64_t min_pages;
    uint64_t low_pages;
    uint64_t high_pages;
    uint64_t promo_pages;
};

struct frames {
    uint32_t pages;
    unsigned processors;
    struct frame_marks marks;
    struct buddy buddies[FRAME_TYPES];
    uint8_t *block_types; /* enum frame_type, per block */
    struct frame_processor *on_processor;
    uint64_t listed_pages; /* on processors' lists */
    uint64_t fallbacks;    /* requests served from another type */
    uint64_t conversions;  /* blocks whose type changed */
};

/* Bytes of metadata, mostly untouched until frames are used; below 2^31 pages. */
size_t frames_metadata_bytes(uint32_t pages, unsigned processors);

/* metadata: so many zeroed bytes, aligned to 8; it stays the caller's. All frames are free and
 * movable, as after boot. */
void frames_init(struct frames *frames, uint32_t pages, unsigned processors, void *metadata);

/* The first of 2^order frames, number 0 when none can be had. */
struct pfn frames_take(struct frames *frames, unsigned processor, unsigned order,
                       enum frame_type type, enum frame_urgency urgency);

/* Gives 2^order frames back, the whole of what was taken or aligned parts of it. */
void frames_give(struct frames *frames, unsigned processor, struct pfn frame, unsigned order);

/* Empties the processors' lists into the buddies, as before the memory is found too short. */
void frames_drain(struct frames *frames);

/* Pages in the buddies, what the watermarks are held against; and in them and on the lists. */
uint64_t frames_buddy_pages(const struct frames *frames);
uint64_t frames_free_pages(const struct frames *frames);

/* Sets the watermarks from the lowest, as the kernel derives the others. */
void frames_set_min(struct frames *frames, uint64_t min_pages);

bool frames_are_low(const struct frames *frames);
bool frames_are_high(const struct frames *frames);

/* /proc/buddyinfo and /proc/pagetypeinfo; at most size bytes including the NUL. Return the length
 * of the whole text. */
size_t frames_buddyinfo(const struct frames *frames, char *text, size_t size);
size_t frames_pagetypeinfo(const struct frames *frames, char *text, size_t size);

/* Recounts everything; NULL, or the first broken invariant. */
const char *frames_audit(const struct frames *frames);

#endif
