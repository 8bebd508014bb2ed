/* buffers.c - large buffers, 64 KiB to 64 MiB, a few at a time, of each some pages are touched.
 *
 *   buffers COUNT LARGEST PAGES
 */
#include "bench.h"

#define KEPT 8
#define PAGE_BYTES 4096

int main(int count, char **arguments) {
    void *kept[KEPT] = {NULL};
    uint64_t chance = 17;
    size_t steps = bench_argument(count, arguments, 1, 20000);
    size_t largest = bench_argument(count, arguments, 2, 64 << 20);
    size_t pages = bench_argument(count, arguments, 3, 6);
    size_t doublings = 0;
    for (size_t size = 64 << 10; size < largest; size *= 2) {
        doublings++;
    }
    for (size_t i = 0; i < steps; i++) {
        size_t place = bench_between(&chance, 0, KEPT - 1);
        size_t size = (size_t)(64 << 10) << bench_between(&chance, 0, doublings);
        free(kept[place]);
        volatile char *buffer = kept[place] = bench_block(size);
        for (size_t page = 0; page < pages && page * PAGE_BYTES < size; page++) {
            buffer[page * PAGE_BYTES] = 1;
        }
    }
    for (size_t i = 0; i < KEPT; i++) {
        free(kept[i]);
    }
    return 0;
}
