/* short_threads.c - many threads that allocate a little and end; half of it outlives them.
 *
 *   short_threads THREADS BLOCKS
 */
#include "bench.h"

#define AT_ONCE 4

static size_t blocks;
static void **left[AT_ONCE];

static void *live_briefly(void *number) {
    uint64_t chance = (size_t)number + 1;
    void **mine = bench_block(blocks * sizeof *mine);
    for (size_t i = 0; i < blocks; i++) {
        mine[i] = bench_block(bench_between(&chance, 16, 400));
    }
    for (size_t i = 0; i < blocks; i += 2) {
        free(mine[i]);
    }
    left[(size_t)number] = mine;
    return NULL;
}

static void free_rest(void) {
    for (size_t i = 0; i < AT_ONCE; i++) {
        for (size_t block = 1; block < blocks; block += 2) {
            free(left[i][block]);
        }
        free(left[i]);
    }
}

int main(int count, char **arguments) {
    size_t threads = bench_argument(count, arguments, 1, 8000);
    blocks = bench_argument(count, arguments, 2, 100);
    for (size_t done = 0; done < threads; done += AT_ONCE) {
        bench_threads(AT_ONCE, live_briefly);
        free_rest();
    }
    return 0;
}
