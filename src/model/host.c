/* host.c - the model's own memory, mapped from the real kernel.
 * Layer: model (includes only base). */
#include "model/host.h"

#include <sys/mman.h>

void *host_map(size_t bytes) {
    void *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return start != MAP_FAILED ? start : NULL;
}

void *host_map_large(size_t bytes) {
    void *start = host_map(bytes);
    if (start != NULL) {
        madvise(start, bytes, MADV_HUGEPAGE); /* a wish: without it all works as well */
    }
    return start;
}

void host_unmap(void *start, size_t bytes) {
    munmap(start, bytes);
}
