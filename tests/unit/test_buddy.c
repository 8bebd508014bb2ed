/* test_buddy.c - the buddy core against a bitmap of units, audited after every step.
 *
 * The model knows only which units are free. What the buddy must do follows from that: a block of
 * order k exists exactly when some aligned range of 2^k units is free, because free buddies are
 * always merged. */
#include "pages/buddy.h"

#include "test_random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define WORLD_MAX_UNITS 5000

struct world {
    struct buddy buddy;
    void *metadata;
    bool is_free[WORLD_MAX_UNITS];
};

static void world_init(struct world *world, uint32_t units) {
    memset(world, 0, sizeof *world);
    size_t bytes = buddy_metadata_bytes(units);
    world->metadata = malloc(bytes);
    assert_non_null(world->metadata);
    memset(world->metadata, 0xa5, bytes);
    buddy_init(&world->buddy, units, world->metadata);
}

static void world_destroy(struct world *world) {
    free(world->metadata);
}

static void mark(struct world *world, uint32_t first, uint32_t count, bool is_free) {
    for (uint32_t unit = first; unit < first + count; unit++) {
        assert_true(unit < world->buddy.units);
        assert_int_equal(world->is_free[unit], !is_free);
        world->is_free[unit] = is_free;
    }
}

static bool model_is_free(const struct world *world, uint32_t first, uint32_t count) {
    for (uint32_t unit = first; unit < first + count; unit++) {
        if (unit >= world->buddy.units || !world->is_free[unit]) {
            return false;
        }
    }
    return true;
}

static bool model_has_block(const struct world *world, unsigned order) {
    uint32_t step = (uint32_t)1 << order;
    for (uint32_t first = 0; first < world->buddy.units; first += step) {
        if (model_is_free(world, first, step)) {
            return true;
        }
    }
    return false;
}

/* Audits, and compares unit by unit. */
static void world_check(const struct world *world) {
    const char *broken = buddy_audit(&world->buddy);
    if (broken != NULL) {
        fail_msg("%s", broken);
    }
    uint32_t free_units = 0;
    for (uint32_t unit = 0; unit < world->buddy.units; unit++) {
        unsigned order = 0;
        bool found = buddy_find(&world->buddy, unit, &order) != BUDDY_NONE;
        assert_int_equal(found, world->is_free[unit]);
        free_units += world->is_free[unit];
    }
    assert_int_equal(free_units, world->buddy.free_units);
    int largest = -1;
    for (unsigned order = 0; order < BUDDY_ORDERS; order++) {
        largest = model_has_block(world, order) ? (int)order : largest;
    }
    assert_int_equal(largest, buddy_largest_order(&world->buddy));
}

static uint32_t checked_alloc(struct world *world, unsigned order) {
    bool possible = model_has_block(world, order);
    uint32_t unit = buddy_alloc(&world->buddy, order);
    assert_int_equal(unit != BUDDY_NONE, possible);
    if (unit != BUDDY_NONE) {
        assert_int_equal(unit % ((uint32_t)1 << order), 0);
        mark(world, unit, (uint32_t)1 << order, false);
    }
    return unit;
}

static void test_empty_has_nothing(void **state) {
    (void)state;
    struct world world;
    world_init(&world, 64);
    world_check(&world);
    for (unsigned order = 0; order < BUDDY_ORDERS; order++) {
        assert_int_equal(buddy_alloc(&world.buddy, order), BUDDY_NONE);
    }
    assert_false(buddy_claim(&world.buddy, 3, 1));
    assert_true(buddy_is_free(&world.buddy, 3, 0));
    assert_false(buddy_is_free(&world.buddy, 64, 1));
    world_destroy(&world);
}

/* The picture of the header: 8 units, split down to 0 and merged back. */
static void test_split_and_merge(void **state) {
    (void)state;
    struct world world;
    world_init(&world, 8);
    buddy_add(&world.buddy, 0, 8);
    mark(&world, 0, 8, true);
    world_check(&world);
    assert_int_equal(checked_alloc(&world, 0), 0);
    assert_int_equal(world.buddy.orders, 0x7); /* 1, 2-3 and 4-7 are left */
    assert_int_equal(checked_alloc(&world, 1), 2);
    assert_int_equal(checked_alloc(&world, 0), 1);
    world_check(&world);
    buddy_free(&world.buddy, 0, 0);
    buddy_free(&world.buddy, 1, 0);
    buddy_free(&world.buddy, 2, 1);
    mark(&world, 0, 4, true);
    world_check(&world);
    assert_int_equal(world.buddy.orders, 0x8);
    world_destroy(&world);
}

