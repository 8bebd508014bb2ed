/* os_linux_memory.c - address space and program break on Linux (contract in os.h).
 * Layer: os (includes base).
 *
 * Three kinds of mapping are used, all private and anonymous:
 *   map      readable, writable, charged to the commit limit;
 *   reserve  PROT_NONE, not charged: costs one VMA and nothing else;
 *   commit   a prefix of a reserve made accessible by mprotect, charged from then on.
 * Decommitting maps a fresh reserve over the range: it drops contents and charge in one call and
 * merges with the reserve that follows it. */
#include "os/os_linux.h"

#include "os/os.h"

#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>

#if defined(SYS_mmap2)
#define MAP_CALL SYS_mmap2
#else
#define MAP_CALL SYS_mmap
#endif

#define RESERVE_FLAGS (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
#define SMALLEST_PAGE_BYTES 4096
/* Pages whose residency one mincore call reports; one byte each, on the stack. */
#define RESIDENCY_BATCH_PAGES 1024

/* Pages that one thread unmaps and another maps pass through the kernel, which orders the two;
 * ThreadSanitizer does not see that in raw calls and has to be told. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TOLD_TO_SANITIZER 1
#endif
#endif
#if defined(TOLD_TO_SANITIZER)
#include <sanitizer/tsan_interface.h>
static char address_space;
static void pages_given(void) {
    __tsan_release(&address_space);
}
static void pages_taken(void) {
    __tsan_acquire(&address_space);
}
#else
INLINE void pages_given(void) {
}
INLINE void pages_taken(void) {
}
#endif

size_t os_page_bytes(void) {
    static size_t page_bytes;
    size_t known = __atomic_load_n(&page_bytes, __ATOMIC_RELAXED);
    if (UNLIKELY(known == 0)) {
        int saved_errno = errno;
        known = (size_t)getauxval(AT_PAGESZ);
        errno = saved_errno;
        known = known != 0 ? known : SMALLEST_PAGE_BYTES;
        __atomic_store_n(&page_bytes, known, __ATOMIC_RELAXED);
    }
    return known;
}

static void *map_pages(void *where, size_t bytes, int rights, int flags) {
    long result = KERNEL_CALL(MAP_CALL, (uintptr_t)where, bytes, (uintptr_t)rights,
                              (uintptr_t)flags, UINTPTR_MAX, 0);
    pages_taken();
    return kernel_failed(result) ? NULL : (void *)(uintptr_t)result;
}

void *os_map(size_t bytes) {
    return map_pages(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
}

void *os_reserve(size_t bytes, void *hint) {
    return map_pages(hint, bytes, PROT_NONE, RESERVE_FLAGS);
}

int os_commit(void *start, size_t bytes) {
    return (int)KERNEL_CALL(SYS_mprotect, (uintptr_t)start, bytes, PROT_READ | PROT_WRITE);
}

int os_decommit(void *start, size_t bytes) {
    long result = KERNEL_CALL(MAP_CALL, (uintptr_t)start, bytes, PROT_NONE,
                              RESERVE_FLAGS | MAP_FIXED, UINTPTR_MAX, 0);
    return kernel_failed(result) ? (int)result : 0;
}

int os_release(void *start, size_t bytes) {
    pages_given();
    return (int)KERNEL_CALL(SYS_munmap, (uintptr_t)start, bytes);
}

int os_purge(void *start, size_t bytes) {
    return (int)KERNEL_CALL(SYS_madvise, (uintptr_t)start, bytes, MADV_DONTNEED);
}

void *os_remap(void *start, size_t old_bytes, size_t new_bytes, bool may_move) {
    pages_given();
    long result = KERNEL_CALL(SYS_mremap, (uintptr_t)start, old_bytes, new_bytes,
                              may_move ? MREMAP_MAYMOVE : 0);
    pages_taken();
    return kernel_failed(result) ? NULL : (void *)(uintptr_t)result;
}

/* Resident pages among the first `pages` (at most a batch) of a range, or a negative errno. */
static long resident_in_batch(uintptr_t start, size_t pages) {
    unsigned char resident[RESIDENCY_BATCH_PAGES];
    long status = KERNEL_CALL(SYS_mincore, start, pages * os_page_bytes(), (uintptr_t)resident);
    if (status < 0) {
        return status;
    }
    long count = 0;
    for (size_t i = 0; i < pages; i++) {
        count += resident[i] & 1;
    }
    return count;
}

long os_resident_bytes(const void *start, size_t bytes) {
    size_t pages = bytes / os_page_bytes();
    uintptr_t at = (uintptr_t)start;
    long resident_pages = 0;
    while (pages > 0) {
        size_t batch = pages < RESIDENCY_BATCH_PAGES ? pages : RESIDENCY_BATCH_PAGES;
        long count = resident_in_batch(at, batch);
        if (count < 0) {
            return count;
        }
        resident_pages += count;
        at += batch * os_page_bytes();
        pages -= batch;
    }
    return resident_pages * (long)os_page_bytes();
}

static int clear_run(uintptr_t start, size_t bytes, bool is_resident) {
    if (is_resident) {
        memset((void *)start, 0, bytes);
        return 0;
    }
    return os_purge((void *)start, bytes);
}

/* The first `pages` (at most a batch) of a range. Pages that are swapped out count as not resident:
 * dropping them is right for them, too. */
static int clear_batch(uintptr_t start, size_t pages) {
    unsigned char resident[RESIDENCY_BATCH_PAGES];
    size_t page = os_page_bytes();
    long status = KERNEL_CALL(SYS_mincore, start, pages * page, (uintptr_t)resident);
    size_t past;
    for (size_t first = 0; status == 0 && first < pages; first = past) {
        bool is_resident = (resident[first] & 1) != 0;
        past = first + 1;
        while (past < pages && ((resident[past] & 1) != 0) == is_resident) {
            past++;
        }
        status = clear_run(start + first * page, (past - first) * page, is_resident);
    }
    return (int)status;
}

int os_clear(void *start, size_t bytes) {
    size_t pages = bytes / os_page_bytes();
    int status = 0;
    for (uintptr_t at = (uintptr_t)start; status == 0 && pages > 0;) {
        size_t batch = pages < RESIDENCY_BATCH_PAGES ? pages : RESIDENCY_BATCH_PAGES;
        status = clear_batch(at, batch);
        at += batch * os_page_bytes();
        pages -= batch;
    }
    return status;
}

void *os_break_move(intptr_t delta) {
    int saved_errno = errno;
    void *old_break = sbrk(delta);
    errno = saved_errno;
    return (intptr_t)old_break == -1 ? NULL : old_break;
}

void *os_break_place(void) {
    long place = KERNEL_CALL(SYS_brk, 0);
    return kernel_failed(place) ? NULL : (void *)(uintptr_t)place;
}
