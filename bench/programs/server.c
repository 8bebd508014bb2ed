/* server.c - a server's threads: each replaces blocks of its own set at random and, a generation
 * later, works on the set that another thread filled.
 *
 *   server THREADS ROUNDS SMALLEST LARGEST
 *
 * The sets move on to fresh threads, as connections do between workers that come and go: so most
 * frees are of blocks that another thread allocated, some of a thread that has ended. After Larson
 * and Krishnan, "Memory Allocation for Long-Running Server Applications", 1998. */
#include "bench.h"

#define SET_BLOCKS 1000
#define GENERATION_STEPS 50000

static size_t thread_count;
static size_t smallest;
static size_t largest;
static void *sets[BENCH_THREADS_MAX][SET_BLOCKS];
static size_t generation;

static void *serve(void *number) {
    size_t own = ((size_t)number + generation) % thread_count;
    uint64_t chance = 1 + (size_t)number + generation * thread_count;
    for (size_t i = 0; i < GENERATION_STEPS; i++) {
        size_t victim = bench_between(&chance, 0, SET_BLOCKS - 1);
        free(sets[own][victim]);
        sets[own][victim] = bench_block(bench_between(&chance, smallest, largest));
    }
    return NULL;
}

int main(int count, char **arguments) {
    thread_count = bench_argument(count, arguments, 1, 4);
    size_t rounds = bench_argument(count, arguments, 2, 40);
    smallest = bench_argument(count, arguments, 3, 16);
    largest = bench_argument(count, arguments, 4, 1000);
    for (generation = 0; generation < rounds; generation++) {
        bench_threads(thread_count, serve);
    }
    return 0;
}
