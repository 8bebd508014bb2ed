/* contract.c - what os.h promises, kept by the model: contents, faults, residency, failures by
 * plan, time and chance.
 * Layer: tests (includes os and model). */
#include "bed.h"
#include "model/mm.h"
#include "os/os.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define PAGES ((size_t)16)
#define BYTES (PAGES * PAGE)

static uint64_t faults(void) {
    return os_model_usage().minor_faults;
}

static size_t resident_pages(void) {
    return (size_t)os_model_usage().resident_pages;
}

static bool is_zero(const unsigned char *start, size_t bytes) {
    return start[0] == 0 && memcmp(start, start + 1, bytes - 1) == 0;
}

/* Each page read, then written: two faults, and resident after the second. */
static void touches_are_counted(struct bed *bed) {
    (void)bed;
    unsigned char *start = os_map(BYTES);
    TEST_CHECK(start != NULL && faults() == 0 && os_resident_bytes(start, BYTES) == 0);
    TEST_CHECK(is_zero(start, BYTES) && faults() == PAGES && resident_pages() == 0);
    memset(start, 7, BYTES);
    TEST_CHECK(faults() == 2 * PAGES && resident_pages() == PAGES);
    TEST_CHECK(start[BYTES - 1] == 7 && faults() == 2 * PAGES);
    TEST_CHECK(os_resident_bytes(start, BYTES) == (long)BYTES);
    TEST_CHECK(os_purge(start, BYTES / 2) == 0 && resident_pages() == PAGES / 2);
    TEST_CHECK(os_resident_bytes(start, BYTES) == (long)BYTES / 2);
    memset(start, 8, BYTES / 2);
    TEST_CHECK(faults() == 2 * PAGES + PAGES / 2 && start[BYTES - 1] == 7);
    TEST_CHECK(os_release(start, BYTES) == 0 && resident_pages() == 0);
    TEST_CHECK(os_resident_bytes(start, BYTES) == -ENOMEM);
}

static void what_is_dropped_is_zero(struct bed *bed) {
    (void)bed;
    unsigned char *start = os_reserve(BYTES, NULL);
    TEST_CHECK(start != NULL && os_commit(start, BYTES) == 0);
    memset(start, 9, BYTES);
    TEST_CHECK(os_decommit(start + PAGE, PAGE) == 0 && os_commit(start + PAGE, PAGE) == 0);
    TEST_CHECK(is_zero(start + PAGE, PAGE) && start[0] == 9 && start[2 * PAGE] == 9);
    TEST_CHECK(os_release(start, BYTES) == 0);
    TEST_CHECK(os_reserve(BYTES, start) == start && os_commit(start, BYTES) == 0);
    TEST_CHECK(is_zero(start, BYTES));
}

/* The neighbour above keeps it from growing in place. Pages that were only read move as well. */
static void contents_move(struct bed *bed) {
    (void)bed;
    unsigned char *start = os_map(BYTES);
    TEST_CHECK(start[PAGE] == 0);
    memset(start + 2 * PAGE, 3, BYTES - 2 * PAGE);
    uint64_t before = faults();
    TEST_CHECK(os_remap(start, BYTES, 1000 * BYTES, false) == NULL);
    unsigned char *moved = os_remap(start, BYTES, 1000 * BYTES, true);
    TEST_CHECK(moved != NULL && moved != start && moved[2 * PAGE] == 3 && moved[BYTES - 1] == 3);
    TEST_CHECK(moved[PAGE] == 0 && faults() == before);
    TEST_CHECK(is_zero(moved + BYTES, PAGE) && faults() == before + 1);
    moved[2 * PAGE] = 4;
    TEST_CHECK(faults() == before + 1);
    TEST_CHECK(os_remap(moved, 1000 * BYTES, 3 * PAGE, false) == moved && moved[2 * PAGE] == 4);
    TEST_CHECK(resident_pages() == 1 && os_release(moved, 3 * PAGE) == 0);
}

static void the_break_moves(struct bed *bed) {
    (void)bed;
    unsigned char *start = os_break_move(0);
    TEST_CHECK(os_break_move(100) == start && os_break_place() == start + 100);
    memset(start, 5, 100);
    TEST_CHECK(os_break_move((intptr_t)BYTES - 100) == start + 100);
    memset(start, 5, BYTES);
    TEST_CHECK(faults() == PAGES);
    TEST_CHECK(os_break_move(-(intptr_t)BYTES) == start + BYTES && resident_pages() == 0);
    TEST_CHECK(os_break_move((intptr_t)BYTES) == start && is_zero(start, BYTES));
    TEST_CHECK(os_break_move(-(intptr_t)(2 * BYTES)) == NULL && os_break_place() == start + BYTES);
}

/* One fault makes 512 pages resident; those that were not touched yet trap without counting. */
static void huge_pages_fault_once(struct bed *bed) {
    (void)bed;
    size_t huge = (size_t)2 << 20;
    unsigned char *start = os_map(2 * huge);
    start[0] = 1;
    TEST_CHECK(faults() == 1 && resident_pages() == 512);
    TEST_CHECK(is_zero(start + PAGE, huge - PAGE) && faults() == 1);
    memset(start, 6, huge);
    TEST_CHECK(faults() == 1 && os_purge(start + PAGE, PAGE) == 0);
    TEST_CHECK(start[PAGE] == 0 && start[2 * PAGE] == 6 && faults() == 2);
}

