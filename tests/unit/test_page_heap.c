/* test_page_heap.c - page runs: contents, zero knowledge, commit steps, retention, refusals.
 *
 * Each test runs in a forked child, so that it starts with no heap at all, whatever ran before. */
#include "pages/page_heap.h"

#include "os/os.h"

#include "test_child.h"
#include "test_random.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)
#define MIB_GRANULES (MIB >> GRANULE_SHIFT)

/* A record is only an address to the page heap. */
static struct { _Alignas(PAGE_RECORD_ALIGNMENT) uint64_t word; } records[4096];

static bool is_all_zero(const struct page_run *run) {
    const uint64_t *words = run->start;
    for (size_t i = 0; i < run->bytes / sizeof *words; i++) {
        if (words[i] != 0) {
            return false;
        }
    }
    return true;
}

/* One word in every page: enough to tell runs apart, and to make every page resident. */
static void fill(const struct page_run *run, uint64_t value) {
    size_t page = os_page_bytes();
    for (size_t at = 0; at < run->bytes; at += page) {
        *(uint64_t *)(void *)((char *)run->start + at) = value + at;
    }
}

static bool is_filled(const struct page_run *run, uint64_t value) {
    size_t page = os_page_bytes();
    for (size_t at = 0; at < run->bytes; at += page) {
        if (*(const uint64_t *)(const void *)((const char *)run->start + at) != value + at) {
            return false;
        }
    }
    return true;
}

#define EXPECT_AUDIT()                          \
    do {                                        \
        const char *broken = page_heap_audit(); \
        if (broken != NULL) {                   \
            fprintf(stderr, "%s; ", broken);    \
        }                                       \
        CHILD_EXPECT(broken == NULL);           \
    } while (0)

/* ---- one run --------------------------------------------------------------------------------- */

static void one_run(void) {
    struct page_run run;
    CHILD_EXPECT(page_run_alloc(3, &records[0], &run) == 0);
    CHILD_EXPECT(run.bytes == 3 * GRANULE_BYTES && run.is_zero && is_all_zero(&run));
    CHILD_EXPECT((uintptr_t)run.start % (4 * GRANULE_BYTES) == 0);
    const char *start = run.start;
    page_entry entry = page_map_get(start + run.bytes - 1);
    CHILD_EXPECT(page_entry_kind(entry) == PAGE_RUN);
    CHILD_EXPECT(page_entry_record(entry) == (void *)&records[0]);
    CHILD_EXPECT(page_map_get(start) == entry);
    CHILD_EXPECT(page_map_get(start + run.bytes) == PAGE_NONE);
    CHILD_EXPECT(page_map_get(start - 1) == PAGE_NONE);
    EXPECT_AUDIT();
    page_run_free(&run, &records[0]);
    CHILD_EXPECT(page_map_get(start) == PAGE_NONE);
    EXPECT_AUDIT();
}

static void refused_sizes(void) {
    struct page_run run = {.bytes = 77};
    CHILD_EXPECT(page_run_alloc(0, &records[0], &run) == -ENOMEM);
    CHILD_EXPECT(page_run_alloc(PAGE_RUN_MAX_GRANULES + 1, &records[0], &run) == -ENOMEM);
    CHILD_EXPECT(page_run_alloc(SIZE_MAX, &records[0], &run) == -ENOMEM);
    CHILD_EXPECT(run.bytes == 77 && page_heap_statistics().heaps == 0);
    CHILD_EXPECT(page_run_alloc(PAGE_RUN_MAX_GRANULES, &records[0], &run) == 0);
    CHILD_EXPECT(run.bytes == PAGE_HEAP_MAX_BYTES);
    EXPECT_AUDIT();
}

/* Every size, alone in its heap: aligned to the power of two that holds it. */
static void every_size(void) {
    for (size_t granules = 1; granules <= PAGE_RUN_MAX_GRANULES; granules += 1 + granules / 8) {
        struct page_run run;
        CHILD_EXPECT(page_run_alloc(granules, &records[0], &run) == 0);
        size_t alignment = GRANULE_BYTES;
        while (alignment < run.bytes) {
            alignment *= 2;
        }
        CHILD_EXPECT((uintptr_t)run.start % alignment == 0);
        EXPECT_AUDIT();
        page_run_free(&run, &records[0]);
        EXPECT_AUDIT();
    }
    CHILD_EXPECT(page_heap_statistics().heaps == 1);
}

