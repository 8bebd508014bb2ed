/* test_guard_threads.c - guarded blocks: where they lie, when a place is used again, what is
 * noticed; and that about one allocation in N of every kind gets one.
 * Layer: tests (includes thread and below). */
#include "arenite/arenite.h"
#include "pages/guard.h"
#include "pages/page_map.h"
#include "test_child.h"
#include "test_random.h"
#include "thread/sample.h"
#include "traffic.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGE os_page_bytes()

static struct guard_place *place_of(const void *memory) {
    ptrdiff_t index = guard_find(memory) - guard_pool.places;
    return &guard_pool.places[index];
}

static void release(void *memory) {
    assert_true(guard_free(memory));
}

static void expect_sound(void) {
    assert_null(guard_audit());
    assert_null(arenite_audit());
}

/* ---- one block ------------------------------------------------------------------------------- */

static void check_geometry(size_t alignment, size_t bytes, bool at_end) {
    unsigned char *memory = guard_alloc(alignment, bytes, at_end);
    assert_non_null(memory);
    uintptr_t at = (uintptr_t)memory, end = at + bytes;
    assert_int_equal(at % alignment, 0);
    assert_int_equal(at / PAGE, (bytes == 0 ? at : end - 1) / PAGE);
    assert_true(at_end ? align_up(end, PAGE) - end < alignment + (bytes == 0) : at % PAGE == 0);
    assert_int_equal(page_entry_kind(page_map_get(memory)), PAGE_GUARDED);
    const struct guard_place *place = guard_find(memory);
    assert_true(place->memory == at && place->bytes == bytes && place->state == GUARD_LIVE);
    for (size_t i = 0; i < bytes; i++) {
        assert_int_equal(memory[i], 0);
    }
    memset(memory, 0xff, bytes);
    assert_null(guard_find_damage(place));
    release(memory);
    assert_int_equal(place->state, GUARD_FREED);
}

static void test_each_block_lies_at_an_end_of_its_page(void **state) {
    (void)state;
    for (size_t alignment = 16; alignment <= 512; alignment *= 2) {
        for (size_t bytes = 0; bytes <= PAGE; bytes += 1 + bytes / 7) {
            check_geometry(alignment, bytes, false);
            check_geometry(alignment, bytes, true);
        }
    }
    assert_null(guard_alloc(16, PAGE + 1, true));
    expect_sound();
}

static void expect_damage_at(unsigned char *memory, ptrdiff_t distance) {
    unsigned char *at = memory + distance;
    unsigned char was = *at;
    *at = (unsigned char)(was + 1);
    assert_ptr_equal(guard_find_damage(guard_find(memory)), at);
    *at = was;
    assert_null(guard_find_damage(guard_find(memory)));
}

static void test_every_byte_beside_a_block_is_looked_at(void **state) {
    (void)state;
    unsigned char *first = guard_alloc(16, 100, false), *last = guard_alloc(16, 100, true);
    for (ptrdiff_t i = 100; i < (ptrdiff_t)PAGE; i++) {
        expect_damage_at(first, i);
    }
    for (ptrdiff_t i = -1; i >= 112 - (ptrdiff_t)PAGE; i--) {
        expect_damage_at(last, i);
    }
    for (ptrdiff_t i = 100; i < 112; i++) {
        expect_damage_at(last, i);
    }
    release(first);
    release(last);
}

static void test_a_guard_page_belongs_to_the_nearer_block(void **state) {
    (void)state;
    /* Neighbours, whatever came before. */
    unsigned char *before = guard_alloc(16, PAGE, true), *behind = guard_alloc(16, PAGE, true);
    while (behind != before + 2 * PAGE) {
        release(before);
        before = behind;
        behind = guard_alloc(16, PAGE, true);
    }
    assert_ptr_equal(guard_find(before + PAGE), guard_find(before));
    assert_ptr_equal(guard_find(before + PAGE + PAGE / 2 - 1), guard_find(before));
    assert_ptr_equal(guard_find(before + PAGE + PAGE / 2 + 1), guard_find(behind));
    assert_ptr_equal(guard_find(behind - 1), guard_find(behind));
    release(before);
    release(behind);
}

/* ---- the pool -------------------------------------------------------------------------------- */

