/* mixed.c - a set of blocks of sizes from a range, a random one replaced each time.
 *
 *   mixed SMALLEST LARGEST LIVE COUNT [THREADS]
 *
 * Small sizes are likelier than large ones: the size is uniform in its logarithm. */
#include "bench.h"

static size_t smallest;
static size_t largest;
static size_t live;
static size_t steps;

static size_t some_size(uint64_t *chance) {
    size_t high = smallest;
    size_t doublings = 0;
    for (; high * 2 <= largest; high *= 2) {
        doublings++;
    }
    size_t low = smallest << bench_between(chance, 0, doublings);
    return bench_between(chance, low, 2 * low < largest ? 2 * low : largest);
}

static void *churn(void *number) {
    uint64_t chance = (size_t)number + 1;
    void **blocks = calloc(live, sizeof *blocks);
    for (size_t i = 0; i < live; i++) {
        blocks[i] = bench_block(some_size(&chance));
    }
    for (size_t i = 0; i < steps; i++) {
        size_t victim = bench_between(&chance, 0, live - 1);
        free(blocks[victim]);
        blocks[victim] = bench_block(some_size(&chance));
    }
    for (size_t i = 0; i < live; i++) {
        free(blocks[i]);
    }
    free(blocks);
    return NULL;
}

int main(int count, char **arguments) {
    smallest = bench_argument(count, arguments, 1, 1024);
    largest = bench_argument(count, arguments, 2, 32768);
    live = bench_argument(count, arguments, 3, 10000);
    steps = bench_argument(count, arguments, 4, 1000000);
    bench_threads(bench_argument(count, arguments, 5, 1), churn);
    return 0;
}
