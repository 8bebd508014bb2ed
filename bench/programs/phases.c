/* phases.c - grow, shrink, grow again: each phase with other sizes, a twentieth of each stays until
 * the next one ends.
 *
 *   phases ROUNDS BYTES
 */
#include "bench.h"

#define SHAPES 4

static const struct {
    size_t smallest;
    size_t largest;
} shapes[SHAPES] = {{16, 128}, {200, 900}, {1000, 8000}, {24, 4000}};

struct phase {
    void **blocks;
    size_t count;
};

static struct phase grow(size_t shape, size_t bytes, uint64_t *chance) {
    size_t most = bytes / shapes[shape].smallest;
    struct phase phase = {malloc(most * sizeof(void *)), 0};
    for (size_t total = 0; total < bytes && phase.count < most;) {
        size_t size = bench_between(chance, shapes[shape].smallest, shapes[shape].largest);
        phase.blocks[phase.count++] = memset(malloc(size), 1, size);
        total += size;
    }
    return phase;
}

static void shrink(struct phase *phase) {
    for (size_t i = 0; i < phase->count; i++) {
        if (i % 20 != 0) {
            free(phase->blocks[i]);
        }
    }
}

static void end(struct phase *phase) {
    for (size_t i = 0; i < phase->count; i += 20) {
        free(phase->blocks[i]);
    }
    free(phase->blocks);
}

int main(int count, char **arguments) {
    uint64_t chance = 11;
    size_t rounds = bench_argument(count, arguments, 1, 24);
    size_t bytes = bench_argument(count, arguments, 2, 30000000);
    struct phase last = {NULL, 0};
    for (size_t round = 0; round < rounds; round++) {
        struct phase phase = grow(round % SHAPES, bytes, &chance);
        shrink(&phase);
        end(&last);
        last = phase;
    }
    end(&last);
    return 0;
}