static void plan(enum os_model_rule rule, unsigned calls, uint64_t n) {
    const struct os_model_failures failures = {rule, calls, n, EPERM};
    os_model_fail(&failures);
}

/* Which of five maps fail, as bits. */
static unsigned failing_maps(void) {
    unsigned failed = 0;
    for (unsigned i = 0; i < 5; i++) {
        failed |= os_map(PAGE) == NULL ? 1U << i : 0;
    }
    return failed;
}

static void calls_fail_by_plan(struct bed *bed) {
    (void)bed;
    unsigned char *start = os_map(BYTES);
    plan(FAIL_NTH, OS_MODEL_MAP, 3);
    TEST_CHECK(failing_maps() == 4 && failing_maps() == 0 && os_model_counts().failed == 1);
    plan(FAIL_EVERY, OS_MODEL_MAP, 2);
    TEST_CHECK(failing_maps() == 10 && os_model_counts().calls == 5);
    plan(FAIL_FROM, OS_MODEL_MAP | OS_MODEL_PURGE, 2);
    TEST_CHECK(os_release(start, PAGE) == 0 && os_model_counts().calls == 0);
    TEST_CHECK(failing_maps() == 30 && os_purge(start + PAGE, PAGE) == -EPERM);
    plan(FAIL_EVERY, OS_MODEL_ALL_CALLS, 1);
    errno = EINTR;
    TEST_CHECK(os_reserve(PAGE, NULL) == NULL && os_commit(start, PAGE) == -EPERM);
    TEST_CHECK(os_decommit(start, PAGE) == -EPERM && os_release(start, PAGE) == -EPERM);
    TEST_CHECK(os_remap(start, PAGE, BYTES, true) == NULL && os_break_move(1) == NULL);
    TEST_CHECK(os_break_place() == NULL && os_break_move(0) != NULL);
    TEST_CHECK(os_resident_bytes(start, PAGE) == -EPERM && errno == EINTR);
    plan(FAIL_NEVER, 0, 0);
    TEST_CHECK(failing_maps() == 0 && os_release(start + PAGE, PAGE) == 0);
}

/* The break and mappings beside each other, each under its limit. */
static void limits_hold(struct bed *bed) {
    (void)bed;
    struct mm *mm = os_model_mm();
    mm->limits.address_space = 4 * BYTES;
    unsigned char *start = os_map(3 * BYTES);
    TEST_CHECK(start != NULL && os_map(2 * BYTES) == NULL && os_reserve(2 * BYTES, NULL) == NULL);
    TEST_CHECK(os_break_move((intptr_t)(2 * BYTES)) == NULL);
    TEST_CHECK(os_release(start, BYTES) == 0 && os_map(2 * BYTES) != NULL);
    mm->limits.address_space = LIMIT_NONE;
    mm->limits.data = 0;
    TEST_CHECK(os_map(PAGE) == NULL && os_break_move(1) == NULL);
    unsigned char *reserved = os_reserve(BYTES, NULL);
    TEST_CHECK(reserved != NULL && os_commit(reserved, PAGE) == -ENOMEM);
}

static void time_and_chance_repeat(struct bed *bed) {
    (void)bed;
    uint64_t start_ns = os_clock_ns();
    TEST_CHECK(os_clock_ns() == start_ns);
    os_sleep_ns(1000);
    os_model_pass_ns(500);
    TEST_CHECK(os_clock_ns() == start_ns + 1500);
    unsigned char *page = os_map(PAGE);
    uint64_t called_ns = os_clock_ns();
    page[0] = 1;
    TEST_CHECK(called_ns > start_ns + 1500 && os_clock_ns() > called_ns);
    os_model_set_world(42, 3);
    uint64_t first = os_random(), second = os_random();
    os_model_set_world(42, 5);
    TEST_CHECK(first != second && os_random() == first && os_random() == second);
    TEST_CHECK(os_cpu_count() == 5 && os_thread_id() == os_process_id());
}

static void touch_unmapped(struct bed *bed) {
    (void)bed;
    volatile unsigned char *start = os_map(BYTES);
    start[0] = 1;
    os_release((void *)(uintptr_t)start, BYTES);
    start[0] = 2;
}

static void touch_reserved(struct bed *bed) {
    (void)bed;
    volatile unsigned char *start = os_reserve(BYTES, NULL);
    (void)start[0];
}

/* What is not mapped, or not accessible, kills, although the window has bytes there. */
static void expect_death(struct bed *bed, void (*body)(struct bed *bed)) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        signal(SIGBUS, SIG_DFL);
        bed_run_here(bed, body);
        _exit(0);
    }
    int status = 0;
    TEST_CHECK(child > 0 && waitpid(child, &status, 0) == child);
    TEST_CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

int main(void) {
    struct bed bed = {.seed = bed_begin("contract"), .thp = THP_MADVISE};
    bed_run(&bed, touches_are_counted);
    bed_run(&bed, what_is_dropped_is_zero);
    bed_run(&bed, contents_move);
    bed_run(&bed, the_break_moves);
    bed_run(&bed, calls_fail_by_plan);
    bed_run(&bed, limits_hold);
    bed_run(&bed, time_and_chance_repeat);
    expect_death(&bed, touch_unmapped);
    expect_death(&bed, touch_reserved);
    bed.thp = THP_ALWAYS;
    bed_run(&bed, huge_pages_fault_once);
    return 0;
}
