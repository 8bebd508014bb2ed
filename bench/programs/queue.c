/* queue.c - producers fill a queue with blocks, consumers free them.
 *
 *   queue PRODUCERS CONSUMERS BLOCKS SMALLEST LARGEST
 *
 * Blocks travel in batches of 64 through a bounded ring, so that the allocator is measured and not
 * the ring's lock; the batch itself is a block, too. */
#include "bench.h"

#define BATCH_BLOCKS 64
#define RING_BATCHES 64

struct batch {
    void *blocks[BATCH_BLOCKS];
};

static struct batch *ring[RING_BATCHES];
static size_t put_count;
static size_t taken_count;
static size_t producers;
static size_t consumers;
static size_t batches; /* of all producers together */
static size_t smallest;
static size_t largest;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void put(struct batch *batch) {
    pthread_mutex_lock(&lock);
    while (put_count - taken_count == RING_BATCHES) {
        pthread_cond_wait(&changed, &lock);
    }
    ring[put_count++ % RING_BATCHES] = batch;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static struct batch *take(void) {
    struct batch *batch = NULL;
    pthread_mutex_lock(&lock);
    while (put_count == taken_count && taken_count < batches) {
        pthread_cond_wait(&changed, &lock);
    }
    if (taken_count < batches) {
        batch = ring[taken_count++ % RING_BATCHES];
    }
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return batch;
}

static void produce(size_t number) {
    uint64_t chance = number + 1;
    for (size_t i = number; i < batches; i += producers) {
        struct batch *batch = bench_block(sizeof *batch);
        for (size_t block = 0; block < BATCH_BLOCKS; block++) {
            batch->blocks[block] = bench_block(bench_between(&chance, smallest, largest));
        }
        put(batch);
    }
}

static void consume(void) {
    struct batch *batch;
    while ((batch = take()) != NULL) {
        for (size_t block = 0; block < BATCH_BLOCKS; block++) {
            free(batch->blocks[block]);
        }
        free(batch);
    }
}

static void *work(void *number) {
    if ((size_t)number < producers) {
        produce((size_t)number);
    } else {
        consume();
    }
    return NULL;
}

int main(int count, char **arguments) {
    producers = bench_argument(count, arguments, 1, 1);
    consumers = bench_argument(count, arguments, 2, 1);
    batches = bench_argument(count, arguments, 3, 3000000) / BATCH_BLOCKS;
    smallest = bench_argument(count, arguments, 4, 16);
    largest = bench_argument(count, arguments, 5, 1024);
    bench_threads(producers + consumers, work);
    return 0;
}