static void zero_knowledge(void) {
    struct page_run run, again;
    CHILD_EXPECT(page_run_alloc(4, &records[0], &run) == 0 && run.is_zero);
    fill(&run, 1);
    page_run_free(&run, &records[0]);
    CHILD_EXPECT(page_run_alloc(4, &records[1], &again) == 0);
    CHILD_EXPECT(again.start == run.start && !again.is_zero);
    page_run_free(&again, &records[1]);
    CHILD_EXPECT(page_heap_statistics().free_dirty_bytes == 4 * GRANULE_BYTES);
    CHILD_EXPECT(page_heap_purge(0) == 4 * GRANULE_BYTES);
    CHILD_EXPECT(page_heap_statistics().free_dirty_bytes == 0);
    CHILD_EXPECT(os_resident_bytes(run.start, run.bytes) == 0);
    CHILD_EXPECT(page_run_alloc(4, &records[2], &again) == 0);
    CHILD_EXPECT(again.start == run.start && again.is_zero && is_all_zero(&again));
    EXPECT_AUDIT();
}

/* A run that mixes known zero and dirty granules is not known to be zero. */
static void half_dirty_run(void) {
    struct page_run small, large;
    CHILD_EXPECT(page_run_alloc(1, &records[0], &small) == 0);
    fill(&small, 1);
    page_run_free(&small, &records[0]);
    CHILD_EXPECT(page_run_alloc(2, &records[0], &large) == 0);
    CHILD_EXPECT(large.start == small.start && !large.is_zero);
    CHILD_EXPECT(page_heap_statistics().free_dirty_bytes == 0);
    EXPECT_AUDIT();
}

/* ---- heaps ----------------------------------------------------------------------------------- */

static size_t mappings_in(uintptr_t start, uintptr_t end) {
    FILE *maps = fopen("/proc/self/maps", "r");
    CHILD_EXPECT(maps != NULL);
    char line[512];
    size_t count = 0;
    while (fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;
        count += sscanf(line, "%lx-%lx", &from, &to) == 2 && from < end && to > start;
    }
    fclose(maps);
    return count;
}

/* A column of /proc/self/statm, in bytes: 0 address space, 5 data. */
static size_t own_bytes(unsigned column) {
    size_t pages[7] = {0};
    FILE *file = fopen("/proc/self/statm", "r");
    CHILD_EXPECT(file != NULL);
    for (size_t i = 0; i < 7; i++) {
        CHILD_EXPECT(fscanf(file, "%zu", &pages[i]) == 1);
    }
    fclose(file);
    return pages[column] * os_page_bytes();
}

/* Granule after granule: committed grows by 256 KiB to 1 MiB, and the heap is two mappings all
 * along. */
static void commit_steps(void) {
    size_t committed = 0;
    uintptr_t heap = 0;
    for (size_t i = 0; i < PAGE_HEAP_MAX_UNITS / 2; i++) {
        struct page_run run;
        CHILD_EXPECT(page_run_alloc(1, &records[i], &run) == 0 && run.is_zero);
        heap = heap != 0 ? heap : (uintptr_t)run.start;
        CHILD_EXPECT((uintptr_t)run.start == heap + i * GRANULE_BYTES);
        struct page_heap_stats stats = page_heap_statistics();
        if (stats.committed_bytes != committed) {
            CHILD_EXPECT(stats.in_use_bytes == committed + GRANULE_BYTES);
            size_t step = stats.committed_bytes - committed;
            CHILD_EXPECT(step >= MIB / 4 && step <= MIB);
            committed = stats.committed_bytes;
            CHILD_EXPECT(mappings_in(heap, heap + PAGE_HEAP_MAX_BYTES) == 2);
            EXPECT_AUDIT();
        }
    }
    CHILD_EXPECT(page_heap_statistics().heaps == 1);
}

/* 24 granules are committed and free, in blocks of 16 and 8. 17 fit there, though in no one block:
 * nothing more needs to be committed. */
static void committed_end_serves_again(void) {
    struct page_run run;
    size_t granules = 3 * MIB_GRANULES / 2;
    CHILD_EXPECT(page_run_alloc(granules, &records[0], &run) == 0);
    CHILD_EXPECT(page_heap_statistics().committed_bytes == granules * GRANULE_BYTES);
    page_run_free(&run, &records[0]);
    CHILD_EXPECT(page_run_alloc(MIB_GRANULES + 1, &records[0], &run) == 0);
    CHILD_EXPECT(page_heap_statistics().committed_bytes == granules * GRANULE_BYTES);
    EXPECT_AUDIT();
}

