/* model_operations.c - how many operations a second the model makes, and how that changes with the
 * number of VMAs.
 *
 *     model_operations [ROUNDS [MAPPINGS]]
 *
 * N mappings of 16 pages, every second one without the right to write, so that they do not merge.
 * Of eleven operations then made at random places five are touches of a page; the others munmap and
 * mmap elsewhere, mprotect there and back, dropping the contents and a touch after it. Under both
 * indexes, which take turns; medians over ROUNDS (5) of processor time.
 *
 * The column ns/log2 shows how the time grows beside log n, a line below from 1,000 to 60,000: what
 * is beyond the logarithm is the processor's caches. The end tells whether both indexes make
 * what is asked of the model, WANTED_PER_SECOND at 1,000 mappings; the exit status is 1 when not.
 * MAPPINGS chooses one row, for callgrind: --toggle-collect=ns_per_operation counts what the
 * operations take, and nothing else. */
#include "model/host.h"
#include "model/mm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAPPING_PAGES 16
#define MAPPING_BYTES (MAPPING_PAGES * MODEL_PAGE_BYTES)
#define RAM_PAGES ((uint64_t)4 << (30 - MODEL_PAGE_SHIFT))
#define MAX_ROUNDS 25
#define STEPS 200000
#define WANTED_PER_SECOND 2000000
#define WANTED_AT 1000

struct world {
    struct machine machine;
    struct mm mm;
    vaddr *mappings;
    size_t count;
    uint64_t random;
};

static void stop(const char *what) {
    fprintf(stderr, "model_operations: %s\n", what);
    exit(1);
}

static void expect(bool holds, const char *what) {
    if (!holds) {
        stop(what);
    }
}

/* Of this thread alone, so that a busy machine disturbs less. */
static uint64_t processor_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

/* xorshift: cheap beside what is measured. */
static size_t random_below(uint64_t *state, size_t limit) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return (size_t)(((*state >> 32) * limit) >> 32);
}

static uint64_t access_of(size_t number) {
    return number % 2 == 0 ? VMF_READ | VMF_WRITE : VMF_READ;
}

static void map(struct world *world, size_t number) {
    const struct map_request request = {.length = MAPPING_BYTES, .access = access_of(number)};
    expect(mm_map(&world->mm, &request, &world->mappings[number]) == 0, "mmap failed");
}

static void world_init(struct world *world, enum index_kind kind, size_t count) {
    static const struct model_chunks chunks = {host_map, host_unmap};
    static const struct mm_layout layout = {
        .task_end = (vaddr)1 << 47,
        .mmap_base = ((vaddr)1 << 47) - ((vaddr)1 << 30),
        .mmap_low = (vaddr)1 << 16,
        .start_break = (vaddr)1 << 32,
        .stack_top = ((vaddr)1 << 47) - ((vaddr)1 << 29),
    };
    const struct personality personality = personality_default(RAM_PAGES);
    memset(world, 0, sizeof *world);
    world->count = count;
    world->random = 88172645463325252U;
    world->mappings = calloc(count, sizeof *world->mappings);
    expect(world->mappings != NULL, "no memory");
    expect(machine_init(&world->machine, &personality, kind, RAM_PAGES, &chunks) == 0,
           "no machine");
    expect(mm_init(&world->mm, &world->machine, &layout) == 0, "no mm");
    for (size_t number = 0; number < count; number++) {
        map(world, number);
    }
}

static void world_destroy(struct world *world) {
    const char *broken = mm_audit(&world->mm);
    if (broken != NULL) {
        stop(broken);
    }
    mm_destroy(&world->mm);
    machine_destroy(&world->machine);
    free(world->mappings);
}

