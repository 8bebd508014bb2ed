/* floor.c - an allocator that never frees: what no allocator can be much faster than, in programs
 * that do not live from memory they use again.
 *
 * Each thread cuts blocks off the front of a mapping of its own. A word before the block holds its
 * size, for realloc. Preloaded; not for use. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PIECE_BYTES ((size_t)64 * 1024 * 1024)
#define HEADER_BYTES ((size_t)16)

static __thread uintptr_t place __attribute__((tls_model("initial-exec")));
static __thread uintptr_t end __attribute__((tls_model("initial-exec")));

static int next_piece(size_t bytes) {
    size_t size = bytes > PIECE_BYTES ? bytes : PIECE_BYTES;
    void *piece = mmap(NULL, size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (piece == MAP_FAILED) {
        errno = ENOMEM;
        return -1;
    }
    place = (uintptr_t)piece;
    end = place + size;
    return 0;
}

void *memalign(size_t alignment, size_t bytes) {
    size_t least = alignment > HEADER_BYTES ? alignment : HEADER_BYTES;
    if (bytes > PTRDIFF_MAX - 2 * least) {
        errno = ENOMEM;
        return NULL;
    }
    uintptr_t block = (place + HEADER_BYTES + least - 1) & ~(least - 1);
    if (place == 0 || block + bytes > end) {
        if (next_piece(bytes + 2 * least) != 0) {
            return NULL;
        }
        block = (place + HEADER_BYTES + least - 1) & ~(least - 1);
    }
    place = block + bytes;
    ((size_t *)block)[-1] = bytes;
    return (void *)block;
}

void *malloc(size_t bytes) {
    return memalign(HEADER_BYTES, bytes);
}

void free(void *block) {
    (void)block;
}

void *calloc(size_t count, size_t each) {
    size_t bytes;
    if (__builtin_mul_overflow(count, each, &bytes)) {
        errno = ENOMEM;
        return NULL;
    }
    return malloc(bytes); /* fresh pages are zero */
}

void *realloc(void *block, size_t bytes) {
    size_t old = block != NULL ? ((size_t *)block)[-1] : 0;
    if (block != NULL && bytes <= old) {
        return block;
    }
    void *fresh = malloc(bytes);
    if (fresh != NULL && block != NULL) {
        memcpy(fresh, block, old);
    }
    return fresh;
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    return memalign(alignment, bytes);
}

int posix_memalign(void **block, size_t alignment, size_t bytes) {
    *block = memalign(alignment, bytes);
    return *block != NULL ? 0 : ENOMEM;
}

size_t malloc_usable_size(void *block) {
    return block != NULL ? ((size_t *)block)[-1] : 0;
}
