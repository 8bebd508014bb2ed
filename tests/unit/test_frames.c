/* test_frames.c - the modelled machine's page frames: random traffic with audits, watermarks,
 * fallback between types, and the kernel's formats. ARENITE_TEST_STEPS sets how long it goes on. */
#include "model/frames.h"

#include "test_random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PAGES 20000
#define PROCESSORS 2

struct world {
    struct frames frames;
    void *metadata;
    uint8_t taken[PAGES]; /* 1 + order at the first frame of what was taken, 0xff behind it */
    uint32_t blocks[PAGES];
    size_t count;
    struct random_source random;
};

static struct world world;

static void world_init(uint32_t pages) {
    memset(&world, 0, sizeof world);
    world.metadata = calloc(1, frames_metadata_bytes(pages, PROCESSORS));
    assert_non_null(world.metadata);
    frames_init(&world.frames, pages, PROCESSORS, world.metadata);
}

static void world_audit(void) {
    const char *broken = frames_audit(&world.frames);
    if (broken != NULL) {
        fail_msg("%s", broken);
    }
}

static void world_destroy(void) {
    world_audit();
    free(world.metadata);
}

/* Takes, and checks that nobody else has it; false when there was none. */
static bool take(unsigned processor, unsigned order, enum frame_type type,
                 enum frame_urgency urgency) {
    struct pfn frame = frames_take(&world.frames, processor, order, type, urgency);
    if (frame.number == 0) {
        return false;
    }
    assert_int_equal(frame.number % (1U << order), 0);
    assert_true(frame.number + (1U << order) <= world.frames.pages);
    for (uint32_t i = 0; i < 1U << order; i++) {
        assert_int_equal(world.taken[frame.number + i], 0);
        world.taken[frame.number + i] = 0xff;
    }
    world.taken[frame.number] = (uint8_t)(1 + order);
    world.blocks[world.count++] = (uint32_t)frame.number;
    return true;
}

static void give(unsigned processor, size_t which) {
    uint32_t frame = world.blocks[which];
    unsigned order = world.taken[frame] - 1U;
    world.blocks[which] = world.blocks[--world.count];
    memset(world.taken + frame, 0, (size_t)1 << order);
    frames_give(&world.frames, processor, (struct pfn){frame}, order);
}

static unsigned random_order(void) {
    size_t choice = random_below(&world.random, 20);
    return choice < 12 ? 0
                       : (choice < 18 ? (unsigned)random_below(&world.random, 5)
                                      : (unsigned)random_below(&world.random, BUDDY_ORDERS));
}

static uint64_t taken_pages(void) {
    uint64_t pages = 0;
    for (size_t i = 0; i < world.count; i++) {
        pages += (uint64_t)1 << (world.taken[world.blocks[i]] - 1);
    }
    return pages;
}

static void test_random_traffic(void **state) {
    (void)state;
    world_init(PAGES);
    world.random = random_start("random traffic");
    bool filling = true;
    for (size_t step = 0; step < random_steps(60000); step++) {
        unsigned processor = (unsigned)random_below(&world.random, PROCESSORS);
        if (random_below(&world.random, 10) < (filling ? 6 : 4) || world.count == 0) {
            enum frame_type type = (enum frame_type)random_below(&world.random, FRAME_TYPES);
            enum frame_urgency urgency = (enum frame_urgency)random_below(&world.random, 3);
            bool got = take(processor, random_order(), type, urgency);
            filling = filling && (got || random_below(&world.random, 50) > 0);
        } else {
            give(processor, random_below(&world.random, world.count));
            filling = filling || world.count < 10;
        }
        if (step % 512 == 0) {
            world_audit();
            assert_int_equal(frames_free_pages(&world.frames) + taken_pages(), PAGES - 1);
        }
    }
    assert_true(world.frames.fallbacks > 0);
    assert_true(world.frames.conversions > 0);
    while (world.count > 0) {
        give(0, world.count - 1);
    }
    frames_drain(&world.frames);
    assert_int_equal(world.frames.listed_pages, 0);
    assert_int_equal(frames_buddy_pages(&world.frames), PAGES - 1);
    world_destroy();
}

static void test_watermarks_hold(void **state) {
    (void)state;
    world_init(8192);
    frames_set_min(&world.frames, 1000);
    assert_int_equal(world.frames.marks.low_pages, 1250);
    assert_int_equal(world.frames.marks.high_pages, 1500);
    assert_int_equal(world.frames.marks.promo_pages, 1750);
    assert_true(frames_are_high(&world.frames));
    while (take(0, 0, FRAME_MOVABLE, FRAME_ORDINARY)) {
    }
    assert_int_equal(frames_buddy_pages(&world.frames), 1000);
    assert_true(frames_are_low(&world.frames));
    while (take(0, 0, FRAME_MOVABLE, FRAME_URGENT)) {
    }
    assert_int_equal(frames_buddy_pages(&world.frames), 500);
    while (take(0, 0, FRAME_UNMOVABLE, FRAME_NO_LIMIT)) {
    }
    assert_int_equal(frames_buddy_pages(&world.frames), 0);
    assert_int_equal(world.count, 8191);
    world_destroy();
}

/* The figures of a 12 GiB machine: the root of 16 times its KiB. */
static void test_default_watermark(void **state) {
    (void)state;
    uint32_t pages = 12U << (30 - MODEL_PAGE_SHIFT);
    void *metadata = calloc(1, frames_metadata_bytes(pages, 1));
    assert_non_null(metadata);
    frames_init(&world.frames, pages, 1, metadata);
    assert_int_equal(world.frames.marks.min_pages, 14188 / 4);
    free(metadata);
}

