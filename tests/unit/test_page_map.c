/* test_page_map.c - the page map against a list of ranges, asked about every kind of address. */
#include "pages/page_map.h"

#include "test_child.h"
#include "test_random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

/* Addresses the process is not likely to use: the map does not ask whether memory is there. */
#if UINTPTR_MAX > 0xffffffffu
#define BASE ((uintptr_t)0x123 << 32)
#else
#define BASE ((uintptr_t)0x40000000)
#endif

static uintptr_t granule_at(size_t index) {
    return BASE + index * GRANULE_BYTES;
}

static page_entry entry_at(uintptr_t address) {
    return page_map_get((const void *)address);
}

static void *record_of(size_t number) {
    return (void *)(uintptr_t)(number * 64);
}

static page_entry named(size_t number, enum page_kind kind) {
    return page_entry_of(record_of(number), kind);
}

static void test_bounds_of_one_range(void **state) {
    (void)state;
    uintptr_t start = granule_at(10), end = granule_at(13);
    assert_int_equal(page_map_set(start, end, record_of(1), PAGE_RUN), 0);
    assert_int_equal(entry_at(start - 1), PAGE_NONE);
    assert_int_equal(entry_at(start), named(1, PAGE_RUN));
    assert_int_equal(entry_at(end - 1), named(1, PAGE_RUN));
    assert_int_equal(entry_at(end), PAGE_NONE);
    assert_int_equal(page_entry_kind(entry_at(start)), PAGE_RUN);
    assert_ptr_equal(page_entry_record(entry_at(start)), record_of(1));
    page_map_clear(start, end, record_of(1));
    assert_int_equal(entry_at(start), PAGE_NONE);
    assert_int_equal(entry_at(end - 1), PAGE_NONE);
}

static void test_partial_granules_round_outward(void **state) {
    (void)state;
    uintptr_t start = granule_at(20) + 100, end = granule_at(21) + 1;
    assert_int_equal(page_map_set(start, end, record_of(1), PAGE_CHUNKS), 0);
    assert_int_equal(entry_at(granule_at(20)), named(1, PAGE_CHUNKS));
    assert_int_equal(entry_at(granule_at(21)), named(1, PAGE_CHUNKS));
    assert_int_equal(entry_at(granule_at(22)), PAGE_NONE);
    page_map_clear(start, end, record_of(1));
    assert_int_equal(entry_at(granule_at(20)), PAGE_NONE);
}

static void test_two_owners_make_it_mixed_for_good(void **state) {
    (void)state;
    uintptr_t start = granule_at(30), end = granule_at(32);
    assert_int_equal(page_map_set(start, end, record_of(1), PAGE_CHUNKS), 0);
    assert_int_equal(page_map_set(start, end, record_of(1), PAGE_CHUNKS), 0);
    assert_int_equal(entry_at(start), named(1, PAGE_CHUNKS));
    assert_int_equal(page_map_set(start, start + 1, record_of(2), PAGE_CHUNKS), 0);
    assert_int_equal(entry_at(start), PAGE_NOT_RUN);
    assert_int_equal(entry_at(end - 1), named(1, PAGE_CHUNKS));
    page_map_clear(start, end, record_of(2));
    assert_int_equal(entry_at(end - 1), named(1, PAGE_CHUNKS));
    page_map_clear(start, end, record_of(1));
    assert_int_equal(entry_at(start), PAGE_NOT_RUN);
    assert_int_equal(entry_at(end - 1), PAGE_NONE);
}

static void test_mixed_can_be_set_outright(void **state) {
    (void)state;
    uintptr_t start = granule_at(40);
    assert_int_equal(page_map_set(start, start + 4096, NULL, PAGE_MIXED), 0);
    assert_int_equal(entry_at(start), PAGE_NOT_RUN);
    assert_int_equal(page_map_set(start, start + 4096, record_of(1), PAGE_RUN), 0);
    assert_int_equal(entry_at(start), PAGE_NOT_RUN);
}

/* Whatever the bits, asking is safe and, outside what is set, says nothing of ours - except that
 * addresses beyond the user half wrap onto some entry, which the record's bounds then refuse. */
