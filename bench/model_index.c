/* model_index.c - the model's two indexes of VMAs side by side: time, memory, readers.
 *
 *     model_index [ROUNDS]
 *
 * VMAs of four pages; after every second one lies a free page, so that there are pairs of
 * neighbours and many gaps too small for what is searched. Times are per operation, in nanoseconds
 * of the processor, the median over ROUNDS (5) rounds in which the two kinds take turns.
 *
 *   find     the VMA of a random address                     insert   and erase, at a random place
 *   walk     one step from a VMA to the next                 split    and merge back
 *   gap      a place for 16 pages, from the top, where one in n / 2 gaps is large enough
 *   bytes    of the index, per VMA
 *
 * Then the memory of an index in which one mapping was split page by page from below, as a program
 * does that protects every second page; a running kernel 6.18 had 1,456 nodes after 20,000 of them.
 *
 * Then readers that look up random addresses beside a writer that inserts and erases, with the
 * pause of a system call between two changes; or that keeps the write side for as long as unmapping
 * 2 MiB takes, and is away for as long. waits: how often readers went to sleep for the lock. */
#include "model/pool.h"
#include "model/vma_index.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define BASE ((vaddr)1 << 32)
#define VMA_PAGES 4
#define PAIR_PAGES (2 * VMA_PAGES + 1)
#define MAX_ROUNDS 25
#define OPERATIONS 20000
#define READ_SECONDS 0.2
#define PAUSE_NS 3000
#define LONG_NS 100000
#define MAX_READERS 4

enum kind { RBTREE, MAPLE, KINDS };
enum writing { NO_WRITER, SHORT_WRITES, LONG_WRITES, WRITINGS };

static const char *const kind_names[KINDS] = {"rbtree", "maple"};
static const char *const writing_names[WRITINGS] = {"no", "short", "long"};

struct world {
    struct vma_index index;
    struct pool nodes;
    struct vma *vmas;
    size_t count;
    uint64_t random;
};

static volatile uintptr_t sink;

static uint64_t clock_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static uint64_t now_ns(void) {
    return clock_ns(CLOCK_MONOTONIC);
}

