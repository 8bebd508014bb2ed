/* test_statistics_threads.c - figures: identities that always hold, exactness when nobody runs,
 * calls from handlers and beside running threads, numbers that do not fit an int. */
#include "api/statistics.h"
#include "glibc_profile.h"

#include "api/registry.h"
#include "chunk/mapped_table.h"
#include "thread/operation.h"

#include "support_recount.h"
#include "test_random.h"

#include <errno.h>
#include <limits.h>
#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "arenite/arenite.h"

#define BLOCKS 200

struct traffic {
    struct random_source source;
    void *blocks[BLOCKS];
    size_t steps;
};

static void *run_traffic(void *argument) {
    struct traffic *traffic = argument;
    for (size_t i = 0; i < traffic->steps; i++) {
        size_t at = random_below(&traffic->source, BLOCKS);
        size_t bytes =
            random_below(&traffic->source, (size_t)1 << random_below(&traffic->source, 18));
        arenite_free(traffic->blocks[at]);
        traffic->blocks[at] = arenite_malloc(bytes);
    }
    return NULL;
}

static void free_all(struct traffic *traffic) {
    for (size_t i = 0; i < BLOCKS; i++) {
        arenite_free(traffic->blocks[i]);
    }
}

/* ---- alone ---------------------------------------------------------------------------------- */

static void test_figures_match_a_recount(void **state) {
    (void)state;
    struct traffic traffic = {random_start("test_statistics"), {NULL}, 200};
    for (size_t round = 0; round < 50; round++) {
        run_traffic(&traffic);
        struct recount counts;
        assert_null(recount_arena(&main_arena, &counts));
        struct mallinfo2 info = arenite_mallinfo2();
        assert_int_equal(info.arena, info.uordblks + info.fordblks);
        assert_int_equal(info.arena, main_arena.system_bytes);
        assert_int_equal(info.ordblks, counts.free_count + 1);
        assert_int_equal(info.smblks, counts.fast_count);
        assert_int_equal(info.fsmblks, counts.fast_bytes);
        assert_int_equal(info.fordblks, counts.free_bytes + counts.fast_bytes + counts.top_bytes);
        assert_int_equal(info.keepcost, counts.top_bytes);
        assert_int_equal(info.hblks, mapped_counts.count);
        assert_int_equal(info.hblkhd, mapped_counts.bytes);
    }
    free_all(&traffic);
}

/* A block may be cut off top, or be part or all of a free chunk: the chunks in use tell. */
static size_t count_used(struct block_statistics *blocks) {
    struct heap_statistics sum;
    statistics_collect(&sum, NULL, NULL);
    statistics_count_blocks(blocks);
    return blocks->chunks - sum.free_count - sum.fast_count;
}

static void test_block_counts(void **state) {
    (void)state;
    struct block_statistics before;
    struct block_statistics after;
    void *blocks[100];
    size_t used_before = count_used(&before);
    for (size_t i = 0; i < 100; i++) {
        blocks[i] = arenite_malloc(2000);
    }
    for (size_t i = 0; i < 3; i++) {
        arenite_free(arenite_malloc(1000)); /* stays in a quick list */
    }
    size_t used_after = count_used(&after);
    assert_true(used_after >= used_before + 100 && used_after <= used_before + 120);
    assert_true(after.chunks >= before.chunks);
    assert_true(after.quick_count > 0);
    assert_int_equal(after.threads, 1);
    for (size_t i = 0; i < 100; i++) {
        arenite_free(blocks[i]);
    }
}

static void test_numbers_beyond_an_int(void **state) {
    (void)state;
    size_t real = main_arena.system_bytes;
    struct mallinfo2 before = arenite_mallinfo2();
    main_arena.system_bytes = real + INT_MAX;
    struct mallinfo2 wide = arenite_mallinfo2();
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    struct mallinfo narrow = arenite_mallinfo();
#pragma GCC diagnostic pop
    main_arena.system_bytes = real;
    assert_int_equal(wide.arena, before.arena + INT_MAX);
    assert_int_equal(wide.uordblks, before.uordblks + INT_MAX);
    assert_int_equal(narrow.arena, INT_MAX);
    assert_int_equal(narrow.uordblks, INT_MAX);
    assert_int_equal(narrow.fordblks, wide.fordblks);
    assert_int_equal(narrow.ordblks, wide.ordblks);
}