static void test_wild_addresses(void **state) {
    (void)state;
    struct random_source random = random_start("page map wild");
    page_entry found = 0;
    for (size_t i = 0; i < random_steps(200000); i++) {
        uintptr_t address = (uintptr_t)random_bits(&random);
        found |= entry_at(address);
        found |= entry_at((uintptr_t)random_magnitude(&random));
        found |= entry_at(~(uintptr_t)0 - random_below(&random, 1 << 20));
    }
    assert_int_equal(entry_at(0), PAGE_NONE);
    assert_int_equal(entry_at(1), PAGE_NONE);
    assert_int_equal(entry_at((uintptr_t)&random), PAGE_NONE);
    assert_int_equal(entry_at(~(uintptr_t)0), PAGE_NONE);
    assert_true(page_entry_kind(found) == PAGE_NONE || page_entry_kind(found) == PAGE_MIXED);
}

#if UINTPTR_MAX > 0xffffffffu
static void test_non_canonical_addresses_wrap(void **state) {
    (void)state;
    uintptr_t start = granule_at(50);
    assert_int_equal(page_map_set(start, start + 1, record_of(5), PAGE_RUN), 0);
    uintptr_t wrapped = start | (uintptr_t)1 << PAGE_MAP_ADDRESS_BITS;
    assert_int_equal(entry_at(wrapped), named(5, PAGE_RUN));
    page_map_clear(start, start + 1, record_of(5));
    assert_int_equal(entry_at(wrapped), PAGE_NONE);
    uintptr_t beyond = (uintptr_t)1 << PAGE_MAP_ADDRESS_BITS;
    assert_int_equal(page_map_set(beyond - 1, beyond + 1, record_of(5), PAGE_RUN), -ENOMEM);
    assert_int_equal(entry_at(beyond - 1), PAGE_NONE);
}

static void test_first_and_last_granule_of_the_user_half(void **state) {
    (void)state;
    uintptr_t last = ((uintptr_t)1 << PAGE_MAP_ADDRESS_BITS) - GRANULE_BYTES;
    assert_int_equal(page_map_set(0, 1, record_of(6), PAGE_RUN), 0);
    assert_int_equal(page_map_set(last, last + GRANULE_BYTES, record_of(7), PAGE_RUN), 0);
    assert_int_equal(entry_at(GRANULE_BYTES - 1), named(6, PAGE_RUN));
    assert_int_equal(entry_at(GRANULE_BYTES), PAGE_NONE);
    assert_int_equal(entry_at(last), named(7, PAGE_RUN));
    assert_int_equal(entry_at(last - 1), PAGE_NONE);
    page_map_clear(0, 1, record_of(6));
    page_map_clear(last, last + GRANULE_BYTES, record_of(7));
    assert_int_equal(entry_at(0), PAGE_NONE);
    assert_int_equal(entry_at(last), PAGE_NONE);
}

static void test_range_over_two_leaves(void **state) {
    (void)state;
    uintptr_t span = GRANULE_BYTES << PAGE_MAP_LEAF_BITS;
    uintptr_t border = BASE + 7 * span;
    size_t before = page_map_leaf_count();
    assert_int_equal(page_map_set(border - 1, border + 1, record_of(8), PAGE_RUN), 0);
    assert_int_equal(page_map_leaf_count(), before + 2);
    assert_int_equal(entry_at(border - GRANULE_BYTES), named(8, PAGE_RUN));
    assert_int_equal(entry_at(border), named(8, PAGE_RUN));
    page_map_clear(border - 1, border + 1, record_of(8));
    assert_int_equal(page_map_set(border - 1, border + 1, record_of(9), PAGE_RUN), 0);
    assert_int_equal(page_map_leaf_count(), before + 2);
    page_map_clear(border - 1, border + 1, record_of(9));
}

/* The second leaf cannot be made: the first entry must not have been written. */
static void set_without_memory(void) {
    uintptr_t span = GRANULE_BYTES << PAGE_MAP_LEAF_BITS;
    uintptr_t border = BASE + 20 * span;
    CHILD_EXPECT(page_map_prepare(border - 1, border) == 0);
    struct rlimit limit = {1 << 20, 1 << 20};
    CHILD_EXPECT(setrlimit(RLIMIT_AS, &limit) == 0);
    CHILD_EXPECT(page_map_set(border - 1, border + 1, record_of(1), PAGE_RUN) == -ENOMEM);
    CHILD_EXPECT(entry_at(border - 1) == PAGE_NONE);
    CHILD_EXPECT(entry_at(border) == PAGE_NONE);
    CHILD_EXPECT(page_map_set(border - 1, border, record_of(1), PAGE_RUN) == 0);
}