/* Whether a heap could lie right below this one. Where the first heap was put at the end of free
 * space, records and leaves of the page map that come after it lie there. */
static bool has_room_below(const struct page_run *heap) {
    char *below = (char *)heap->start - PAGE_HEAP_MAX_BYTES;
    void *got = mmap(below, PAGE_HEAP_MAX_BYTES, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (got != MAP_FAILED) {
        munmap(got, PAGE_HEAP_MAX_BYTES);
    }
    return got == below;
}

/* What was mapped to get at aligned space is trimmed; the second heap lies right below the first,
 * which takes one call. */
static void only_heaps_are_mapped(void) {
    struct page_run runs[3];
    size_t before = own_bytes(0);
    bool has_room = false;
    for (size_t i = 0; i < 3; i++) {
        CHILD_EXPECT(page_run_alloc(PAGE_RUN_MAX_GRANULES, &records[i], &runs[i]) == 0);
        CHILD_EXPECT(!has_room || (char *)runs[i].start + PAGE_HEAP_MAX_BYTES == runs[i - 1].start);
        has_room = has_room_below(&runs[i]);
    }
    /* Besides: records, and leaves of the page map. */
    CHILD_EXPECT(own_bytes(0) - before < 3 * PAGE_HEAP_MAX_BYTES + 2 * MIB);
}

static void empty_heaps_go(void) {
    struct page_run runs[3];
    for (size_t i = 0; i < 3; i++) {
        CHILD_EXPECT(page_run_alloc(PAGE_RUN_MAX_GRANULES, &records[i], &runs[i]) == 0);
    }
    CHILD_EXPECT(page_heap_statistics().heaps == 3);
    CHILD_EXPECT(page_heap_release_empty() == 0);
    page_run_free(&runs[0], &records[0]);
    CHILD_EXPECT(page_heap_release_empty() == 0);
    page_run_free(&runs[1], &records[1]);
    page_run_free(&runs[2], &records[2]);
    EXPECT_AUDIT();
    CHILD_EXPECT(page_heap_release_empty() == 2 * PAGE_HEAP_MAX_BYTES);
    struct page_heap_stats stats = page_heap_statistics();
    CHILD_EXPECT(stats.heaps == 1 && stats.reserved_bytes == PAGE_HEAP_MAX_BYTES);
    size_t unmapped = 0;
    for (size_t i = 0; i < 3; i++) {
        unmapped += os_resident_bytes(runs[i].start, runs[i].bytes) == -ENOMEM;
    }
    CHILD_EXPECT(unmapped == 2);
    EXPECT_AUDIT();
}

/* Records are reused, addresses too: a hundred heaps come and go in the place of two. */
static void heaps_come_back(void) {
    struct page_run first, second;
    uintptr_t lowest = UINTPTR_MAX, highest = 0;
    CHILD_EXPECT(page_run_alloc(PAGE_RUN_MAX_GRANULES, &records[0], &first) == 0);
    for (size_t i = 0; i < 100; i++) {
        CHILD_EXPECT(page_run_alloc(PAGE_RUN_MAX_GRANULES, &records[1], &second) == 0);
        CHILD_EXPECT(second.is_zero && *(char *)second.start == 0);
        *(char *)second.start = 1;
        lowest = (uintptr_t)second.start < lowest ? (uintptr_t)second.start : lowest;
        highest = (uintptr_t)second.start > highest ? (uintptr_t)second.start : highest;
        page_run_free(&first, &records[0]);
        page_run_free(&second, &records[1]);
        CHILD_EXPECT(page_heap_release_empty() == PAGE_HEAP_MAX_BYTES);
        CHILD_EXPECT(page_heap_purge(0) <= PAGE_HEAP_MAX_BYTES);
        CHILD_EXPECT(page_run_alloc(PAGE_RUN_MAX_GRANULES, &records[0], &first) == 0);
        EXPECT_AUDIT();
    }
    CHILD_EXPECT(highest - lowest < 8 * PAGE_HEAP_MAX_BYTES);
}

/* ---- retention ------------------------------------------------------------------------------- */

static void purge_keeps_what_is_allowed(void) {
    struct page_run runs[16];
    for (size_t i = 0; i < 16; i++) {
        CHILD_EXPECT(page_run_alloc(5, &records[i], &runs[i]) == 0);
        fill(&runs[i], i);
    }
    for (size_t i = 0; i < 16; i += 2) {
        page_run_free(&runs[i], &records[i]);
    }
    size_t dirty = 8 * 5 * GRANULE_BYTES, kept = 13 * GRANULE_BYTES;
    CHILD_EXPECT(page_heap_statistics().free_dirty_bytes == dirty);
    CHILD_EXPECT(page_heap_purge(dirty) == 0);
    CHILD_EXPECT(page_heap_purge(kept) == dirty - kept);
    CHILD_EXPECT(page_heap_statistics().free_dirty_bytes == kept);
    EXPECT_AUDIT();
    CHILD_EXPECT(page_heap_purge(0) == kept);
    for (size_t i = 1; i < 16; i += 2) {
        CHILD_EXPECT(is_filled(&runs[i], i));
    }
    EXPECT_AUDIT();
}

/* Locked memory cannot be purged; it must then not be taken for zeros. Called raw: sanitizers make
 * mlock do nothing. */
static void purge_refused(void) {
    struct page_run locked, other;
    CHILD_EXPECT(page_run_alloc(1, &records[0], &locked) == 0);
    CHILD_EXPECT(page_run_alloc(1, &records[1], &other) == 0);
    fill(&locked, 1);
    CHILD_EXPECT(syscall(SYS_mlock, locked.start, os_page_bytes()) == 0);
    page_run_free(&locked, &records[0]);
    CHILD_EXPECT(page_heap_purge(0) == 0);
    CHILD_EXPECT(page_heap_statistics().free_dirty_bytes == GRANULE_BYTES);
    EXPECT_AUDIT();
    CHILD_EXPECT(syscall(SYS_munlock, locked.start, os_page_bytes()) == 0);
    CHILD_EXPECT(page_heap_purge(0) == GRANULE_BYTES);
    EXPECT_AUDIT();
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void limit_bytes(int resource, size_t bytes) {
    struct rlimit limit = {bytes, bytes};
    CHILD_EXPECT(setrlimit((unsigned)resource, &limit) == 0);
}

/* Allocates granules until refused, keeps the content of each, frees all; twice. */
static size_t exhaust_and_recover(void) {
    static struct page_run runs[4096];
    size_t count = 0, first_count = 0;
    for (unsigned round = 0; round < 2; round++) {
        count = 0;
        while (count < 4096 && page_run_alloc(1, &records[count], &runs[count]) == 0) {
            fill(&runs[count], count);
            count++;
        }
        EXPECT_AUDIT();
        for (size_t i = 0; i < count; i++) {
            CHILD_EXPECT(is_filled(&runs[i], i));
            page_run_free(&runs[i], &records[i]);
        }
        EXPECT_AUDIT();
        CHILD_EXPECT(round == 0 || count == first_count);
        first_count = count;
    }
    return count * GRANULE_BYTES;
}

static void expect_heap_under_limit(size_t room_bytes, size_t heap_bytes) {
    limit_bytes(RLIMIT_AS, own_bytes(0) + room_bytes);
    struct page_run run;
    CHILD_EXPECT(page_run_alloc(1, &records[0], &run) == 0);
    CHILD_EXPECT(page_heap_statistics().reserved_bytes == heap_bytes);
    CHILD_EXPECT((uintptr_t)run.start % heap_bytes == 0);
    page_run_free(&run, &records[0]);
    size_t served = exhaust_and_recover();
    CHILD_EXPECT(served >= heap_bytes && served <= room_bytes);
}

static void ladder_16(void) {
    expect_heap_under_limit(40 * MIB, 16 * MIB);
}

static void ladder_4(void) {
    expect_heap_under_limit(12 * MIB, 4 * MIB);
}

static void ladder_1(void) {
    expect_heap_under_limit(4 * MIB, 1 * MIB);
}

/* Room for one more heap, not for twice as much: the exact place below the first one serves. */
static void exact_fit(void) {
    struct page_run first, second;
    CHILD_EXPECT(page_run_alloc(PAGE_RUN_MAX_GRANULES, &records[0], &first) == 0);
    if (!has_room_below(&first)) {
        return;
    }
    limit_bytes(RLIMIT_AS, own_bytes(0) + PAGE_HEAP_MAX_BYTES + 2 * MIB);
    CHILD_EXPECT(page_run_alloc(PAGE_RUN_MAX_GRANULES, &records[1], &second) == 0);
    CHILD_EXPECT(page_run_alloc(PAGE_RUN_MAX_GRANULES, &records[2], &second) == -ENOMEM);
    EXPECT_AUDIT();
}

static void no_address_space(void) {
    limit_bytes(RLIMIT_AS, own_bytes(0));
    struct page_run run = {.bytes = 77};
    for (unsigned i = 0; i < 100; i++) {
        CHILD_EXPECT(page_run_alloc(1, &records[0], &run) == -ENOMEM);
    }
    CHILD_EXPECT(run.bytes == 77 && page_heap_statistics().heaps == 0);
    EXPECT_AUDIT();
}

/* Reserving is free, committing is not: a heap is there and cannot be used beyond the limit. The
 * last steps are then as small as what is asked for. */
static void no_commit(void) {
    limit_bytes(RLIMIT_DATA, own_bytes(5) + 5 * MIB + MIB / 2);
    struct page_run run;
    CHILD_EXPECT(page_run_alloc(8 * MIB_GRANULES, &records[0], &run) == -ENOMEM);
    CHILD_EXPECT(page_run_alloc(8 * MIB_GRANULES, &records[0], &run) == -ENOMEM);
    struct page_heap_stats stats = page_heap_statistics();
    CHILD_EXPECT(stats.heaps == 1 && stats.committed_bytes == 0);
    size_t served = exhaust_and_recover();
    CHILD_EXPECT(served > 3 * MIB && served <= 5 * MIB + MIB / 2);
    CHILD_EXPECT(page_heap_statistics().heaps == 1);
    EXPECT_AUDIT();
}

/* ---- misuse ---------------------------------------------------------------------------------- */

static void free_twice(void) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    struct page_run run;
    CHILD_EXPECT(page_run_alloc(2, &records[0], &run) == 0);
    page_run_free(&run, &records[0]);
    page_run_free(&run, &records[0]);
}

static void free_as_another(void) {
    setrlimit(RLIMIT_CORE, &(struct rlimit){0});
    struct page_run run;
    CHILD_EXPECT(page_run_alloc(2, &records[0], &run) == 0);
    page_run_free(&run, &records[1]);
}

static void test_misuse_dies(void **state) {
    (void)state;
    static void (*const bodies[])(void) = {free_twice, free_as_another};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct child_result child = child_run(bodies[i]);
        assert_int_equal(child.signal, SIGABRT);
        assert_non_null(strstr(child.text, "page run is not in use: 0x"));
    }
}

