/* place.c - where a new mapping goes.
 * Layer: model (includes base).
 *
 * Top-down (the default): the highest gap below mmap_base that fits, its upper end. Bottom-up (the
 * classic layout, and the second try when top-down fails): the lowest gap from mmap_low on. The
 * 256 pages below a growing stack are no gap.
 *
 *   0 ... heap -> |            <- mappings | mmap_base ... | stack gap | stack | task_end
 */
#include "model/file.h"
#include "model/mm_internal.h"

/* The lowest address that may be used when a VMA that can grow down keeps its distance. */
static vaddr start_with_gap(const struct mm *mm, const struct vma *vma) {
    uint64_t gap = mm->machine->personality.stack_gap_pages << MODEL_PAGE_SHIFT;
    if ((vma->flags & VMF_GROWSDOWN) == 0) {
        return vma->start;
    }
    return vma->start > gap ? vma->start - gap : 0;
}

static bool is_below_next(const struct mm *mm, vaddr start, uint64_t length) {
    const struct vma *next = vma_index_find(&mm->index, start);
    return next == NULL || start + length <= start_with_gap(mm, next);
}

static vaddr search_top_down(const struct mm *mm, uint64_t length) {
    struct gap_request request = {length, MODEL_PAGE_BYTES, MODEL_PAGE_BYTES, mm->layout.mmap_base};
    for (;;) {
        vaddr place = vma_index_gap_top_down(&mm->index, &request);
        if (place == VADDR_NONE || is_below_next(mm, place, length)) {
            return place;
        }
        request.high = start_with_gap(mm, vma_index_find(&mm->index, place));
    }
}

static vaddr search_bottom_up(const struct mm *mm, uint64_t length) {
    struct gap_request request = {length, MODEL_PAGE_BYTES, mm->layout.mmap_low,
                                  mm->layout.task_end};
    for (;;) {
        vaddr place = vma_index_gap_bottom_up(&mm->index, &request);
        if (place == VADDR_NONE || is_below_next(mm, place, length)) {
            return place;
        }
        request.low = vma_index_find(&mm->index, place)->end;
    }
}

static vaddr search(const struct mm *mm, uint64_t length) {
    vaddr place = VADDR_NONE;
    if (!mm->machine->personality.bottom_up) {
        place = search_top_down(mm, length);
    }
    return place != VADDR_NONE ? place : search_bottom_up(mm, length);
}

/* A place at which huge pages fit the offset: from a gap 2 MiB longer than needed. */
static vaddr search_aligned(const struct mm *mm, uint64_t length, uint64_t offset) {
    vaddr place = search(mm, length + PMD_BYTES);
    if (place == VADDR_NONE) {
        return VADDR_NONE;
    }
    uint64_t up = (offset - place) & (PMD_BYTES - 1);
    return up == 0 && !mm->machine->personality.bottom_up ? place + PMD_BYTES : place + up;
}

/* Anonymous memory of whole 2 MiB, and what covers a whole aligned 2 MiB of a file on a disk. */
static bool wants_alignment(const struct mm *mm, const struct map_request *request,
                            uint64_t length) {
    const struct personality *personality = &mm->machine->personality;
    if (!personality->thp_alignment || personality->bits32) {
        return false;
    }
    if (request->file == NULL) {
        return (request->flags & MAP_REQUEST_SHARED) == 0 && (length & (PMD_BYTES - 1)) == 0;
    }
    uint64_t offset = request->file_page << MODEL_PAGE_SHIFT;
    uint64_t aligned = block_start(offset + PMD_BYTES - 1);
    return !request->file->is_shared_memory && offset + length >= aligned + PMD_BYTES;
}

/* A hint below the lowest address allowed is moved up to it. */
static vaddr hint_of(const struct mm *mm, vaddr address) {
    vaddr hint = PAGE_MASK_OF(address);
    vaddr lowest = page_round_up(mm->machine->personality.min_address);
    return hint != 0 && hint < lowest ? lowest : hint;
}

static vaddr place_without_flags(const struct mm *mm, const struct map_request *request,
                                 uint64_t length) {
    vaddr hint = hint_of(mm, request->address);
    bool aligned = wants_alignment(mm, request, length) && (hint == 0 || request->file != NULL);
    uint64_t needed = aligned ? length + PMD_BYTES : length; /* files look for more at a hint too */
    if (hint != 0 && hint <= mm->layout.task_end - needed && is_below_next(mm, hint, needed)) {
        return hint;
    }
    vaddr place = VADDR_NONE;
    if (aligned) {
        uint64_t offset = request->file == NULL ? 0 : request->file_page << MODEL_PAGE_SHIFT;
        place = search_aligned(mm, length, offset);
    }
    return place != VADDR_NONE ? place : search(mm, length);
}

int mm_place(const struct mm *mm, const struct map_request *request, uint64_t length,
             vaddr *result) {
    if (length > mm->layout.task_end) {
        return -ENOMEM;
    }
    bool is_fixed = (request->flags & (MAP_REQUEST_FIXED | MAP_REQUEST_NOREPLACE)) != 0;
    vaddr place = is_fixed ? request->address : place_without_flags(mm, request, length);
    if (place == VADDR_NONE || place > mm->layout.task_end - length) {
        return -ENOMEM;
    }
    if (!is_page_aligned(place)) {
        return -EINVAL;
    }
    *result = place;
    return 0;
}
