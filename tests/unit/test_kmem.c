/* test_kmem.c - the modelled kernel's object caches: lists, geometry, formats, and an index whose
 * nodes come from one. ARENITE_TEST_STEPS sets how long the random traffic goes on. */
#include "model/kmem.h"
#include "model/vma_index.h"

#include "support.h"
#include "test_random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PAGES 8192
#define PROCESSORS 2
#define OBJECTS 20000

struct world {
    struct frames frames;
    struct kmem kmem;
    void *metadata;
    struct kmem_cache cache;
    void *objects[OBJECTS];
    size_t count;
    struct random_source random;
};

static struct world world;

static void world_init(const char *name, size_t object_bytes) {
    memset(&world, 0, sizeof world);
    world.metadata = calloc(1, frames_metadata_bytes(PAGES, PROCESSORS));
    assert_non_null(world.metadata);
    frames_init(&world.frames, PAGES, PROCESSORS, world.metadata);
    assert_int_equal(kmem_init(&world.kmem, &world.frames), 0);
    kmem_cache_init(&world.cache, &world.kmem, name, object_bytes);
}

static void world_audit(void) {
    const char *broken = kmem_cache_audit(&world.cache);
    broken = broken != NULL ? broken : frames_audit(&world.frames);
    if (broken != NULL) {
        fail_msg("%s", broken);
    }
}

static void world_destroy(void) {
    world_audit();
    assert_int_equal(world.cache.held, 0);
    kmem_cache_shrink(&world.cache);
    assert_int_equal(world.cache.slabs, 0);
    assert_int_equal(frames_free_pages(&world.frames), PAGES - 1);
    kmem_destroy(&world.kmem);
    free(world.metadata);
}

/* Fills an object with a pattern that its place in the array gives. */
static bool take(void) {
    void *object = object_take(&world.cache.source);
    if (object != NULL) {
        test_pattern_fill(object, world.cache.source.object_bytes, (uintptr_t)object);
        world.objects[world.count++] = object;
    }
    return object != NULL;
}

static void give(size_t which) {
    void *object = world.objects[which];
    world.objects[which] = world.objects[--world.count];
    assert_true(test_pattern_holds(object, world.cache.source.object_bytes, (uintptr_t)object));
    object_give(&world.cache.source, object);
}

static size_t length_of(const struct list *list) {
    size_t length = 0;
    for (const struct list_link *link = list->first; link != NULL; link = link->next) {
        length++;
    }
    return length;
}

/* As a running kernel with two processors shows them in slabinfo. */
static void test_geometry(void **state) {
    (void)state;
    static const struct {
        size_t bytes;
        unsigned objects;
        unsigned order;
    } seen[] = {{192, 21, 0},  {256, 16, 0}, {104, 39, 0}, {64, 64, 0},
                {1600, 20, 3}, {5888, 5, 3}, {312, 13, 0}, {416, 19, 1}};
    for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
        struct kmem_geometry geometry = kmem_geometry_of(seen[i].bytes, 2);
        assert_int_equal(geometry.objects, seen[i].objects);
        assert_int_equal(geometry.order, seen[i].order);
    }
}

static void traffic(size_t object_bytes) {
    world_init("traffic", object_bytes);
    world.random = random_start("traffic");
    size_t target = 0;
    for (size_t step = 0; step < random_steps(30000); step++) {
        world.kmem.processor = (unsigned)random_below(&world.random, PROCESSORS);
        target = step % 4096 == 0 ? random_below(&world.random, OBJECTS / 8) : target;
        bool filling = world.count < target;
        if (world.count == 0 || random_below(&world.random, 10) < (filling ? 8 : 3)) {
            assert_true(take());
        } else {
            give(random_below(&world.random, world.count));
        }
        if (step % 256 == 0) {
            world_audit();
        }
    }
    while (world.count > 0) {
        give(0);
    }
    assert_true(world.cache.empty_slabs <= KMEM_EMPTY_SLABS);
    world_destroy();
}

static void test_traffic_of_small_objects(void **state) {
    (void)state;
    traffic(64);
}

static void test_traffic_of_large_objects(void **state) {
    (void)state;
    traffic(1600);
}

/* A slab goes from empty over partial to full and back. */
static void test_slabs_change_lists(void **state) {
    (void)state;
    world_init("lists", 256);
    for (unsigned i = 0; i < 16; i++) {
        assert_true(take());
    }
    assert_int_equal(length_of(&world.cache.full), 1);
    assert_int_equal(length_of(&world.cache.partial), 0);
    assert_true(take());
    assert_int_equal(length_of(&world.cache.partial), 1);
    while (world.count > 0) {
        give(0);
    }
    assert_int_equal(kmem_cache_shrink(&world.cache), 2);
    assert_int_equal(length_of(&world.cache.full), 0);
    assert_int_equal(length_of(&world.cache.partial), 0);
    world_destroy();
}