/* ---- random traffic -------------------------------------------------------------------------- */

#define RUNS_MAX 600
#define TRAFFIC_MAX_BYTES (96 * MIB)

struct held_run {
    struct page_run run;
    void *record;
    uint64_t fill;
};

struct traffic {
    struct random_source random;
    struct held_run held[RUNS_MAX];
    size_t count;
    size_t bytes;
    size_t zero_runs, dirty_runs;
};

static struct traffic traffic;

static bool overlaps_another(const struct page_run *run) {
    uintptr_t start = (uintptr_t)run->start;
    for (size_t i = 0; i < traffic.count; i++) {
        uintptr_t other = (uintptr_t)traffic.held[i].run.start;
        if (start < other + traffic.held[i].run.bytes && other < start + run->bytes) {
            return true;
        }
    }
    return false;
}

static void traffic_alloc(void) {
    size_t limit = random_below(&traffic.random, 40) == 0 ? PAGE_RUN_MAX_GRANULES : 40;
    size_t granules = 1 + (size_t)(random_magnitude(&traffic.random) % limit);
    if (traffic.count == RUNS_MAX || traffic.bytes + granules * GRANULE_BYTES > TRAFFIC_MAX_BYTES) {
        return;
    }
    struct held_run held = {.record = &records[random_below(&traffic.random, 4096)],
                            .fill = random_bits(&traffic.random)};
    CHILD_EXPECT(page_run_alloc(granules, held.record, &held.run) == 0);
    CHILD_EXPECT(held.run.bytes == granules * GRANULE_BYTES);
    CHILD_EXPECT(!overlaps_another(&held.run));
    CHILD_EXPECT(!held.run.is_zero || is_all_zero(&held.run));
    traffic.zero_runs += held.run.is_zero;
    traffic.dirty_runs += !held.run.is_zero;
    fill(&held.run, held.fill);
    traffic.held[traffic.count++] = held;
    traffic.bytes += held.run.bytes;
}