/* One request fills a processor's list by a batch; the other processor's stays empty. */
static void test_lists_work_in_batches(void **state) {
    (void)state;
    world_init(PAGES);
    take(1, 0, FRAME_MOVABLE, FRAME_ORDINARY);
    assert_int_equal(world.frames.listed_pages, FRAME_LIST_BATCH_PAGES - 1);
    assert_int_equal(frames_buddy_pages(&world.frames), PAGES - 1 - FRAME_LIST_BATCH_PAGES);
    assert_int_equal(world.frames.on_processor[0].lists[FRAME_MOVABLE].count, 0);
    assert_int_equal(world.frames.on_processor[1].lists[FRAME_MOVABLE].count,
                     FRAME_LIST_BATCH_PAGES - 1);
    give(1, 0);
    assert_int_equal(world.frames.listed_pages, FRAME_LIST_BATCH_PAGES);
    for (size_t i = 0; i < 2 * FRAME_LIST_SLOTS; i++) {
        take(1, 0, FRAME_MOVABLE, FRAME_ORDINARY);
    }
    while (world.count > 0) {
        give(1, 0);
    }
    assert_true(world.frames.listed_pages <= FRAME_LIST_SLOTS);
    world_destroy();
}

/* After boot all is movable: kernel objects make one block theirs, and stay in it. */
static void test_unmovable_frames_keep_together(void **state) {
    (void)state;
    world_init(PAGES);
    for (size_t i = 0; i < 900; i++) {
        take(0, 0, FRAME_UNMOVABLE, FRAME_ORDINARY);
        take(0, 0, FRAME_MOVABLE, FRAME_ORDINARY);
    }
    size_t unmovable = 0;
    for (size_t block = 0; block < PAGES / FRAME_BLOCK_PAGES; block++) {
        unmovable += world.frames.block_types[block] == FRAME_UNMOVABLE;
    }
    assert_int_equal(unmovable, 2);
    for (size_t i = 0; i < world.count; i++) {
        unsigned type = world.frames.block_types[world.blocks[i] / FRAME_BLOCK_PAGES];
        assert_int_equal(type, i % 2 == 0 ? FRAME_UNMOVABLE : FRAME_MOVABLE);
    }
    world_destroy();
}

/* A request of any order is served from what another type has, and the blocks become its own. */
static void test_fallback_serves_every_order(void **state) {
    (void)state;
    for (unsigned order = 0; order < BUDDY_ORDERS; order++) {
        world_init(PAGES);
        assert_true(take(0, order, FRAME_RECLAIMABLE, FRAME_ORDINARY));
        uint32_t block = world.blocks[0] / FRAME_BLOCK_PAGES;
        assert_int_equal(world.frames.block_types[block], FRAME_RECLAIMABLE);
        assert_int_equal(world.frames.block_types[block ^ 1], FRAME_RECLAIMABLE);
        world_destroy();
    }
}

static void test_formats(void **state) {
    (void)state;
    char text[4096];
    world_init(4096);
    size_t length = frames_buddyinfo(&world.frames, text, sizeof text);
    assert_string_equal(text, "Node 0, zone   Normal      1      1      1      1      1      1 "
                              "     1      1      1      1      3 \n");
    assert_int_equal(length, strlen(text));
    assert_int_equal(frames_buddyinfo(&world.frames, text, 10), length);
    assert_string_equal(text, "Node 0, z");
    assert_int_equal(frames_buddyinfo(&world.frames, NULL, 0), length);
    frames_pagetypeinfo(&world.frames, text, sizeof text);
    assert_non_null(strstr(
        text, "Free pages count per migrate type at order       0      1      2      3      4 "
              "     5      6      7      8      9     10 \n"
              "Node    0, zone   Normal, type    Unmovable      0      0      0      0 "));
    assert_non_null(strstr(text, "Number of blocks type     Unmovable      Movable  Reclaimable "
                                 "  HighAtomic      Isolate \n"
                                 "Node 0, zone   Normal            0            8 "));
    world_destroy();
}

static void test_audit_finds_damage(void **state) {
    (void)state;
    world_init(PAGES);
    for (size_t i = 0; i < 100; i++) {
        take(0, 0, FRAME_UNMOVABLE, FRAME_ORDINARY);
    }
    give(0, 50);
    world_audit();
    struct frame_list *list = &world.frames.on_processor[0].lists[FRAME_UNMOVABLE];
    world.frames.listed_pages++;
    assert_non_null(frames_audit(&world.frames));
    world.frames.listed_pages--;
    uint32_t saved = list->first[0];
    list->first[0] = list->first[1];
    assert_non_null(frames_audit(&world.frames));
    list->first[0] = 0;
    assert_non_null(frames_audit(&world.frames));
    list->first[0] = PAGES - 1;
    assert_non_null(frames_audit(&world.frames));
    list->first[0] = saved;
    world.frames.block_types[30] = FRAME_RECLAIMABLE;
    assert_non_null(frames_audit(&world.frames));
    world.frames.block_types[30] = FRAME_TYPES;
    assert_non_null(frames_audit(&world.frames));
    world.frames.block_types[30] = FRAME_MOVABLE;
    world.frames.buddies[FRAME_RECLAIMABLE].added_units++;
    assert_non_null(frames_audit(&world.frames));
    world.frames.buddies[FRAME_RECLAIMABLE].added_units--;
    world_destroy();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_traffic),
        cmocka_unit_test(test_watermarks_hold),
        cmocka_unit_test(test_default_watermark),
        cmocka_unit_test(test_lists_work_in_batches),
        cmocka_unit_test(test_unmovable_frames_keep_together),
        cmocka_unit_test(test_fallback_serves_every_order),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_audit_finds_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
