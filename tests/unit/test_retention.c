/* test_retention.c - what may stay resident: nothing before it was taken again, then as much, and
 * nothing again once two windows have gone by.
 * Layer: tests (includes pages and below). */
#include "pages/retention.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MIB ((size_t)1 << 20)

/* A pool whose free memory is all resident until it is purged. */
struct pool {
    struct retention retention;
    size_t level_bytes;
    size_t dirty_bytes;
};

/* Frees in small steps and gives back what is too much; returns that. */
static size_t free_all(struct pool *pool, size_t bytes) {
    size_t purged = 0;
    for (size_t done = 0; done < bytes; done += MIB / 16) {
        pool->level_bytes += MIB / 16;
        pool->dirty_bytes += MIB / 16;
        retention_note(&pool->retention, pool->level_bytes);
        size_t surplus = retention_surplus(&pool->retention, pool->dirty_bytes);
        assert_true(surplus <= pool->dirty_bytes);
        pool->dirty_bytes -= surplus;
        purged += surplus;
    }
    return purged;
}

static void take_all(struct pool *pool, size_t bytes) {
    for (size_t done = 0; done < bytes; done += MIB / 16) {
        pool->level_bytes -= MIB / 16;
        pool->dirty_bytes -= pool->dirty_bytes < MIB / 16 ? pool->dirty_bytes : MIB / 16;
        retention_note(&pool->retention, pool->level_bytes);
    }
}

static void test_first_peak_goes(void **state) {
    (void)state;
    for (size_t mibs = 1; mibs <= 1024; mibs *= 4) {
        struct pool pool = {.level_bytes = 0};
        free_all(&pool, mibs * MIB);
        assert_true(pool.dirty_bytes <= RETENTION_BASE_BYTES);
    }
}

/* The second rise stays, because its memory was taken again; and so do all others. */
static void test_phases_earn(void **state) {
    (void)state;
    struct pool pool = {.level_bytes = 0};
    assert_true(free_all(&pool, 100 * MIB) >= 99 * MIB);
    for (int phase = 0; phase < 10; phase++) {
        take_all(&pool, 100 * MIB);
        assert_int_equal(free_all(&pool, 100 * MIB), 0);
        retention_look(&pool.retention, pool.level_bytes,
                       (uint64_t)phase * (RETENTION_WINDOW_NS / 2));
    }
    /* A peak ten times as high is not covered by that. */
    take_all(&pool, 100 * MIB);
    free_all(&pool, 1000 * MIB);
    assert_true(pool.dirty_bytes <= 126 * MIB);
}

/* Pieces in the wrong places: the level moves by 1 MiB only, but 12 MiB must stay. Each time some
 * of them are taken that had gone back, until as much is earned. */
static void test_pieces_earn(void **state) {
    (void)state;
    struct retention retention = {.high_bytes = 0};
    size_t gone = 0;
    for (int turn = 0; turn < 40; turn++) {
        retention_note(&retention, 13 * MIB);
        size_t surplus = retention_surplus(&retention, 12 * MIB);
        gone += surplus;
        retention_note(&retention, 12 * MIB);
        retention_note_again(&retention, surplus < 2 * MIB ? surplus : 2 * MIB);
        assert_true(turn < 10 || surplus == 0);
    }
    assert_true(gone > 0);
    assert_true(retention_earned(&retention) <= 14 * MIB);
    retention_look(&retention, 12 * MIB, 1);
    retention_look(&retention, 12 * MIB, 1 + RETENTION_WINDOW_NS);
    assert_int_equal(retention_surplus(&retention, 12 * MIB), 0);
    retention_look(&retention, 12 * MIB, 1 + 2 * RETENTION_WINDOW_NS);
    assert_true(retention_surplus(&retention, 12 * MIB) > 11 * MIB);
}

static void test_budget_decays(void **state) {
    (void)state;
    struct pool pool = {.level_bytes = 0};
    free_all(&pool, 100 * MIB);
    take_all(&pool, 100 * MIB);
    free_all(&pool, 100 * MIB);
    uint64_t now = 1000 * RETENTION_WINDOW_NS;
    pool.retention.window_ns = now;
    retention_look(&pool.retention, pool.level_bytes, now + RETENTION_WINDOW_NS - 1);
    assert_int_equal(retention_surplus(&pool.retention, pool.dirty_bytes), 0);
    retention_look(&pool.retention, pool.level_bytes, now + RETENTION_WINDOW_NS);
    assert_int_equal(retention_surplus(&pool.retention, pool.dirty_bytes), 0);
    retention_look(&pool.retention, pool.level_bytes, now + 2 * RETENTION_WINDOW_NS);
    assert_true(retention_surplus(&pool.retention, pool.dirty_bytes) >= 99 * MIB);
    /* A pause longer than two windows ends everything at once. */
    take_all(&pool, 100 * MIB);
    retention_look(&pool.retention, pool.level_bytes, now + 9 * RETENTION_WINDOW_NS);
    assert_int_equal(retention_earned(&pool.retention), 0);
}

static void test_without_limit(void **state) {
    (void)state;
    struct pool pool = {.level_bytes = 0};
    retention_base_bytes = SIZE_MAX;
    assert_int_equal(free_all(&pool, 1000 * MIB), 0);
    retention_base_bytes = RETENTION_BASE_BYTES;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_peak_goes), cmocka_unit_test(test_phases_earn),
        cmocka_unit_test(test_pieces_earn),     cmocka_unit_test(test_budget_decays),
        cmocka_unit_test(test_without_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