static void traffic_free(void) {
    if (traffic.count == 0) {
        return;
    }
    size_t index = random_below(&traffic.random, traffic.count);
    struct held_run held = traffic.held[index];
    traffic.held[index] = traffic.held[--traffic.count];
    traffic.bytes -= held.run.bytes;
    CHILD_EXPECT(is_filled(&held.run, held.fill));
    page_run_free(&held.run, held.record);
}

static void traffic_retain(void) {
    size_t allowed = (size_t)(random_magnitude(&traffic.random) % (32 * MIB));
    size_t before = page_heap_statistics().free_dirty_bytes;
    size_t purged = page_heap_purge(allowed);
    size_t after = page_heap_statistics().free_dirty_bytes;
    CHILD_EXPECT(before - after == purged && after <= allowed);
    if (random_below(&traffic.random, 4) == 0) {
        page_heap_release_empty();
    }
}

static void check_statistics(void) {
    struct page_heap_stats stats = page_heap_statistics();
    CHILD_EXPECT(stats.in_use_bytes == traffic.bytes);
    CHILD_EXPECT(stats.purging_bytes == 0);
    CHILD_EXPECT(stats.committed_bytes ==
                 stats.in_use_bytes + stats.free_dirty_bytes + stats.free_zero_bytes);
    CHILD_EXPECT(stats.reserved_bytes >= stats.committed_bytes);
}