/* A damaged list costs the details of its arena, not the process. */
static void test_a_damaged_list_is_survived(void **state) {
    (void)state;
    struct links *bin = bin_at(&main_arena, BIN_UNSORTED);
    struct links *kept = bin->fd;
    bin->fd = (struct links *)(UINTPTR_MAX / 2);
    struct heap_statistics sum;
    statistics_collect(&sum, NULL, NULL);
    bin->fd = kept;
    assert_int_equal(sum.incomplete, 1);
    assert_int_equal(sum.system_bytes, sum.used_bytes + sum.free_bytes);
    statistics_collect(&sum, NULL, NULL);
    assert_int_equal(sum.incomplete, 0);
}

static void test_torn_arena_counts_as_used(void **state) {
    (void)state;
    struct heap_statistics sum;
    main_arena.lock.word = LOCK_DEAD;
    statistics_collect(&sum, NULL, NULL);
    assert_int_equal(arenite_mallopt(M_MXFAST, 64), 1);
    (void)arenite_malloc_trim(0);
    main_arena.lock.word = 0;
    assert_int_equal(sum.incomplete, 1);
    assert_int_equal(sum.used_bytes, sum.system_bytes);
    arenite_mallopt(M_MXFAST, 128);
}

/* ---- from a handler ------------------------------------------------------------------------- */

static struct heap_statistics seen_in_handler;
static int trimmed_in_handler;

static void ask_in_handler(int number) {
    (void)number;
    statistics_collect(&seen_in_handler, NULL, NULL);
    trimmed_in_handler = arenite_malloc_trim(0);
    arenite_mallopt(M_MXFAST, 128);
    (void)arenite_audit();
}

/* The handler interrupts an operation that holds the arena's lock: were it waited for, this test
 * would never end. */
static void test_handler_inside_an_operation(void **state) {
    (void)state;
    signal(SIGUSR1, ask_in_handler);
    struct operation operation;
    operation_enter(&operation);
    arena_lock(&main_arena);
    raise(SIGUSR1);
    arena_unlock(&main_arena);
    operation_leave(&operation);
    assert_int_equal(seen_in_handler.incomplete, 1);
    assert_int_equal(seen_in_handler.system_bytes, main_arena.system_bytes);
    assert_int_equal(trimmed_in_handler, 0);
    raise(SIGUSR1);
    assert_int_equal(seen_in_handler.incomplete, 0);
}

/* ---- reports -------------------------------------------------------------------------------- */

static void test_info_refuses_options(void **state) {
    (void)state;
    char text[16] = "";
    FILE *stream = fmemopen(text, sizeof text, "w");
    assert_int_equal(arenite_malloc_info(1, stream), EINVAL);
    fclose(stream);
    assert_string_equal(text, "");
}

/* ---- beside running threads ----------------------------------------------------------------- */

#define THREADS 4

static void check_identities(void) {
    struct mallinfo2 info = arenite_mallinfo2();
    assert_int_equal(info.arena, info.uordblks + info.fordblks);
    assert_true(info.arena < (size_t)1 << 31);
    assert_true(info.fsmblks <= info.fordblks && info.keepcost <= info.fordblks);
}

static void test_beside_running_threads(void **state) {
    (void)state;
    struct random_source source = random_start("test_statistics beside threads");
    static struct traffic traffic[THREADS];
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        traffic[i] = (struct traffic){random_branch(&source), {NULL}, random_steps(20000)};
        assert_int_equal(pthread_create(&threads[i], NULL, run_traffic, &traffic[i]), 0);
    }
    for (size_t i = 0; i < 100; i++) {
        check_identities();
        assert_null(arenite_audit());
        if (i % 10 == 0) {
            struct block_statistics blocks;
            statistics_count_blocks(&blocks);
            (void)arenite_malloc_trim(0);
        }
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        free_all(&traffic[i]);
    }
    check_identities();
    assert_null(arenite_audit());
}

int main(void) {
    arenite_free(arenite_malloc(1));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures_match_a_recount),
        cmocka_unit_test(test_block_counts),
        cmocka_unit_test(test_numbers_beyond_an_int),
        cmocka_unit_test(test_a_damaged_list_is_survived),
        cmocka_unit_test(test_torn_arena_counts_as_used),
        cmocka_unit_test(test_handler_inside_an_operation),
        cmocka_unit_test(test_info_refuses_options),
        cmocka_unit_test(test_beside_running_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