static void test_last_freed_is_first_taken(void **state) {
    (void)state;
    struct world world;
    world_init(&world, 16);
    buddy_add(&world.buddy, 0, 16);
    for (unsigned i = 0; i < 16; i++) {
        assert_int_not_equal(buddy_alloc(&world.buddy, 0), BUDDY_NONE);
    }
    buddy_free(&world.buddy, 10, 0);
    buddy_free(&world.buddy, 4, 0);
    assert_int_equal(buddy_alloc(&world.buddy, 0), 4);
    assert_int_equal(buddy_alloc(&world.buddy, 0), 10);
    world_destroy(&world);
}

/* A range that grows upward step by step, as a heap commits it, merges across the steps. */
static void test_added_ranges_merge(void **state) {
    (void)state;
    struct world world;
    world_init(&world, 1024);
    for (uint32_t first = 0; first < 1024; first += 16) {
        buddy_add(&world.buddy, first, 16);
        mark(&world, first, 16, true);
        world_check(&world);
    }
    assert_int_equal(buddy_alloc(&world.buddy, BUDDY_MAX_ORDER), 0);
    world_destroy(&world);
}

/* Units pass from one buddy to another: free ones at once, others when they come back. */
static void test_units_pass_to_another_buddy(void **state) {
    (void)state;
    struct world from;
    struct world to;
    world_init(&from, 64);
    world_init(&to, 64);
    buddy_add(&from.buddy, 0, 64);
    mark(&from, 0, 64, true);
    assert_int_equal(checked_alloc(&from, 0), 0);
    uint32_t kept = checked_alloc(&from, 3);
    assert_int_equal(kept, 8);
    buddy_pass(&from.buddy, &to.buddy, 0, 32);
    mark(&from, 1, 7, false);
    mark(&from, 16, 16, false);
    mark(&to, 1, 7, true);
    mark(&to, 16, 16, true);
    world_check(&from);
    world_check(&to);
    assert_int_equal(from.buddy.added_units, 32);
    assert_int_equal(to.buddy.added_units, 32);
    buddy_free(&to.buddy, kept, 3);
    mark(&to, kept, 8, true);
    buddy_free(&to.buddy, 0, 0);
    mark(&to, 0, 1, true);
    world_check(&to);
    assert_int_equal(to.buddy.blocks[5], 1);
    world_destroy(&from);
    world_destroy(&to);
}

static void test_largest_blocks_do_not_merge(void **state) {
    (void)state;
    struct world world;
    world_init(&world, 4096 + 100);
    buddy_add(&world.buddy, 0, 4096 + 100);
    mark(&world, 0, 4096 + 100, true);
    world_check(&world);
    assert_int_equal(world.buddy.blocks[BUDDY_MAX_ORDER], 4);
    assert_int_equal(buddy_alloc_count(&world.buddy, BUDDY_MAX_BLOCK_UNITS + 1), BUDDY_NONE);
    world_destroy(&world);
}

static void test_every_count_gives_its_tail_back(void **state) {
    (void)state;
    struct world world;
    for (uint32_t count = 1; count <= 70; count++) {
        world_init(&world, 128);
        buddy_add(&world.buddy, 0, 128);
        mark(&world, 0, 128, true);
        uint32_t unit = buddy_alloc_count(&world.buddy, count);
        assert_int_not_equal(unit, BUDDY_NONE);
        mark(&world, unit, count, false);
        world_check(&world);
        buddy_free_range(&world.buddy, unit, count);
        mark(&world, unit, count, true);
        world_check(&world);
        assert_int_equal(world.buddy.blocks[7], 1);
        world_destroy(&world);
    }
}

static void test_every_claim_of_a_small_world(void **state) {
    (void)state;
    struct world world;
    for (uint32_t first = 0; first < 24; first++) {
        for (uint32_t count = 1; count <= 24 - first; count++) {
            world_init(&world, 24);
            buddy_add(&world.buddy, 0, 24);
            mark(&world, 0, 24, true);
            assert_true(buddy_claim(&world.buddy, first, count));
            mark(&world, first, count, false);
            world_check(&world);
            assert_false(buddy_claim(&world.buddy, first, 1));
            assert_false(buddy_claim(&world.buddy, first > 0 ? first - 1 : 0, count + 1));
            world_check(&world);
            buddy_free_range(&world.buddy, first, count);
            mark(&world, first, count, true);
            world_check(&world);
            world_destroy(&world);
        }
    }
}

/* ---- small worlds exhausted: every sequence of allocations, then every order of frees -------- */

