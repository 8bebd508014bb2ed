/* model_demo_heap.c - the demo about 2 MB per request: a server whose malloc maps and unmaps.
 * Layer: cli (may use libc).
 *
 * Of the C library's malloc only what decides about system calls is re-told here, for one block at
 * a time: at the threshold or above, a block is a mapping of its own; below it comes from the
 * break, which grows with a top pad and is trimmed when more than the trim threshold is free. */
#include "cli/model_demo.h"
#include "cli/text.h"

#include <inttypes.h>
#include <stdlib.h>

#define DEFAULT_THRESHOLD ((uint64_t)128 << 10)
#define THRESHOLD_MOST ((uint64_t)32 << 20)
#define TOP_PAD ((uint64_t)128 << 10)
#define HEADER_BYTES 16

struct heap {
    struct mm *mm;
    uint64_t mmap_threshold;
    uint64_t trim_threshold; /* UINT64_MAX: never */
    bool adapts;             /* freeing a mapped block raises the thresholds */
    bool maps;               /* false: mallopt(M_MMAP_MAX, 0) */
    vaddr block;             /* the one that is allocated */
    uint64_t block_bytes;
    bool block_is_mapped;
    uint64_t calls; /* system calls so far */
};

static uint64_t whole_pages(uint64_t bytes) {
    return (bytes + MODEL_PAGE_BYTES - 1) & ~(uint64_t)(MODEL_PAGE_BYTES - 1);
}

static vaddr heap_malloc(struct heap *heap, uint64_t bytes) {
    struct mm *mm = heap->mm;
    int error;
    heap->block_is_mapped = heap->maps && bytes >= heap->mmap_threshold;
    if (heap->block_is_mapped) {
        heap->block_bytes = whole_pages(bytes + HEADER_BYTES);
        heap->block = demo_map(mm, heap->block_bytes, &error);
        heap->calls++;
        return heap->block;
    }
    heap->block = mm->layout.start_break;
    heap->block_bytes = bytes + HEADER_BYTES;
    vaddr end = heap->block + heap->block_bytes;
    if (mm->break_end < end) {
        heap->calls++;
        if (mm_break(mm, whole_pages(end + TOP_PAD)) < 0) {
            return VADDR_NONE;
        }
    }
    return heap->block;
}

static void heap_free(struct heap *heap) {
    struct mm *mm = heap->mm;
    if (heap->block_is_mapped) {
        mm_unmap(mm, heap->block, heap->block_bytes);
        heap->calls++;
        if (heap->adapts && heap->block_bytes > heap->mmap_threshold &&
            heap->block_bytes <= THRESHOLD_MOST) {
            heap->mmap_threshold = heap->block_bytes;
            heap->trim_threshold = 2 * heap->block_bytes;
        }
        return;
    }
    if (mm->break_end - mm->layout.start_break > heap->trim_threshold) {
        mm_break(mm, mm->layout.start_break + TOP_PAD);
        heap->calls++;
    }
}

/* ---- requests ------------------------------------------------------------------------------ */

#define REQUEST_BYTES ((uint64_t)2 << 20)
#define REQUEST_PAGES 6
#define REQUESTS 2000

/* The pages that a request touches lie apart, so that none of it is in the page of another. */
static void serve(struct heap *heap) {
    vaddr block = heap_malloc(heap, REQUEST_BYTES);
    for (uint64_t i = 0; i < REQUEST_PAGES; i++) {
        mm_access(heap->mm, block + i * (REQUEST_BYTES / REQUEST_PAGES), true);
    }
    heap_free(heap);
}

static void show_second(struct stage *stage, struct heap heap, const char *title, const char *why) {
    struct mm mm;
    stage_enter(stage, &mm, "server");
    heap.mm = &mm;
    serve(&heap);
    uint64_t first_faults = mm.minor_faults;
    uint64_t first_calls = heap.calls;
    for (int i = 1; i < REQUESTS; i++) {
        serve(&heap);
    }
    stage_tell(stage, &mm,
               text_format("%s: %d requests, each malloc(2 MiB), %d pages touched, free", title,
                           REQUESTS, REQUEST_PAGES),
               text_format("%" PRIu64 " faults: %" PRIu64 " at the first request, %" PRIu64
                           " at the %d others; %" PRIu64 " system calls: %" PRIu64 " and %" PRIu64,
                           mm.minor_faults, first_faults, mm.minor_faults - first_faults,
                           REQUESTS - 1, heap.calls, first_calls, heap.calls - first_calls),
               text_copy(why));
    stage_leave(stage, &mm);
}

void demo_two_megabytes(struct stage *stage) {
    stage_announce(stage, "A second of a server with %d requests a second.", REQUESTS);
    const struct heap fixed = {
        .mmap_threshold = DEFAULT_THRESHOLD, .trim_threshold = DEFAULT_THRESHOLD, .maps = true};
    show_second(stage, fixed, "a fixed threshold of 128 KiB, as in the notes",
                "every block is a mapping of its own: munmap takes its pages away, and the next "
                "request faults its pages in again, all in the kernel");
    struct heap adapting = fixed;
    adapting.adapts = true;
    show_second(stage, adapting, "the thresholds that glibc adapts",
                "freeing the first mapped block raises the mmap threshold to its size and the trim "
                "threshold to twice that: from then on the block comes from the break and stays");
    struct heap trimmed = fixed;
    trimmed.maps = false;
    show_second(stage, trimmed, "only mallopt(M_MMAP_MAX, 0)",
                "the block comes from the break, but more than 128 KiB at the top are trimmed at "
                "every free: nearly as many faults");
    struct heap cured = trimmed;
    cured.trim_threshold = UINT64_MAX;
    show_second(stage, cured, "mallopt(M_MMAP_MAX, 0) and mallopt(M_TRIM_THRESHOLD, -1)",
                "nothing is given back, so nothing is faulted in again");
}
