/* fragments.c - the same number of live bytes for long, in sizes that drift: what the peak resident
 * set has beyond the live bytes is fragmentation.
 *
 *   fragments BYTES STEPS
 */
#include "bench.h"

#define PLACES 60000

static void *blocks[PLACES];
static size_t sizes[PLACES];

/* Every tenth of the run prefers sizes twice as large, and starts again at the smallest. */
static size_t drifting_size(uint64_t *chance, size_t step, size_t steps) {
    size_t base = (size_t)32 << (step * 10 / steps % 7);
    return bench_between(chance, base / 2, base * 2);
}

static void drop(size_t place, size_t *live_bytes) {
    free(blocks[place]);
    *live_bytes -= sizes[place];
    blocks[place] = NULL;
    sizes[place] = 0;
}

int main(int count, char **arguments) {
    uint64_t chance = 13;
    size_t most_bytes = bench_argument(count, arguments, 1, 20000000);
    size_t steps = bench_argument(count, arguments, 2, 3000000);
    size_t live_bytes = 0;
    for (size_t step = 0; step < steps; step++) {
        size_t place = bench_between(&chance, 0, PLACES - 1);
        drop(place, &live_bytes);
        size_t size = drifting_size(&chance, step, steps);
        while (live_bytes + size > most_bytes) {
            drop(bench_between(&chance, 0, PLACES - 1), &live_bytes);
        }
        sizes[place] = size;
        live_bytes += size;
        blocks[place] = memset(malloc(size), 1, size);
    }
    return 0;
}