static void test_so_many_blocks_are_live_at_most(void **state) {
    (void)state;
    void *blocks[GUARD_LIVE_MOST];
    for (size_t i = 0; i < GUARD_LIVE_MOST; i++) {
        blocks[i] = guard_alloc(16, i, i % 2 != 0);
        assert_non_null(blocks[i]);
        assert_int_equal(guard_live_bytes(), (i + 1) * PAGE);
    }
    assert_null(guard_alloc(16, 1, true));
    void *other = arenite_malloc(100); /* goes on without */
    assert_non_null(other);
    assert_false(guard_contains(other));
    arenite_free(other);
    expect_sound();
    for (size_t i = 0; i < GUARD_LIVE_MOST; i++) {
        release(blocks[i]);
    }
    assert_int_equal(guard_live_bytes(), 0);
}

/* Beside a steady crowd, so that places are short. */
static void test_a_freed_page_stays_away_for_so_many_frees(void **state) {
    (void)state;
    void *crowd[GUARD_LIVE_MOST - 1];
    for (size_t i = 0; i < GUARD_LIVE_MOST - 1; i++) {
        crowd[i] = guard_alloc(16, 1, false);
    }
    uint32_t last_free[GUARD_PLACES] = {0};
    for (uint32_t now = 1; now <= 5 * GUARD_PLACES; now++) {
        void *memory = guard_alloc(16, 32, false);
        assert_non_null(memory);
        uint32_t *last = &last_free[place_of(memory) - guard_pool.places];
        assert_true(*last == 0 || now - *last > GUARD_QUARANTINE);
        *last = now;
        release(memory);
    }
    for (size_t i = 0; i < GUARD_LIVE_MOST - 1; i++) {
        release(crowd[i]);
    }
    expect_sound();
}

static void test_one_of_two_frees_wins(void **state) {
    (void)state;
    void *memory = guard_alloc(16, 10, true);
    release(memory);
    assert_false(guard_free(memory));
    assert_int_equal(place_of(memory)->freer, os_thread_id());
}

/* ---- through the public functions ------------------------------------------------------------ */

/* How many of so many allocations were guarded. */
static size_t count_guarded(void *(*allocate)(size_t bytes), size_t bytes, size_t count) {
    size_t guarded = 0;
    for (size_t i = 0; i < count; i++) {
        void *memory = allocate(bytes);
        guarded += guard_contains(memory);
        arenite_free(memory);
    }
    return guarded;
}

static void *zeroed(size_t bytes) {
    unsigned char *memory = arenite_calloc(1, bytes);
    for (size_t i = 0; i < bytes; i++) {
        assert_int_equal(memory[i], 0);
    }
    memset(memory, 1, bytes);
    return memory;
}

static void *aligned(size_t bytes) {
    void *memory = arenite_memalign(64, bytes);
    assert_int_equal((uintptr_t)memory % 64, 0);
    return memory;
}

static void *resized(size_t bytes) {
    return arenite_realloc(arenite_malloc(5000), bytes);
}

static void draw_anew(uint32_t interval) {
    guard_interval = interval;
    sample_attach(thread_own);
    arenite_malloc_trim(0); /* what caches hold was counted for other intervals */
}

#define INTERVAL 40
#define ROUNDS 40000

/* The number is binomial: mean 1000, deviation 31. Eight of these are never reached by chance. */
static void expect_share(size_t guarded) {
    assert_in_range(guarded, ROUNDS / INTERVAL - 250, ROUNDS / INTERVAL + 250);
}

static void test_each_kind_gets_its_share(void **state) {
    (void)state;
    draw_anew(INTERVAL);
    expect_share(count_guarded(arenite_malloc, 64, ROUNDS));
    expect_share(count_guarded(arenite_malloc, 2000, ROUNDS));
    expect_share(count_guarded(zeroed, 48, ROUNDS));
    expect_share(count_guarded(aligned, 100, ROUNDS));
    expect_share(count_guarded(resized, 300, ROUNDS));
    assert_int_equal(count_guarded(arenite_malloc, PAGE + 1, 1000), 0);
    expect_sound();
}