/* Phases lean towards growth and shrinkage in turn, so that heaps fill and become empty. */
static void random_traffic(void) {
    for (size_t i = 0; i < random_steps(2500); i++) {
        size_t frees_of_ten = i / 300 % 2 == 0 ? 3 : 6;
        size_t choice = random_below(&traffic.random, 100);
        if (choice == 0) {
            traffic_retain();
        } else if (choice / 10 < frees_of_ten) {
            traffic_free();
        } else {
            traffic_alloc();
        }
        EXPECT_AUDIT();
        check_statistics();
    }
    CHILD_EXPECT(traffic.zero_runs > 0 && traffic.dirty_runs > 0);
    while (traffic.count > 0) {
        traffic_free();
    }
    EXPECT_AUDIT();
    page_heap_release_empty();
    page_heap_purge(0);
    struct page_heap_stats stats = page_heap_statistics();
    CHILD_EXPECT(stats.heaps == 1 && stats.free_zero_bytes == stats.committed_bytes);
}

static void test_random_traffic(void **state) {
    (void)state;
    traffic.random = random_start("page heap traffic");
    assert_child_passes(random_traffic);
}

#define CHILD_TEST(body)                    \
    static void test_##body(void **state) { \
        (void)state;                        \
        assert_child_passes(body);          \
    }

CHILD_TEST(one_run)
CHILD_TEST(refused_sizes)
CHILD_TEST(every_size)
CHILD_TEST(zero_knowledge)
CHILD_TEST(half_dirty_run)
CHILD_TEST(commit_steps)
CHILD_TEST(committed_end_serves_again)
CHILD_TEST(only_heaps_are_mapped)
CHILD_TEST(empty_heaps_go)
CHILD_TEST(heaps_come_back)
CHILD_TEST(purge_keeps_what_is_allowed)
CHILD_TEST(purge_refused)
CHILD_TEST(ladder_16)
CHILD_TEST(ladder_4)
CHILD_TEST(ladder_1)
CHILD_TEST(exact_fit)
CHILD_TEST(no_address_space)
CHILD_TEST(no_commit)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_run),
        cmocka_unit_test(test_refused_sizes),
        cmocka_unit_test(test_every_size),
        cmocka_unit_test(test_zero_knowledge),
        cmocka_unit_test(test_half_dirty_run),
        cmocka_unit_test(test_commit_steps),
        cmocka_unit_test(test_committed_end_serves_again),
        cmocka_unit_test(test_only_heaps_are_mapped),
        cmocka_unit_test(test_empty_heaps_go),
        cmocka_unit_test(test_heaps_come_back),
        cmocka_unit_test(test_purge_keeps_what_is_allowed),
        cmocka_unit_test(test_purge_refused),
        cmocka_unit_test(test_ladder_16),
        cmocka_unit_test(test_ladder_4),
        cmocka_unit_test(test_ladder_1),
        cmocka_unit_test(test_exact_fit),
        cmocka_unit_test(test_no_address_space),
        cmocka_unit_test(test_no_commit),
        cmocka_unit_test(test_misuse_dies),
        cmocka_unit_test(test_random_traffic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