struct script {
    struct world world;
    uint32_t units[16];
    unsigned orders[16];
    size_t blocks;
    size_t ends; /* complete sequences seen */
};

/* Frees the blocks that are left in every possible order; when none is left all is one block. */
static void free_in_every_order(struct script *script, unsigned remaining) {
    if (remaining == 0) {
        assert_int_equal(script->world.buddy.free_units, script->world.buddy.units);
        script->ends++;
        return;
    }
    for (size_t i = 0; i < script->blocks; i++) {
        if ((remaining >> i & 1) == 0) {
            continue;
        }
        struct world *world = &script->world;
        struct buddy saved = world->buddy;
        unsigned char metadata[2048];
        size_t bytes = buddy_metadata_bytes(saved.units);
        assert_true(bytes <= sizeof metadata);
        memcpy(metadata, world->metadata, bytes);
        buddy_free(&world->buddy, script->units[i], script->orders[i]);
        mark(world, script->units[i], (uint32_t)1 << script->orders[i], true);
        world_check(world);
        free_in_every_order(script, remaining & ~(1u << i));
        mark(world, script->units[i], (uint32_t)1 << script->orders[i], false);
        memcpy(world->metadata, metadata, bytes);
        world->buddy = saved;
    }
}

/* Allocates every sequence of orders that fits; where none fits any more, frees. */
static void alloc_every_sequence(struct script *script, unsigned levels, unsigned blocks_max) {
    struct world *world = &script->world;
    bool fitted = false;
    for (unsigned order = 0; order < levels && script->blocks < blocks_max; order++) {
        uint32_t unit = checked_alloc(world, order);
        if (unit == BUDDY_NONE) {
            continue;
        }
        fitted = true;
        script->units[script->blocks] = unit;
        script->orders[script->blocks++] = order;
        world_check(world);
        alloc_every_sequence(script, levels, blocks_max);
        script->blocks--;
        buddy_free(&world->buddy, unit, order);
        mark(world, unit, (uint32_t)1 << order, true);
    }
    if (!fitted) {
        free_in_every_order(script, (1u << script->blocks) - 1);
    }
}

static void exhaust(unsigned levels, unsigned blocks_max) {
    struct script *script = calloc(1, sizeof *script);
    assert_non_null(script);
    uint32_t units = (uint32_t)1 << (levels - 1);
    world_init(&script->world, units);
    buddy_add(&script->world.buddy, 0, units);
    mark(&script->world, 0, units, true);
    alloc_every_sequence(script, levels, blocks_max);
    assert_true(script->ends > 0);
    printf("%u units, up to %u blocks: %zu sequences\n", units, blocks_max, script->ends);
    world_destroy(&script->world);
    free(script);
}

static void test_small_worlds_exhausted(void **state) {
    (void)state;
    exhaust(1, 1);
    exhaust(2, 2);
    exhaust(3, 4);
    exhaust(4, 8);
}

/* ---- random traffic -------------------------------------------------------------------------- */

struct range {
    uint32_t first, count;
};

struct traffic {
    struct world world;
    struct random_source random;
    struct range held[WORLD_MAX_UNITS];
    size_t held_count;
    uint32_t added;
};

static void hold(struct traffic *traffic, uint32_t first, uint32_t count) {
    traffic->held[traffic->held_count++] = (struct range){first, count};
}

static void step_add(struct traffic *traffic) {
    uint32_t left = traffic->world.buddy.units - traffic->added;
    if (left == 0) {
        return;
    }
    uint32_t count = 1 + (uint32_t)random_below(&traffic->random, left < 300 ? left : 300);
    buddy_add(&traffic->world.buddy, traffic->added, count);
    mark(&traffic->world, traffic->added, count, true);
    traffic->added += count;
}

static void step_alloc(struct traffic *traffic) {
    unsigned order = (unsigned)random_below(&traffic->random, BUDDY_ORDERS);
    uint32_t unit = checked_alloc(&traffic->world, order);
    if (unit != BUDDY_NONE) {
        hold(traffic, unit, (uint32_t)1 << order);
    }
}

static void step_alloc_count(struct traffic *traffic) {
    uint32_t count = 1 + (uint32_t)(random_magnitude(&traffic->random) % BUDDY_MAX_BLOCK_UNITS);
    unsigned order = 0;
    while ((uint32_t)1 << order < count) {
        order++;
    }
    bool possible = model_has_block(&traffic->world, order);
    uint32_t unit = buddy_alloc_count(&traffic->world.buddy, count);
    assert_int_equal(unit != BUDDY_NONE, possible);
    if (unit != BUDDY_NONE) {
        mark(&traffic->world, unit, count, false);
        hold(traffic, unit, count);
    }
}