/* Many short threads, each with few allocations, are sampled as often as one with many. */
static void *allocate_few(void *total) {
    size_t guarded = 0;
    for (size_t i = 0; i < 100; i++) {
        void *memory = arenite_malloc(16 * (i % 8) + 16);
        guarded += guard_contains(memory);
        arenite_free(memory);
    }
    *(size_t *)total += guarded;
    return NULL;
}

static void test_short_threads_get_their_share(void **state) {
    (void)state;
    size_t guarded = 0;
    draw_anew(INTERVAL);
    for (size_t i = 0; i < ROUNDS / 100; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, allocate_few, &guarded), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    expect_share(guarded);
}

static void test_every_block_is_guarded_by_one_in_one(void **state) {
    (void)state;
    draw_anew(1);
    assert_int_equal(count_guarded(arenite_malloc, 64, 2000), 2000);
    assert_int_equal(count_guarded(aligned, 100, 2000), 2000);
    assert_int_equal(count_guarded(zeroed, 200, 2000), 2000);
}

static void test_functions_know_the_request(void **state) {
    (void)state;
    draw_anew(1);
    char *memory = arenite_malloc(13);
    assert_int_equal(arenite_malloc_usable_size(memory), 13);
    memcpy(memory, "twelve bytes", 13);
    char *moved = arenite_realloc(memory, 40);
    assert_ptr_not_equal(moved, memory);
    assert_string_equal(moved, "twelve bytes");
    assert_int_equal(arenite_malloc_usable_size(moved), 40);
    size_t before = arenite_mallinfo2().hblks;
    arenite_free_sized(moved, 40);
    assert_int_equal(arenite_mallinfo2().hblks, before - 1);
    assert_int_equal(place_of(moved)->state, GUARD_FREED);
}

/* ---- beside others --------------------------------------------------------------------------- */

static void traffic_of(uint64_t seed, size_t steps) {
    struct traffic traffic;
    traffic_init(&traffic, 300, seed);
    traffic_run(&traffic, steps);
    traffic_check(&traffic);
    traffic_empty(&traffic);
    traffic_destroy(&traffic);
}

static void *run_traffic(void *seed) {
    traffic_of(*(const uint64_t *)seed, 10000);
    return NULL;
}

#define THREADS 3

static void test_threads_share_the_pool(void **state) {
    pthread_t threads[THREADS];
    uint64_t seeds[THREADS], seed = *(const uint64_t *)*state;
    draw_anew(3);
    for (size_t i = 0; i < THREADS; i++) {
        seeds[i] = seed + i;
        assert_int_equal(pthread_create(&threads[i], NULL, run_traffic, &seeds[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    expect_sound();
}

static void use_pool_in_child(void) {
    void *memory = guard_alloc(16, 10, true);
    CHILD_EXPECT(memory != NULL);
    CHILD_EXPECT(guard_free(memory));
    traffic_of(1, 2000);
    CHILD_EXPECT(arenite_audit() == NULL);
}

static void test_a_child_has_a_pool_of_its_own(void **state) {
    (void)state;
    draw_anew(2);
    char *memory = arenite_malloc(100);
    memset(memory, 7, 100);
    assert_child_passes(use_pool_in_child);
    assert_int_equal(memory[99], 7);
    arenite_free(memory);
    expect_sound();
}

int main(void) {
    setenv("ARENITE_OPTIONS", "sample_guards=1/1", 1);
    uint64_t seed = random_start("test_guard_threads").state;
    arenite_free(arenite_malloc(1));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_block_lies_at_an_end_of_its_page),
        cmocka_unit_test(test_every_byte_beside_a_block_is_looked_at),
        cmocka_unit_test(test_a_guard_page_belongs_to_the_nearer_block),
        cmocka_unit_test(test_so_many_blocks_are_live_at_most),
        cmocka_unit_test(test_a_freed_page_stays_away_for_so_many_frees),
        cmocka_unit_test(test_one_of_two_frees_wins),
        cmocka_unit_test(test_each_kind_gets_its_share),
        cmocka_unit_test(test_every_block_is_guarded_by_one_in_one),
        cmocka_unit_test(test_functions_know_the_request),
        cmocka_unit_test(test_a_child_has_a_pool_of_its_own),
        cmocka_unit_test(test_short_threads_get_their_share),
        cmocka_unit_test_prestate(test_threads_share_the_pool, &seed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
