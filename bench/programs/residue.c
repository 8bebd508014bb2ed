/* residue.c - bursts of work of which a little stays for good, scattered over all that was used.
 *
 *   residue BURSTS BYTES
 *
 * Between the bursts the program lives on small blocks. What stays after the last burst should be
 * near what is live. */
#include "bench.h"

#define STAYS_EACH 400
#define QUIET_STEPS 50000

static void *burst(size_t bytes, uint64_t *chance, void *kept) {
    size_t most = bytes / 16;
    void **blocks = malloc(most * sizeof *blocks);
    size_t count = 0;
    for (size_t total = 0; total < bytes && count < most; count++) {
        size_t size = bench_between(chance, 16, 2000);
        blocks[count] = memset(malloc(size), 1, size);
        total += size;
    }
    for (size_t i = 0; i < count; i++) {
        if (i % STAYS_EACH == 0) {
            *(void **)blocks[i] = kept;
            kept = blocks[i];
        } else {
            free(blocks[i]);
        }
    }
    free(blocks);
    return kept;
}

static void live_quietly(uint64_t *chance) {
    void *last = NULL;
    for (size_t i = 0; i < QUIET_STEPS; i++) {
        void *block = bench_block(bench_between(chance, 16, 300));
        free(last);
        last = block;
    }
    free(last);
}

int main(int count, char **arguments) {
    uint64_t chance = 17;
    size_t bursts = bench_argument(count, arguments, 1, 12);
    size_t bytes = bench_argument(count, arguments, 2, 40000000);
    void *kept = NULL;
    for (size_t i = 0; i < bursts; i++) {
        kept = burst(bytes, &chance, kept);
        live_quietly(&chance);
    }
    while (kept != NULL) {
        void *next = *(void **)kept;
        free(kept);
        kept = next;
    }
    return 0;
}
