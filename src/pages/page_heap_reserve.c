/* page_heap_reserve.c - address space for a heap: a ladder of sizes, each aligned to itself.
 * Layer: pages (includes base, os).
 *
 * For each size, from 64 MiB down, two ways are tried: exactly that much just below the newest
 * heap, where a top-down layout has room and no trimming is needed; then nearly twice as much
 * anywhere, the surplus trimmed off:
 *
 *      mapped_start      start                 start + bytes      mapped end
 *      |    surplus      |  the heap, aligned  |     surplus      |
 *
 * A trim that the kernel refuses (mappings have a limit) leaves the surplus reserved; the mapping
 * remembers it, and it goes away with the heap. */
#include "base/bits.h"
#include "os/os.h"
#include "pages/page_heap_internal.h"
#include "pages/policy.h"

#include <errno.h>

static const size_t heap_sizes[] = {PAGE_HEAP_MAX_BYTES, (size_t)16 << 20, (size_t)4 << 20,
                                    (size_t)1 << 20};

#define HEAP_SIZES (sizeof heap_sizes / sizeof heap_sizes[0])

/* An annex that the kernel does not take back is address space lost, without memory. */
int heap_mapping_release(const struct heap_mapping *mapping) {
    int status = os_release((void *)mapping->mapped_start, mapping->mapped_bytes);
    if (status == 0 && mapping->annex != 0 &&
        os_release((void *)mapping->annex, mapping->annex_bytes) != 0) {
        (void)os_decommit((void *)mapping->annex, mapping->annex_bytes);
    }
    return status;
}

/* Anywhere. False when one is wanted and cannot be had. */
static bool reserve_annex(struct heap_mapping *mapping) {
    mapping->annex_bytes = (mapping->bytes >> GRANULE_SHIFT) * policy.annex_bytes;
    if (mapping->annex_bytes != 0) {
        mapping->annex = (uintptr_t)os_reserve(mapping->annex_bytes, NULL);
    }
    return mapping->annex_bytes == 0 || mapping->annex != 0;
}

static struct heap_mapping exact_mapping(uintptr_t start, size_t bytes) {
    return (struct heap_mapping){
        .start = start, .bytes = bytes, .mapped_start = start, .mapped_bytes = bytes};
}

static bool reserve_at_hint(size_t bytes, uintptr_t above, struct heap_mapping *mapping) {
    if (above < 2 * bytes) {
        return false;
    }
    uintptr_t hint = align_down(above - bytes, bytes);
    uintptr_t start = (uintptr_t)os_reserve(bytes, (void *)hint);
    if (start == 0) {
        return false;
    }
    *mapping = exact_mapping(start, bytes);
    if (is_aligned(start, bytes)) {
        return true;
    }
    /* Should even this fail, address space without memory is lost, once. */
    (void)heap_mapping_release(mapping);
    return false;
}

/* Cuts off what lies before and behind the heap. */
static void trim_mapping(struct heap_mapping *mapping) {
    size_t before = mapping->start - mapping->mapped_start;
    if (before > 0 && os_release((void *)mapping->mapped_start, before) == 0) {
        mapping->mapped_start += before;
        mapping->mapped_bytes -= before;
    }
    uintptr_t end = mapping->start + mapping->bytes;
    size_t behind = mapping->mapped_start + mapping->mapped_bytes - end;
    if (behind > 0 && os_release((void *)end, behind) == 0) {
        mapping->mapped_bytes -= behind;
    }
}

static bool reserve_and_trim(size_t bytes, struct heap_mapping *mapping) {
    size_t mapped_bytes = 2 * bytes - os_page_bytes();
    uintptr_t mapped_start = (uintptr_t)os_reserve(mapped_bytes, NULL);
    if (mapped_start == 0) {
        return false;
    }
    *mapping = exact_mapping(mapped_start, mapped_bytes);
    mapping->start = align_up(mapped_start, bytes);
    mapping->bytes = bytes;
    trim_mapping(mapping);
    return true;
}

int heap_mapping_reserve(size_t min_bytes, uintptr_t above, struct heap_mapping *mapping) {
    for (size_t i = 0; i < HEAP_SIZES && heap_sizes[i] >= min_bytes; i++) {
        struct heap_mapping found;
        if (!reserve_at_hint(heap_sizes[i], above, &found) &&
            !reserve_and_trim(heap_sizes[i], &found)) {
            continue;
        }
        if (reserve_annex(&found) &&
            page_map_prepare(found.start, found.start + found.bytes) == 0) {
            *mapping = found;
            return 0;
        }
        (void)heap_mapping_release(&found);
    }
    return -ENOMEM;
}