static void step_claim(struct traffic *traffic) {
    uint32_t units = traffic->world.buddy.units;
    uint32_t first = (uint32_t)random_below(&traffic->random, units);
    uint32_t count = 1 + (uint32_t)random_below(&traffic->random, 40);
    bool possible = model_is_free(&traffic->world, first, count);
    assert_int_equal(buddy_is_free(&traffic->world.buddy, first, count), possible);
    assert_int_equal(buddy_claim(&traffic->world.buddy, first, count), possible);
    if (possible) {
        mark(&traffic->world, first, count, false);
        hold(traffic, first, count);
    }
}

/* Frees a held range whole, or one part of it: what is handed out may come back in pieces. */
static void step_free(struct traffic *traffic) {
    if (traffic->held_count == 0) {
        return;
    }
    size_t index = random_below(&traffic->random, traffic->held_count);
    struct range range = traffic->held[index];
    traffic->held[index] = traffic->held[--traffic->held_count];
    uint32_t count = range.count;
    if (random_below(&traffic->random, 2) == 0) {
        count = 1 + (uint32_t)random_below(&traffic->random, count);
    }
    buddy_free_range(&traffic->world.buddy, range.first, count);
    mark(&traffic->world, range.first, count, true);
    if (count < range.count) {
        hold(traffic, range.first + count, range.count - count);
    }
}

static void run_traffic(struct traffic *traffic, uint32_t units, size_t steps) {
    static void (*const step[])(struct traffic *) = {step_add,   step_alloc, step_alloc_count,
                                                     step_claim, step_free,  step_free};
    world_init(&traffic->world, units);
    traffic->held_count = 0;
    traffic->added = 0;
    for (size_t i = 0; i < steps; i++) {
        step[random_below(&traffic->random, sizeof step / sizeof step[0])](traffic);
        world_check(&traffic->world);
    }
    while (traffic->held_count > 0) {
        step_free(traffic);
    }
    world_check(&traffic->world);
    assert_int_equal(traffic->world.buddy.free_units, traffic->added);
    world_destroy(&traffic->world);
}

static void test_random_traffic(void **state) {
    (void)state;
    static struct traffic traffic;
    traffic.random = random_start("buddy traffic");
    size_t steps = random_steps(400);
    for (unsigned round = 0; round < 12; round++) {
        uint32_t units = 1 + (uint32_t)(random_magnitude(&traffic.random) % WORLD_MAX_UNITS);
        run_traffic(&traffic, units, steps);
    }
    run_traffic(&traffic, 1024, steps);
}

/* ---- the audit itself ------------------------------------------------------------------------ */

static void expect_broken(struct buddy *buddy, const char *part) {
    const char *broken = buddy_audit(buddy);
    assert_non_null(broken);
    assert_non_null(strstr(broken, part));
}

static void test_audit_names_what_is_broken(void **state) {
    (void)state;
    struct world world;
    world_init(&world, 16);
    buddy_add(&world.buddy, 0, 16);
    uint32_t unit = buddy_alloc(&world.buddy, 2);
    assert_int_equal(unit, 0);
    struct buddy good = world.buddy;
    world.buddy.free_units++;
    expect_broken(&world.buddy, "sum");
    world.buddy = good;
    world.buddy.blocks[2]++;
    expect_broken(&world.buddy, "shorter");
    world.buddy = good;
    world.buddy.orders ^= 1;
    expect_broken(&world.buddy, "mask");
    world.buddy = good;
    world.buddy.order_of[5] = 1;
    expect_broken(&world.buddy, "overlap");
    world.buddy.order_of[5] = 0;
    world.buddy.order_of[0] = 3;
    expect_broken(&world.buddy, "merged");
    world.buddy.order_of[0] = 0;
    assert_null(buddy_audit(&world.buddy));
    world_destroy(&world);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_has_nothing),
        cmocka_unit_test(test_split_and_merge),
        cmocka_unit_test(test_last_freed_is_first_taken),
        cmocka_unit_test(test_added_ranges_merge),
        cmocka_unit_test(test_units_pass_to_another_buddy),
        cmocka_unit_test(test_largest_blocks_do_not_merge),
        cmocka_unit_test(test_every_count_gives_its_tail_back),
        cmocka_unit_test(test_every_claim_of_a_small_world),
        cmocka_unit_test(test_small_worlds_exhausted),
        cmocka_unit_test(test_random_traffic),
        cmocka_unit_test(test_audit_names_what_is_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