/* Ordinary requests leave the reserve: the cache says no, and works again afterwards. */
static void test_no_frames(void **state) {
    (void)state;
    world_init("mm_struct", 1600);
    frames_set_min(&world.frames, PAGES - 200);
    while (take()) {
    }
    assert_true(world.count > 0);
    assert_true(frames_buddy_pages(&world.frames) >= PAGES - 200);
    world_audit();
    give(0);
    assert_true(take());
    while (world.count > 0) {
        give(0);
    }
    world_destroy();
}

static void test_formats(void **state) {
    (void)state;
    char text[4096];
    struct kmem_cache more;
    world_init("vm_area_struct", 192);
    kmem_cache_init(&more, &world.kmem, "maple_node", 256);
    for (unsigned i = 0; i < 30; i++) {
        take();
    }
    size_t length = kmem_slabinfo(&world.kmem, text, sizeof text);
    assert_int_equal(length, strlen(text));
    assert_string_equal(
        text, "slabinfo - version: 2.1\n"
              "# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : "
              "tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> "
              "<sharedavail>\n"
              "maple_node             0      0    256   16    1 : tunables   16    8    0 : "
              "slabdata      0      0      0\n"
              "vm_area_struct        32     42    192   21    1 : tunables   16    8    0 : "
              "slabdata      2      2      0\n");
    kmem_slabtop(&world.kmem, text, sizeof text);
    assert_string_equal(text, " Active / Total Objects (% used)    : 32 / 42 (76.2%)\n"
                              " Active / Total Slabs (% used)      : 2 / 2 (100.0%)\n"
                              " Active / Total Caches (% used)     : 1 / 2 (50.0%)\n"
                              " Active / Total Size (% used)       : 6.00K / 7.88K (76.2%)\n"
                              " Minimum / Average / Maximum Object : 0.19K / 0.19K / 0.25K\n\n"
                              "  OBJS ACTIVE  USE OBJ SIZE  SLABS OBJ/SLAB CACHE SIZE "
                              "NAME                   \n"
                              "    42     32  76%    0.19K      2       21         8K "
                              "vm_area_struct         \n"
                              "     0      0   0%    0.25K      0       16         0K "
                              "maple_node             \n");
    while (world.count > 0) {
        give(0);
    }
    world_destroy();
}

/* The index as the kernel has it: its nodes are objects of the cache maple_node. */
static void test_index_on_a_cache(void **state) {
    (void)state;
    world_init("maple_node", MAPLE_NODE_BYTES);
    struct vma_index index;
    vma_index_init_maple(&index, &world.cache.source);
    const size_t count = 5000;
    struct vma *vmas = calloc(count, sizeof *vmas);
    assert_non_null(vmas);
    vmas[0].end = count * MODEL_PAGE_BYTES;
    assert_int_equal(vma_index_insert(&index, &vmas[0]), 0);
    for (size_t i = 1; i < count; i++) {
        assert_int_equal(vma_index_split(&index, &vmas[i - 1], i * MODEL_PAGE_BYTES, &vmas[i]), 0);
    }
    assert_null(vma_index_audit(&index));
    assert_int_equal(world.cache.held * MAPLE_NODE_BYTES, vma_index_bytes(&index));
    world_audit();
    vma_index_destroy(&index);
    free(vmas);
    world_destroy();
}

static void test_audit_finds_damage(void **state) {
    (void)state;
    world_init("damage", 256);
    for (unsigned i = 0; i < 40; i++) {
        take();
    }
    world.cache.held++;
    assert_non_null(kmem_cache_audit(&world.cache));
    world.cache.held--;
    world.cache.slabs++;
    assert_non_null(kmem_cache_audit(&world.cache));
    world.cache.slabs--;
    struct list saved = world.cache.partial;
    world.cache.partial = world.cache.full;
    assert_non_null(kmem_cache_audit(&world.cache));
    world.cache.partial = saved;
    uint32_t frame = (uint32_t)(((char *)world.objects[0] - world.kmem.base) >> MODEL_PAGE_SHIFT);
    struct kmem_slab *slab = world.kmem.slabs[frame];
    world.kmem.slabs[frame] = NULL;
    assert_non_null(kmem_cache_audit(&world.cache));
    world.kmem.slabs[frame] = slab;
    while (world.count > 0) {
        give(0);
    }
    kmem_cache_audit(&world.cache);
    world_destroy();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_geometry),
        cmocka_unit_test(test_traffic_of_small_objects),
        cmocka_unit_test(test_traffic_of_large_objects),
        cmocka_unit_test(test_slabs_change_lists),
        cmocka_unit_test(test_no_frames),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_index_on_a_cache),
        cmocka_unit_test(test_audit_finds_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
