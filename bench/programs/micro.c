/* micro.c - one operation, again and again.
 *
 *   micro pair|loop|lifo|random|calloc|aligned|realloc SIZE COUNT [LIVE]
 *
 * pair: allocate, touch, free. loop: the same without either, for what the loop itself takes. lifo:
 * batches of LIVE, freed newest first. random: LIVE blocks, a random one replaced each time.
 * realloc: grows one block to SIZE, from 16 bytes, by halves. */
#include "bench.h"

struct work {
    size_t size;
    size_t count;
    size_t live;
};

/* Hides from the compiler what becomes of a block. */
static void keep(void *block) {
    __asm__ volatile("" : : "r"(block) : "memory");
}

static void pair(const struct work *work) {
    for (size_t i = 0; i < work->count; i++) {
        char *block = malloc(work->size);
        *(volatile char *)block = 1;
        keep(block);
        free(block);
    }
}

static void loop(const struct work *work) {
    char block;
    for (size_t i = 0; i < work->count; i++) {
        *(volatile char *)&block = 1;
        keep(&block);
    }
}

static void lifo(const struct work *work) {
    void **blocks = malloc(work->live * sizeof *blocks);
    for (size_t done = 0; done < work->count; done += work->live) {
        for (size_t i = 0; i < work->live; i++) {
            blocks[i] = bench_block(work->size);
        }
        for (size_t i = work->live; i-- != 0;) {
            free(blocks[i]);
        }
    }
    free(blocks);
}

static void random_order(const struct work *work) {
    uint64_t chance = 20;
    void **blocks = calloc(work->live, sizeof *blocks);
    for (size_t i = 0; i < work->live; i++) {
        blocks[i] = bench_block(work->size);
    }
    for (size_t i = 0; i < work->count; i++) {
        size_t victim = bench_between(&chance, 0, work->live - 1);
        free(blocks[victim]);
        blocks[victim] = bench_block(work->size);
    }
    for (size_t i = 0; i < work->live; i++) {
        free(blocks[i]);
    }
    free(blocks);
}

static void zeroed(const struct work *work) {
    for (size_t i = 0; i < work->count; i++) {
        void *block = calloc(1, work->size + (i & 63) * 16);
        keep(block);
        free(block);
    }
}

static void aligned(const struct work *work) {
    for (size_t i = 0; i < work->count; i++) {
        void *block = aligned_alloc(64, work->size);
        keep(block);
        free(block);
    }
}

static void growth(const struct work *work) {
    for (size_t i = 0; i < work->count; i++) {
        char *block = NULL;
        for (size_t size = 16; size < work->size; size += size / 2) {
            block = realloc(block, size);
            block[size - 1] = 1;
        }
        free(block);
    }
}

int main(int count, char **arguments) {
    static const struct {
        const char *name;
        void (*run)(const struct work *work);
    } shapes[] = {{"pair", pair},           {"loop", loop},     {"lifo", lifo},
                  {"random", random_order}, {"calloc", zeroed}, {"aligned", aligned},
                  {"realloc", growth}};
    const struct work work = {bench_argument(count, arguments, 2, 64),
                              bench_argument(count, arguments, 3, 1000000),
                              bench_argument(count, arguments, 4, 512)};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if (count > 1 && strcmp(arguments[1], shapes[i].name) == 0) {
            shapes[i].run(&work);
            return 0;
        }
    }
    bench_fail("micro pair|loop|lifo|random|calloc|aligned|realloc SIZE COUNT [LIVE]");
}
