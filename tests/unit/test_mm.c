/* test_mm.c - modelled processes on a machine with little memory, under both indexes: random calls
 * and touches with audits of the mm, the frames and the slabs; everything is given back at the end.
 * What each call must do is compared with the running kernel by `arenite model check`; here it is
 * what a running kernel cannot show, and what happens when frames run out: swap, and killing.
 * ARENITE_TEST_STEPS sets how many operations each life has. */
#include "model/file.h"
#include "model/host.h"
#include "model/mm.h"

#include "test_random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define WINDOW ((vaddr)1 << 40)
#define WINDOW_PAGES 512
#define FILE_PAGES 64

struct world {
    struct machine machine;
    struct mm mms[2]; /* a process and, at times, its child */
    bool has_child;
    struct model_file *file; /* that some mappings are of */
    struct random_source random;
    size_t refused;
    size_t touched;
    size_t killed; /* processes that the OOM killer took */
};

static struct world world;

static const struct mm_layout layout = {
    .task_end = (vaddr)1 << 47,
    .mmap_base = ((vaddr)1 << 47) - ((vaddr)1 << 30),
    .mmap_low = (vaddr)1 << 16,
    .start_break = (vaddr)1 << 32,
    .stack_top = ((vaddr)1 << 47) - ((vaddr)1 << 29),
};

static void world_init_with_swap(enum index_kind kind, uint64_t pages, uint64_t swap_pages) {
    static const struct model_chunks chunks = {host_map, host_unmap};
    struct personality personality = personality_default(pages);
    personality.swap_pages = swap_pages;
    memset(&world, 0, sizeof world);
    assert_int_equal(machine_init(&world.machine, &personality, kind, pages, &chunks), 0);
    assert_int_equal(mm_init(&world.mms[0], &world.machine, &layout), 0);
    world.file = file_new(&world.machine, FILE_PAGES, false);
    assert_non_null(world.file);
}

static void world_init(enum index_kind kind, uint64_t pages) {
    world_init_with_swap(kind, pages, 0);
}

static void expect_sound(const char *broken) {
    if (broken != NULL) {
        fail_msg("%s", broken);
    }
}

static void world_audit(void) {
    expect_sound(mm_audit(&world.mms[0]));
    expect_sound(world.has_child ? mm_audit(&world.mms[1]) : NULL);
    expect_sound(kmem_cache_audit(&world.machine.vma_cache));
    expect_sound(kmem_cache_audit(&world.machine.node_cache));
    expect_sound(machine_audit(&world.machine));
    size_t vmas = vma_index_count(&world.mms[0].index);
    vmas += world.has_child ? vma_index_count(&world.mms[1].index) : 0;
    assert_int_equal(world.machine.vma_cache.held, vmas);
}

static void end_child(void) {
    mm_destroy(&world.mms[1]);
    world.has_child = false;
}

/* No frame may be lost, and no object. */
static void world_destroy(void) {
    world_audit();
    if (world.has_child) {
        end_child();
    }
    mm_destroy(&world.mms[0]);
    file_release(&world.machine, world.file);
    assert_int_equal(world.machine.vma_cache.held, 0);
    assert_int_equal(world.machine.node_cache.held, 0);
    assert_int_equal(world.machine.ram.swap.used, 0);
    kmem_cache_shrink(&world.machine.vma_cache);
    kmem_cache_shrink(&world.machine.node_cache);
    assert_int_equal(frames_free_pages(&world.machine.frames), world.machine.frames.pages - 1);
    machine_destroy(&world.machine);
}

/* ---- random operations --------------------------------------------------------------------- */

struct range {
    vaddr start;
    uint64_t length;
};

static struct range random_range(void) {
    size_t first = random_below(&world.random, WINDOW_PAGES);
    size_t pages = 1 + random_below(&world.random, 40);
    pages = first + pages > WINDOW_PAGES ? WINDOW_PAGES - first : pages;
    return (struct range){WINDOW + first * MODEL_PAGE_BYTES, pages * MODEL_PAGE_BYTES};
}

static uint64_t random_access(void) {
    return random_below(&world.random, 3) == 0 ? VMF_READ : VMF_READ | VMF_WRITE;
}

static void note(int status) {
    assert_true(status == 0 || status == -ENOMEM);
    world.refused += status == -ENOMEM;
}

static void map(struct mm *mm) {
    struct range range = random_range();
    struct map_request request = {
        .address = range.start,
        .length = range.length,
        .access = random_access(),
        .flags = random_below(&world.random, 4) > 0 ? MAP_REQUEST_FIXED : 0,
    };
    if (random_below(&world.random, 6) == 0) {
        request.file = world.file;
        request.file_page = random_below(&world.random, FILE_PAGES / 2);
    } else if (random_below(&world.random, 6) == 0) {
        request.flags |= MAP_REQUEST_SHARED;
    }
    vaddr place = 0;
    int status = mm_map(mm, &request, &place);
    note(status);
    if (status == 0 && (place < WINDOW || place >= WINDOW + WINDOW_PAGES * MODEL_PAGE_BYTES)) {
        note(mm_unmap(mm, place, range.length));
    }
}