/* Of this thread alone, so that a busy machine disturbs less. */
static uint64_t processor_ns(void) {
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* xorshift: cheap beside what is measured. */
static uint64_t random_bits(uint64_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static size_t random_below(uint64_t *state, size_t limit) {
    return (size_t)(((random_bits(state) >> 32) * limit) >> 32);
}

static void stop(const char *what) {
    fprintf(stderr, "model_index: %s\n", what);
    exit(1);
}

static void expect(bool holds, const char *what) {
    if (!holds) {
        stop(what);
    }
}

/* ---- worlds -------------------------------------------------------------------------------- */

static vaddr place_of(size_t number) {
    return BASE + ((number / 2) * PAIR_PAGES + (number % 2) * VMA_PAGES) * MODEL_PAGE_BYTES;
}

/* The VMAs go in in a random order, as they do in a process that lives for a while. */
static void world_init(struct world *world, enum kind kind, size_t count) {
    memset(world, 0, sizeof *world);
    world->count = count;
    world->random = 88172645463325252U;
    world->vmas = calloc(count, sizeof *world->vmas);
    size_t *order = calloc(count, sizeof *order);
    expect(world->vmas != NULL && order != NULL, "no memory");
    pool_init(&world->nodes, MAPLE_NODE_BYTES);
    if (kind == MAPLE) {
        vma_index_init_maple(&world->index, &world->nodes.source);
    } else {
        vma_index_init_rbtree(&world->index);
    }
    for (size_t i = 0; i < count; i++) {
        size_t other = random_below(&world->random, i + 1);
        order[i] = order[other];
        order[other] = i;
    }
    for (size_t i = 0; i < count; i++) {
        struct vma *vma = &world->vmas[order[i]];
        vma->start = place_of(order[i]);
        vma->end = vma->start + VMA_PAGES * MODEL_PAGE_BYTES;
        expect(vma_index_insert(&world->index, vma) == 0, "insert failed");
    }
    free(order);
}

static void world_destroy(struct world *world) {
    const char *broken = vma_index_audit(&world->index);
    if (broken != NULL) {
        stop(broken);
    }
    vma_index_destroy(&world->index);
    pool_destroy(&world->nodes);
    free(world->vmas);
}

/* ---- what is timed; each returns how many operations it made ------------------------------- */

static size_t time_find(struct world *world) {
    for (size_t i = 0; i < OPERATIONS; i++) {
        vaddr address = place_of(random_below(&world->random, world->count)) + 5;
        sink += (uintptr_t)vma_index_find(&world->index, address);
    }
    return OPERATIONS;
}

static size_t time_walk(struct world *world) {
    size_t steps = 0;
    while (steps < OPERATIONS) {
        struct vma_walk walk;
        vma_walk_start(&walk, &world->index, 0);
        for (struct vma *vma = vma_walk_next(&walk); vma != NULL; vma = vma_walk_next(&walk)) {
            sink += (uintptr_t)vma;
            steps++;
        }
    }
    return steps;
}

static size_t time_insert(struct world *world) {
    int failures = 0;
    for (size_t i = 0; i < OPERATIONS / 2; i++) {
        struct vma *vma = &world->vmas[random_below(&world->random, world->count)];
        failures += vma_index_erase(&world->index, vma);
        failures += vma_index_insert(&world->index, vma);
    }
    expect(failures == 0, "erase or insert failed");
    return OPERATIONS;
}

static size_t time_split(struct world *world) {
    int failures = 0;
    struct vma upper;
    memset(&upper, 0, sizeof upper);
    for (size_t i = 0; i < OPERATIONS / 2; i++) {
        struct vma *vma = &world->vmas[random_below(&world->random, world->count)];
        vaddr start = vma->start;
        vaddr end = vma->end;
        failures += vma_index_split(&world->index, vma, start + 2 * MODEL_PAGE_BYTES, &upper);
        failures += vma_index_resize(&world->index, vma, start, end);
    }
    expect(failures == 0, "split or merge failed");
    return OPERATIONS;
}

/* Two VMAs are taken out somewhere, whose place is then the only one of the size below the top. */
static size_t time_gap(struct world *world) {
    const size_t searches = 50;
    const struct gap_request request = {16 * MODEL_PAGE_BYTES, MODEL_PAGE_BYTES, BASE,
                                        place_of(world->count + world->count % 2)};
    for (size_t i = 0; i < OPERATIONS / searches && world->count >= 10; i++) {
        size_t first = random_below(&world->random, world->count / 2 - 2) * 2;
        for (size_t j = 0; j < 4; j++) {
            vma_index_erase(&world->index, &world->vmas[first + j]);
        }
        for (size_t j = 0; j < searches; j++) {
            vaddr found = vma_index_gap_top_down(&world->index, &request);
            expect(found >= place_of(first) && found < place_of(first + 4), "a wrong gap");
        }
        for (size_t j = 0; j < 4; j++) {
            vma_index_insert(&world->index, &world->vmas[first + j]);
        }
    }
    return OPERATIONS;
}

struct task {
    const char *name;
    size_t (*run)(struct world *world);
};

static const struct task tasks[] = {
    {"find", time_find},   {"walk", time_walk}, {"insert", time_insert},
    {"split", time_split}, {"gap", time_gap},
};
#define TASKS (sizeof tasks / sizeof tasks[0])

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

static void compare_times(size_t rounds) {
    static const size_t counts[] = {10, 100, 1000, 10000, 60000};
    printf("%8s %8s", "VMAs", "index");
    for (size_t task = 0; task < TASKS; task++) {
        printf(" %8s", tasks[task].name);
    }
    printf(" %8s %8s\n", "bytes", "levels");
    for (size_t n = 0; n < sizeof counts / sizeof counts[0]; n++) {
        static double times[KINDS][TASKS][MAX_ROUNDS];
        struct world worlds[KINDS];
        for (enum kind kind = RBTREE; kind < KINDS; kind++) {
            world_init(&worlds[kind], kind, counts[n]);
        }
        for (size_t round = 0; round < rounds; round++) {
            for (size_t run = 0; run < TASKS * KINDS; run++) {
                struct world *world = &worlds[run % KINDS];
                uint64_t start = processor_ns();
                size_t operations = tasks[run / KINDS].run(world);
                times[run % KINDS][run / KINDS][round] =
                    (double)(processor_ns() - start) / (double)operations;
            }
        }
        for (enum kind kind = RBTREE; kind < KINDS; kind++) {
            printf("%8zu %8s", counts[n], kind_names[kind]);
            for (size_t task = 0; task < TASKS; task++) {
                printf(" %8.0f", median(times[kind][task], rounds));
            }
            printf(" %8.1f", (double)vma_index_bytes(&worlds[kind].index) / (double)counts[n]);
            printf(" %8u\n", kind == MAPLE ? worlds[kind].index.maple.height : 0);
            world_destroy(&worlds[kind]);
        }
    }
}

/* ---- memory -------------------------------------------------------------------------------- */

static void compare_memory(void) {
    const size_t count = 20000;
    struct vma *vmas = calloc(count, sizeof *vmas);
    struct vma_index index;
    struct pool nodes;
    expect(vmas != NULL, "no memory");
    pool_init(&nodes, MAPLE_NODE_BYTES);
    vma_index_init_maple(&index, &nodes.source);
    vmas[0].start = BASE;
    vmas[0].end = BASE + count * MODEL_PAGE_BYTES;
    expect(vma_index_insert(&index, &vmas[0]) == 0, "insert failed");
    for (size_t i = 1; i < count; i++) {
        vaddr at = BASE + i * MODEL_PAGE_BYTES;
        expect(vma_index_split(&index, &vmas[i - 1], at, &vmas[i]) == 0, "split failed");
    }
    printf("\n%zu VMAs split off one by one: %zu maple nodes, %.1f bytes per VMA\n", count,
           index.maple.nodes, (double)vma_index_bytes(&index) / (double)count);
    vma_index_destroy(&index);
    pool_destroy(&nodes);
    free(vmas);
}

/* ---- readers beside a writer --------------------------------------------------------------- */

struct reader {
    struct epoch_reader reader;
    struct world *world;
    uint64_t random;
    pthread_t thread;
    size_t looks;
    size_t waits; /* how often it went to sleep */
};

/* What one run of readers came to, per second. */
struct pace {
    double looks;
    double waits;
    double changes;
};

static bool done;

static size_t sleeps_of_thread(void) {
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return (size_t)usage.ru_nvcsw;
}

static void *look_up(void *argument) {
    struct reader *reader = argument;
    size_t sleeps = sleeps_of_thread();
    struct vma_index *index = &reader->world->index;
    while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
        vaddr address = place_of(random_below(&reader->random, reader->world->count)) + 5;
        vma_index_read_begin(index, &reader->reader);
        sink += (uintptr_t)vma_index_lookup(index, address);
        vma_index_read_end(index, &reader->reader);
        reader->looks++;
    }
    reader->waits = sleeps_of_thread() - sleeps;
    return NULL;
}

static void pause_ns(uint64_t length) {
    for (uint64_t start = now_ns(); now_ns() - start < length;) {
    }
}

static void write_once(struct world *world, enum writing writing) {
    struct vma *vma = &world->vmas[random_below(&world->random, world->count)];
    vma_index_write_begin(&world->index);
    vma_index_erase(&world->index, vma);
    vma_index_insert(&world->index, vma);
    pause_ns(writing == LONG_WRITES ? LONG_NS : 0);
    vma_index_write_end(&world->index);
}

/* Returns how many changes were made; without writing only time passes. */
static size_t write_for(struct world *world, double seconds, enum writing writing) {
    size_t changes = 0;
    for (uint64_t start = now_ns(); (double)(now_ns() - start) < seconds * 1e9;) {
        pause_ns(writing == LONG_WRITES ? LONG_NS : PAUSE_NS);
        if (writing != NO_WRITER) {
            write_once(world, writing);
            changes++;
        }
    }
    return changes;
}

static struct pace run_readers(struct world *world, size_t count, enum writing writing) {
    static struct reader readers[MAX_READERS];
    struct pace pace = {0};
    memset(readers, 0, sizeof readers);
    __atomic_store_n(&done, false, __ATOMIC_RELAXED);
    for (size_t i = 0; i < count; i++) {
        readers[i].world = world;
        readers[i].random = 12345 + i;
        vma_index_reader_add(&world->index, &readers[i].reader);
    }
    uint64_t start = now_ns();
    for (size_t i = 0; i < count; i++) {
        expect(pthread_create(&readers[i].thread, NULL, look_up, &readers[i]) == 0, "no thread");
    }
    size_t changes = write_for(world, READ_SECONDS, writing);
    __atomic_store_n(&done, true, __ATOMIC_RELAXED);
    for (size_t i = 0; i < count; i++) {
        pthread_join(readers[i].thread, NULL);
        vma_index_reader_remove(&world->index, &readers[i].reader);
        pace.looks += (double)readers[i].looks;
        pace.waits += (double)readers[i].waits;
    }
    double seconds = (double)(now_ns() - start) / 1e9;
    return (struct pace){pace.looks / seconds, pace.waits / seconds, (double)changes / seconds};
}

/* The rounds of one row, the two kinds in turns. */
static void compare_paces(struct world *worlds, size_t readers, enum writing writing,
                          size_t rounds) {
    static double looks[KINDS][MAX_ROUNDS];
    static double waits[KINDS][MAX_ROUNDS];
    static double changes[KINDS][MAX_ROUNDS];
    for (size_t run = 0; run < rounds * KINDS; run++) {
        struct pace pace = run_readers(&worlds[run % KINDS], readers, writing);
        looks[run % KINDS][run / KINDS] = pace.looks;
        waits[run % KINDS][run / KINDS] = pace.waits;
        changes[run % KINDS][run / KINDS] = pace.changes;
    }
    for (enum kind kind = RBTREE; kind < KINDS; kind++) {
        printf("%8zu %8s %8s %12.0f %12.0f %12.0f\n", readers, kind_names[kind],
               writing_names[writing], median(looks[kind], rounds), median(waits[kind], rounds),
               median(changes[kind], rounds));
    }
}

static void compare_readers(size_t rounds) {
    printf("\n%8s %8s %8s %12s %12s %12s\n", "readers", "index", "writer", "look-ups/s", "waits/s",
           "changes/s");
    struct world worlds[KINDS];
    for (enum kind kind = RBTREE; kind < KINDS; kind++) {
        world_init(&worlds[kind], kind, 1000);
    }
    for (size_t readers = 1; readers <= MAX_READERS; readers *= 2) {
        for (enum writing writing = NO_WRITER; writing < WRITINGS; writing++) {
            compare_paces(worlds, readers, writing, rounds);
        }
    }
    for (enum kind kind = RBTREE; kind < KINDS; kind++) {
        world_destroy(&worlds[kind]);
    }
}

int main(int argc, char **argv) {
    size_t rounds = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 5;
    if (rounds < 1 || rounds > MAX_ROUNDS) {
        stop("ROUNDS is 1 .. 25");
    }
    compare_times(rounds);
    compare_memory();
    compare_readers(rounds);
    return 0;
}