static void test_failure_changes_nothing(void **state) {
    (void)state;
    assert_child_passes(set_without_memory);
}
#endif

/* ---- random ranges against an array of entries ----------------------------------------------- */

#define WINDOW_FIRST 1000
#define WINDOW_GRANULES 300
#define RECORDS 6

struct model {
    page_entry entries[WINDOW_GRANULES];
};

static void model_set(struct model *model, size_t first, size_t past, page_entry wanted) {
    for (size_t i = first; i < past; i++) {
        page_entry present = model->entries[i];
        model->entries[i] = present == 0 || present == wanted ? wanted : PAGE_NOT_RUN;
    }
}

static void model_clear(struct model *model, size_t first, size_t past, const void *record) {
    for (size_t i = first; i < past; i++) {
        if (model->entries[i] != PAGE_NOT_RUN && page_entry_record(model->entries[i]) == record) {
            model->entries[i] = PAGE_NONE;
        }
    }
}

static void compare_window(const struct model *model) {
    for (size_t i = 0; i < WINDOW_GRANULES; i++) {
        uintptr_t start = granule_at(WINDOW_FIRST + i);
        assert_int_equal(entry_at(start), model->entries[i]);
        assert_int_equal(entry_at(start + GRANULE_BYTES - 1), model->entries[i]);
    }
    assert_int_equal(entry_at(granule_at(WINDOW_FIRST) - 1), PAGE_NONE);
    assert_int_equal(entry_at(granule_at(WINDOW_FIRST + WINDOW_GRANULES)), PAGE_NONE);
}

static void random_step(struct random_source *random, struct model *model) {
    size_t first = random_below(random, WINDOW_GRANULES);
    size_t past = first + 1 + random_below(random, WINDOW_GRANULES - first);
    size_t number = 1 + random_below(random, RECORDS);
    uintptr_t start = granule_at(WINDOW_FIRST + first) + random_below(random, GRANULE_BYTES);
    uintptr_t last = granule_at(WINDOW_FIRST + past - 1) + random_below(random, GRANULE_BYTES);
    uintptr_t end = (last > start ? last : start) + 1;
    if (random_below(random, 3) > 0) {
        page_map_clear(start, end, record_of(number));
        model_clear(model, first, past, record_of(number));
        return;
    }
    static const enum page_kind kinds[] = {PAGE_RUN, PAGE_CHUNKS, PAGE_RUN, PAGE_CHUNKS};
    enum page_kind kind = kinds[number % 4];
    assert_int_equal(page_map_set(start, end, record_of(number), kind), 0);
    model_set(model, first, past, named(number, kind));
}

static void test_random_ranges(void **state) {
    (void)state;
    struct random_source random = random_start("page map ranges");
    static struct model model;
    for (size_t i = 0; i < random_steps(3000); i++) {
        random_step(&random, &model);
        compare_window(&model);
    }
}

static void test_zero_leaf_stays_zero(void **state) {
    (void)state;
    for (size_t i = 0; i < PAGE_MAP_LEAF_ENTRIES; i++) {
        assert_int_equal(page_map.zero_leaf[i], 0);
    }
    assert_true(page_map_leaf_count() > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds_of_one_range),
        cmocka_unit_test(test_partial_granules_round_outward),
        cmocka_unit_test(test_two_owners_make_it_mixed_for_good),
        cmocka_unit_test(test_mixed_can_be_set_outright),
        cmocka_unit_test(test_wild_addresses),
#if UINTPTR_MAX > 0xffffffffu
        cmocka_unit_test(test_non_canonical_addresses_wrap),
        cmocka_unit_test(test_first_and_last_granule_of_the_user_half),
        cmocka_unit_test(test_range_over_two_leaves),
        cmocka_unit_test(test_failure_changes_nothing),
#endif
        cmocka_unit_test(test_random_ranges),
        cmocka_unit_test(test_zero_leaf_stays_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