static void touch(struct mm *mm) {
    struct range range = random_range();
    bool write = random_below(&world.random, 3) > 0;
    for (uint64_t offset = 0; offset < range.length; offset += MODEL_PAGE_BYTES) {
        enum fault_signal signal = mm_access(mm, range.start + offset, write);
        /* Beyond the end of the file, FAULT_BUS. */
        world.touched += signal == FAULT_NO_SIGNAL;
    }
}

static void change(struct mm *mm) {
    static const enum advice advices[] = {ADVICE_DONTNEED,   ADVICE_FREE,     ADVICE_HUGEPAGE,
                                          ADVICE_NOHUGEPAGE, ADVICE_DONTFORK, ADVICE_DOFORK,
                                          ADVICE_PAGEOUT,    ADVICE_COLD,     ADVICE_COLLAPSE};
    struct range range = random_range();
    size_t advice = random_below(&world.random, sizeof advices / sizeof advices[0]);
    switch (random_below(&world.random, 3)) {
    case 0:
        note(mm_unmap(mm, range.start, range.length));
        break;
    case 1:
        /* -ENOMEM: also a range with holes. */
        mm_protect(mm, range.start, range.length, random_access());
        break;
    default:
        mm_advise(mm, range.start, range.length, advices[advice]);
    }
}

static void fork_or_end(void) {
    if (world.has_child) {
        end_child();
        return;
    }
    int status = mm_fork(&world.mms[0], &world.mms[1]);
    note(status);
    world.has_child = status == 0;
}

/* Somebody else takes the place of a process that was killed. */
static void replace_killed(void) {
    if (world.has_child && world.mms[1].killed) {
        end_child();
        world.killed++;
    }
    if (world.mms[0].killed) {
        mm_destroy(&world.mms[0]);
        assert_int_equal(mm_init(&world.mms[0], &world.machine, &layout), 0);
        world.killed++;
    }
}

static void live_step(void) {
    struct mm *mm = &world.mms[world.has_child ? random_below(&world.random, 2) : 0];
    size_t choice = random_below(&world.random, 40);
    if (choice < 12) {
        map(mm);
    } else if (choice < 26) {
        touch(mm);
    } else if (choice < 39) {
        change(mm);
    } else {
        fork_or_end();
    }
}

static void live(const char *name) {
    world.random = random_start(name);
    for (size_t step = 0; step < random_steps(4000); step++) {
        live_step();
        replace_killed();
        if (step % 16 == 0) {
            world_audit();
        }
    }
}

static void test_enough_memory(void **state) {
    world_init(*(enum index_kind *)*state, 8192);
    live("enough memory");
    assert_int_equal(world.refused, 0);
    assert_int_equal(world.killed, 0);
    world_destroy();
}

static void test_little_memory(void **state) {
    world_init(*(enum index_kind *)*state, 200);
    live("little memory");
    assert_true(world.killed > 0);
    assert_int_equal(world.machine.last_kill.kills, world.killed);
    world_destroy();
}

/* Neither process ever needs more than there is, in memory and swap together. */
static void test_enough_swap(void **state) {
    world_init_with_swap(*(enum index_kind *)*state, 400, 4 * WINDOW_PAGES);
    live("enough swap");
    assert_int_equal(world.killed, 0);
    assert_true(world.machine.ram.swap.pages_out > 0 && world.machine.ram.swap.pages_in > 0);
    world_destroy();
}

static void test_little_swap(void **state) {
    world_init_with_swap(*(enum index_kind *)*state, 200, 40);
    live("little swap");
    assert_true(world.killed > 0);
    world_destroy();
}

/* ---- whom the OOM killer takes ------------------------------------------------------------- */

static vaddr map_and_write(struct mm *mm, uint64_t pages) {
    const struct map_request request = {.address = WINDOW,
                                        .length = pages * MODEL_PAGE_BYTES,
                                        .access = VMF_READ | VMF_WRITE,
                                        .flags = MAP_REQUEST_FIXED};
    vaddr place = 0;
    assert_int_equal(mm_map(mm, &request, &place), 0);
    for (uint64_t page = 0; page < pages; page++) {
        if (mm_access(mm, place + page * MODEL_PAGE_BYTES, true) != FAULT_NO_SIGNAL) {
            break;
        }
    }
    return place;
}