/* One step at a random mapping; how many calls and touches it made. */
static size_t step(struct world *world) {
    struct mm *mm = &world->mm;
    size_t number = random_below(&world->random, world->count);
    vaddr start = world->mappings[number];
    int failures = 0;
    switch (random_below(&world->random, 8)) {
    case 0:
        failures += mm_unmap(mm, start, MAPPING_BYTES);
        map(world, number);
        break;
    case 1:
        failures += mm_protect(mm, start, 4 * MODEL_PAGE_BYTES, 0);
        failures += mm_protect(mm, start, 4 * MODEL_PAGE_BYTES, access_of(number));
        break;
    case 2:
        failures += mm_advise(mm, start, MAPPING_BYTES, ADVICE_DONTNEED);
        failures += mm_access(mm, start, false) != FAULT_NO_SIGNAL;
        break;
    default:
        start += random_below(&world->random, MAPPING_PAGES) * MODEL_PAGE_BYTES;
        failures += mm_access(mm, start, number % 2 == 0) != FAULT_NO_SIGNAL;
        expect(failures == 0, "a touch failed");
        return 1;
    }
    expect(failures == 0, "a call failed");
    return 2;
}

static NOINLINE double ns_per_operation(struct world *world) {
    size_t operations = 0;
    uint64_t start = processor_ns();
    for (size_t i = 0; i < STEPS; i++) {
        operations += step(world);
    }
    return (double)(processor_ns() - start) / (double)operations;
}

static int by_value(const void *left, const void *right) {
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Medians of one row, in nanoseconds. */
struct row {
    size_t count;
    double ns[2];
};

static void compare(struct row *row, size_t rounds) {
    static const char *const names[] = {[INDEX_MAPLE] = "maple", [INDEX_RBTREE] = "rbtree"};
    static struct world worlds[2];
    double times[2][MAX_ROUNDS];
    world_init(&worlds[INDEX_MAPLE], INDEX_MAPLE, row->count);
    world_init(&worlds[INDEX_RBTREE], INDEX_RBTREE, row->count);
    for (size_t run = 0; run < 2 * rounds; run++) {
        times[run % 2][run / 2] = ns_per_operation(&worlds[run % 2]);
    }
    for (size_t kind = 0; kind < 2; kind++) {
        qsort(times[kind], rounds, sizeof times[kind][0], by_value);
        double median = row->ns[kind] = times[kind][rounds / 2];
        printf("%8zu %8s %8zu %8.0f %8.1f %12.0f\n", row->count, names[kind],
               vma_index_count(&worlds[kind].mm.index), median, median / log2((double)row->count),
               1e9 / median);
        world_destroy(&worlds[kind]);
    }
}

/* Whether both indexes are fast enough. */
static bool judge(const struct row *row) {
    double slower = row->ns[0] > row->ns[1] ? row->ns[0] : row->ns[1];
    bool enough = 1e9 / slower >= WANTED_PER_SECOND;
    printf("%d mappings: %.1f M operations a second by the slower index; %.1f M wanted: %s\n",
           WANTED_AT, 1e3 / slower, WANTED_PER_SECOND / 1e6, enough ? "yes" : "no");
    return enough;
}

/* How the time grew from WANTED_AT mappings to the most, beside their number and its logarithm. */
static void tell_growth(const struct row *from, const struct row *to) {
    double count = (double)to->count / (double)from->count;
    printf("%zu mappings, %.0f times as many: maple %.1f times the time, rbtree %.1f; their "
           "logarithm grows %.1f times\n",
           to->count, count, to->ns[INDEX_MAPLE] / from->ns[INDEX_MAPLE],
           to->ns[INDEX_RBTREE] / from->ns[INDEX_RBTREE],
           log2((double)to->count) / log2((double)from->count));
}

int main(int argc, char **argv) {
    struct row rows[] = {
        {.count = 10}, {.count = 100}, {.count = 1000}, {.count = 10000}, {.count = 60000}};
    size_t rounds = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 5;
    size_t only = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 0;
    const struct row *judged = NULL;
    expect(rounds >= 1 && rounds <= MAX_ROUNDS, "ROUNDS is 1 .. 25");
    printf("%8s %8s %8s %8s %8s %12s\n", "mappings", "index", "VMAs", "ns", "ns/log2",
           "operations/s");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (only == 0 || only == rows[i].count) {
            compare(&rows[i], rounds);
            judged = rows[i].count == WANTED_AT ? &rows[i] : judged;
        }
    }
    if (only == 0) {
        tell_growth(judged, &rows[sizeof rows / sizeof rows[0] - 1]);
    }
    return judged == NULL || judge(judged) ? 0 : 1;
}
