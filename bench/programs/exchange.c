/* exchange.c - threads swap blocks through shared places: each frees what it finds.
 *
 *   exchange THREADS SWAPS SMALLEST LARGEST
 */
#include "bench.h"

#include <stdatomic.h>

#define PLACES 4096

static _Atomic(void *) places[PLACES];
static size_t swaps;
static size_t smallest;
static size_t largest;

static void *swap(void *number) {
    uint64_t chance = (size_t)number + 1;
    for (size_t i = 0; i < swaps; i++) {
        void *block = bench_block(bench_between(&chance, smallest, largest));
        size_t place = bench_between(&chance, 0, PLACES - 1);
        free(atomic_exchange(&places[place], block));
    }
    return NULL;
}

int main(int count, char **arguments) {
    size_t threads = bench_argument(count, arguments, 1, 4);
    swaps = bench_argument(count, arguments, 2, 800000);
    smallest = bench_argument(count, arguments, 3, 16);
    largest = bench_argument(count, arguments, 4, 2000);
    bench_threads(threads, swap);
    for (size_t i = 0; i < PLACES; i++) {
        free(places[i]);
    }
    return 0;
}