/* Points are pages, with tables and swap, and thousandths of memory and swap by oom_score_adj. */
static void test_badness(void **state) {
    world_init_with_swap(*(enum index_kind *)*state, 2000, 1000);
    struct mm *mm = &world.mms[0];
    map_and_write(mm, 100);
    assert_int_equal(oom_badness(mm), 100 + 3); /* three tables */
    assert_int_equal(mm_advise(mm, WINDOW, 50 * MODEL_PAGE_BYTES, ADVICE_PAGEOUT), 0);
    assert_int_equal(mm->swap_pages, 50);
    assert_int_equal(oom_badness(mm), 100 + 3);
    mm->oom_score_adj = 500;
    assert_int_equal(oom_badness(mm), 103 + 500 * (3000 / 1000));
    mm->oom_score_adj = -1000;
    assert_true(oom_badness(mm) == INT64_MIN);
    world_destroy();
}

/* The larger one is spared when it is protected, and its own wish fails then. */
static void test_who_is_killed(void **state) {
    world_init(*(enum index_kind *)*state, 2000);
    struct mm small;
    struct mm *large = &world.mms[0];
    assert_int_equal(mm_init(&small, &world.machine, &layout), 0);
    map_and_write(&small, 200);
    map_and_write(large, 1900);
    assert_true(large->killed && !small.killed);
    assert_int_equal(world.machine.last_kill.pid, large->pid);
    assert_true(world.machine.last_kill.anon_pages > 1000);
    mm_destroy(large);
    assert_int_equal(mm_init(large, &world.machine, &layout), 0);
    large->oom_score_adj = -1000;
    map_and_write(large, 1750);
    assert_true(small.killed && !large->killed);
    assert_int_equal(world.machine.last_kill.kills, 2);
    mm_destroy(&small);
    world_destroy();
}

/* ---- the kernel's own memory --------------------------------------------------------------- */

/* Reading needs a table for every 2 MiB and no other frame: it empties the machine to the last. */
static void test_tables_take_all(void **state) {
    world_init(*(enum index_kind *)*state, 600);
    struct map_request request = {.address = WINDOW,
                                  .length = (uint64_t)4 << 30,
                                  .access = VMF_READ,
                                  .flags = MAP_REQUEST_FIXED};
    vaddr place = 0;
    assert_int_equal(mm_map(&world.mms[0], &request, &place), 0);
    vaddr at = place;
    while (mm_access(&world.mms[0], at, false) == FAULT_NO_SIGNAL) {
        at += (uint64_t)2 << 20;
    }
    assert_true(at < place + request.length);
    assert_int_equal(frames_free_pages(&world.machine.frames), 0);
    assert_true(world.mms[0].killed);
    expect_sound(mm_audit(&world.mms[0]));
    mm_destroy(&world.mms[0]);
    assert_int_equal(mm_init(&world.mms[0], &world.machine, &layout), 0);
    assert_int_equal(mm_map(&world.mms[0], &request, &place), 0);
    assert_int_equal(mm_access(&world.mms[0], at, false), FAULT_NO_SIGNAL);
    world_destroy();
}

/* VMAs and the nodes that find them are objects of the caches with those names. */
static void test_slabinfo_counts_vmas(void **state) {
    enum index_kind kind = *(enum index_kind *)*state;
    char text[2048];
    world_init(kind, 8192);
    for (size_t i = 0; i < 100; i++) {
        struct map_request request = {.address = WINDOW + 2 * i * MODEL_PAGE_BYTES,
                                      .length = MODEL_PAGE_BYTES,
                                      .access = VMF_READ,
                                      .flags = MAP_REQUEST_FIXED};
        vaddr place = 0;
        assert_int_equal(mm_map(&world.mms[0], &request, &place), 0);
    }
    assert_int_equal(world.machine.vma_cache.held, 100);
    assert_int_equal(world.machine.node_cache.held * MAPLE_NODE_BYTES,
                     kind == INDEX_MAPLE ? vma_index_bytes(&world.mms[0].index) : 0);
    kmem_slabinfo(&world.machine.kmem, text, sizeof text);
    assert_non_null(strstr(text, "vm_area_struct       104    105    192   21    1 : "));
    world_destroy();
}

static enum index_kind maple = INDEX_MAPLE;
static enum index_kind rbtree = INDEX_RBTREE;

#define TESTS_OF(kind)                                            \
    cmocka_unit_test_prestate(test_enough_memory, &(kind)),       \
        cmocka_unit_test_prestate(test_little_memory, &(kind)),   \
        cmocka_unit_test_prestate(test_enough_swap, &(kind)),     \
        cmocka_unit_test_prestate(test_little_swap, &(kind)),     \
        cmocka_unit_test_prestate(test_badness, &(kind)),         \
        cmocka_unit_test_prestate(test_who_is_killed, &(kind)),   \
        cmocka_unit_test_prestate(test_tables_take_all, &(kind)), \
        cmocka_unit_test_prestate(test_slabinfo_counts_vmas, &(kind))

int main(void) {
    const struct CMUnitTest tests[] = {TESTS_OF(maple), TESTS_OF(rbtree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
