/* test_mapped.c - mapped chunks: the table against a list, thresholds, limits, resizing, alignment.
 * Layer: tests (includes chunk and below). */
#include "chunk/mapped.h"
#include "glibc_profile.h"

#include "child.h"
#include "chunk/mapped_table.h"
#include "chunk/params.h"
#include "os/os.h"
#include "support.h"
#include "test_random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define BLOCKS 3000

static size_t page(void) {
    return os_page_bytes();
}

static void check(void) {
    const char *error = mapped_audit();
    if (error != NULL) {
        fail_msg("%s", error);
    }
}

/* ---- the table ------------------------------------------------------------------------------- */

struct table_world {
    struct mapped_table table;
    struct mapped_block blocks[BLOCKS]; /* memory 0: absent */
    size_t live;
};

static struct table_world world;

static struct mapped_block random_block(struct random_source *random) {
    uintptr_t start = (random_below(random, 1 << 16) + 1) << 20;
    uintptr_t lead = random_below(random, 8) == 0 ? 4096 * random_below(random, 16) : 0;
    return (struct mapped_block){start + lead + CHUNK_HEADER_BYTES,
                                 start,
                                 lead + 8192,
                                 random_below(random, 8192 - CHUNK_HEADER_BYTES),
                                 NULL,
                                 NULL,
                                 random_below(random, 8)};
}

static bool is_known(uintptr_t start) {
    for (size_t i = 0; i < BLOCKS; i++) {
        if (world.blocks[i].memory != 0 && world.blocks[i].start == start) {
            return true;
        }
    }
    return false;
}

static void table_step(struct random_source *random, size_t slot) {
    struct mapped_block *mine = &world.blocks[slot];
    struct mapped_block found;
    if (mine->memory != 0 && random_below(random, 4) == 0) {
        mine->request = random_below(random, 8192 - CHUNK_HEADER_BYTES);
        mapped_table_replace(&world.table, mine);
        return;
    }
    if (mine->memory == 0) {
        struct mapped_block block = random_block(random);
        assert_false(!is_known(block.start) &&
                     mapped_table_find(&world.table, block.memory, &found));
        if (!is_known(block.start)) {
            assert_true(mapped_table_promise(&world.table));
            mapped_table_put(&world.table, &block);
            *mine = block;
            world.live++;
        }
        return;
    }
    assert_true(mapped_table_take(&world.table, mine->memory, &found));
    assert_memory_equal(&found, mine, sizeof found);
    mapped_table_unpromise(&world.table);
    assert_false(mapped_table_find(&world.table, mine->memory, &found));
    mine->memory = 0;
    world.live--;
}

static void table_check(void) {
    size_t count = 0;
    size_t bytes = 0;
    const char *error = mapped_table_audit(&world.table, &count, &bytes);
    if (error != NULL) {
        fail_msg("%s", error);
    }
    assert_int_equal(count, world.live);
    assert_true((world.table.live + world.table.promised) * 4 <= world.table.capacity * 3);
}

static void table_check_all(void) {
    struct mapped_block found;
    for (size_t i = 0; i < BLOCKS; i++) {
        const struct mapped_block *block = &world.blocks[i];
        if (block->memory != 0) {
            assert_true(mapped_table_find(&world.table, block->memory, &found));
            assert_memory_equal(&found, block, sizeof found);
            assert_false(mapped_table_find(&world.table, block->memory + CHUNK_ALIGNMENT, &found));
            uintptr_t inside = block->start + block->bytes - 1;
            assert_true(mapped_table_find_around(&world.table, inside, &found));
            assert_int_equal(found.memory, block->memory);
        }
    }
}

/* Fills far beyond the static slots, empties, and fills again. */
static void test_table(void **state) {
    (void)state;
    struct mapped_block *slots = os_map(MAPPED_STATIC_SLOTS * sizeof *slots);
    assert_non_null(slots);
    world.table = (struct mapped_table){.slots = slots, .capacity = MAPPED_STATIC_SLOTS};
    struct random_source random = random_start("test_table");
    size_t used = 40;
    for (size_t steps = random_steps(12000); steps > 0; steps--) {
        used = steps % 3000 == 0 ? 40 + random_below(&random, BLOCKS - 40) : used;
        table_step(&random, random_below(&random, used));
        if (steps % 10 == 0) {
            table_check();
        }
    }
    table_check_all();
    mapped_table_repair(&world.table);
    table_check();
    table_check_all();
}

static size_t fill_table(struct mapped_table *table, struct random_source *random) {
    size_t count = 0;
    while (count < table->capacity / 2) {
        struct mapped_block block = random_block(random);
        struct mapped_block found;
        if (!mapped_table_find(table, block.memory, &found)) {
            assert_true(mapped_table_promise(table));
            mapped_table_put(table, &block);
            count++;
        }
    }
    return count;
}

/* What a fork in the middle of a deletion leaves: a follower already moved back, and still there.
 * Every place where that can be, across the table's end too. */
static void test_repair(void **state) {
    (void)state;
    struct mapped_block *slots = os_map(MAPPED_STATIC_SLOTS * sizeof *slots);
    assert_non_null(slots);
    struct mapped_table table = {.slots = slots, .capacity = MAPPED_STATIC_SLOTS};
    struct random_source random = random_start("test_repair");
    size_t kept = fill_table(&table, &random);
    for (size_t i = 0; i < table.capacity; i++) {
        struct mapped_block *next = &slots[(i + 1) % table.capacity];
        if (slots[i].memory == 0 || next->memory != 0) {
            continue;
        }
        *next = slots[i];
        table.promised = 1; /* somebody's, who may be alive */
        mapped_table_repair(&table);
        size_t count = 0;
        size_t bytes = 0;
        const char *error = mapped_table_audit(&table, &count, &bytes);
        assert_string_equal(error != NULL ? error : "", "");
        assert_int_equal(count, kept);
        assert_int_equal(table.promised, 1);
        table.promised = 0;
    }
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static void defaults(void) {
    params.mmap_threshold = MMAP_THRESHOLD_DEFAULT_BYTES;
    params.trim_threshold = TRIM_THRESHOLD_DEFAULT_BYTES;
    params.dynamic = true;
}

static void *map(size_t chunk_size) {
    struct chunk *chunk = mapped_alloc(chunk_size);
    assert_non_null(chunk);
    assert_true(chunk_is_mmapped(chunk));
    assert_true(chunk_usable_bytes(chunk) + SIZE_BYTES >= chunk_size);
    return chunk_memory(chunk);
}

/* Every size around a page boundary; its last byte can be written. */
static void test_sizes(void **state) {
    (void)state;
    for (size_t bytes = 3 * page() - 64; bytes <= 3 * page() + 64; bytes += CHUNK_ALIGNMENT) {
        char *memory = map(bytes);
        size_t usable = chunk_usable_bytes(chunk_of_memory(memory));
        assert_int_equal((usable + CHUNK_HEADER_BYTES) % page(), 0);
        assert_true(usable < bytes + page());
        memset(memory, 1, usable);
        struct mapped_block block;
        assert_true(mapped_find(memory, &block));
        assert_false(mapped_find(memory + CHUNK_ALIGNMENT, &block));
        assert_true(mapped_find_around(memory + usable - 1, &block));
        check();
        assert_true(mapped_free(memory));
        assert_false(mapped_free(memory));
    }
    check();
    assert_null(mapped_alloc(SIZE_MAX - 15));
    if (SIZE_BYTES == 8) { /* on 32 bits there may be room */
        assert_null(mapped_alloc(align_down(REQUEST_MAX_BYTES, CHUNK_ALIGNMENT)));
    }
    check();
}

struct overflow {
    unsigned char *memory;
    size_t request, offset;
    unsigned char byte;
};

static void overflow_and_free(void *argument) {
    const struct overflow *overflow = argument;
    overflow->memory[overflow->request + overflow->offset] = overflow->byte;
    mapped_free(overflow->memory);
}

/* A byte that is written behind the block, 0 or not, is noticed; but a byte of the seal can be what
 * is written by chance. */
static void check_overflow(struct overflow *overflow) {
    struct child child;
    overflow->byte = 0;
    test_run_child(&child, overflow_and_free, overflow);
    assert_true(test_child_aborted_over(&child, overflow->memory));
    assert_non_null(strstr(child.said, "overflow of a mapped block"));
    overflow->byte = (unsigned char)~overflow->memory[overflow->request + overflow->offset];
    test_run_child(&child, overflow_and_free, overflow);
    assert_true(test_child_aborted_over(&child, overflow->memory));
}

/* Sealed blocks of every size around a page's end: all of what was asked for can be written, the
 * first bytes behind it cannot. */
static void test_seals(void **state) {
    (void)state;
    for (size_t request = 3 * page() - 40; request <= 3 * page() + 8; request++) {
        unsigned char *memory = map(chunk_bytes_for(request));
        size_t room = chunk_usable_bytes(chunk_of_memory(memory)) - request;
        struct mapped_block block;
        mapped_seal(memory, request);
        assert_true(mapped_find(memory, &block));
        assert_int_equal(mapped_usable_bytes(&block), request);
        for (size_t offset = 0; offset < room && offset < 32; offset += 31) {
            check_overflow(&(struct overflow){memory, request, offset, 0});
        }
        memset(memory, 1, request);
        memory = mapped_resize(memory, chunk_bytes_for(2 * request)); /* takes the seal away */
        assert_non_null(memory);
        assert_true(mapped_find(memory, &block));
        assert_true(mapped_usable_bytes(&block) >= 2 * request);
        memset(memory, 2, mapped_usable_bytes(&block));
        assert_true(mapped_free(memory));
    }
    check();
}

static void test_resize(void **state) {
    (void)state;
    struct random_source random = random_start("test_resize");
    size_t bytes = 10 * page();
    char *memory = map(bytes);
    for (size_t step = 0; step < 300; step++) {
        test_pattern_fill(memory, bytes - CHUNK_HEADER_BYTES, step);
        size_t next = align_up(1 + random_below(&random, 200 * page()), CHUNK_ALIGNMENT);
        next = next < CHUNK_MIN_BYTES ? CHUNK_MIN_BYTES : next;
        char *moved = mapped_resize(memory, next);
        assert_non_null(moved);
        size_t kept = (next < bytes ? next : bytes) - CHUNK_HEADER_BYTES;
        assert_true(test_pattern_holds(moved, kept, step));
        assert_true(chunk_usable_bytes(chunk_of_memory(moved)) >= next - SIZE_BYTES);
        memory = moved;
        bytes = next;
        check();
    }
    if (SIZE_BYTES == 8) {
        assert_null(mapped_resize(memory, REQUEST_MAX_BYTES / 2));
    }
    check();
    assert_true(mapped_free(memory));
}

/* What lies before an aligned block is room for a chunk, or nothing. */
static void test_alignment(void **state) {
    (void)state;
    for (size_t alignment = 2 * CHUNK_ALIGNMENT; alignment <= 64 * page(); alignment *= 2) {
        for (size_t bytes = 1; bytes < 3 * page(); bytes += 500) {
            size_t whole = chunk_bytes_for(bytes + alignment + CHUNK_MIN_BYTES);
            char *memory = map(whole);
            char *aligned = mapped_align(memory, alignment);
            assert_int_equal((uintptr_t)aligned % alignment, 0);
            size_t lead = (size_t)(aligned - memory);
            assert_true(lead == 0 || lead >= CHUNK_MIN_BYTES);
            struct chunk *chunk = chunk_of_memory(aligned);
            assert_int_equal(chunk->prev_size, lead);
            assert_true(chunk_usable_bytes(chunk) >= bytes);
            test_pattern_fill(aligned, bytes, bytes);
            check();
            aligned = mapped_resize(aligned, chunk_bytes_for(bytes + 5 * page()));
            assert_non_null(aligned);
            assert_true(test_pattern_holds(aligned, bytes, bytes));
            assert_true(chunk_usable_bytes(chunk_of_memory(aligned)) >= bytes + 5 * page());
            check();
            assert_true(mapped_free(aligned));
        }
    }
    check();
}

/* ---- thresholds ------------------------------------------------------------------------------ */

/* A chunk of exactly `bytes`, whole pages, is freed. */
static void free_one_of(size_t bytes) {
    assert_true(mapped_free(map(bytes - SIZE_BYTES - CHUNK_ALIGNMENT / 2)));
}

static void expect_thresholds(size_t mmap_bytes, size_t trim_bytes) {
    assert_int_equal(params_mmap_threshold(), mmap_bytes);
    assert_int_equal(params_trim_threshold(), trim_bytes);
}

static void test_dynamic_threshold(void **state) {
    (void)state;
    defaults();
    size_t start = MMAP_THRESHOLD_DEFAULT_BYTES;
    expect_thresholds(start, start);
    free_one_of(start - page());
    expect_thresholds(start, start);
    free_one_of(start); /* as glibc: not raised, but the trim threshold is */
    expect_thresholds(start, 2 * start);
    free_one_of(start + page());
    expect_thresholds(start + page(), 2 * (start + page()));
    free_one_of(start);
    expect_thresholds(start + page(), 2 * (start + page()));
    free_one_of(MMAP_THRESHOLD_MAX_BYTES);
    expect_thresholds(start + page(), 2 * (start + page()));
    free_one_of(MMAP_THRESHOLD_MAX_BYTES - page());
    expect_thresholds(MMAP_THRESHOLD_MAX_BYTES - page(), 2 * (MMAP_THRESHOLD_MAX_BYTES - page()));
    defaults();
}

/* Any of the four parameters, set by hand, stops the adaptation. */
static void test_fixed_threshold(void **state) {
    (void)state;
    bool (*const setters[])(size_t) = {params_set_mmap_threshold, params_set_mmap_max,
                                       params_set_trim_threshold, params_set_top_pad};
    const struct params saved = params;
    for (size_t i = 0; i < 4; i++) {
        defaults();
        assert_true(setters[i](200 * 1024));
        size_t mmap_bytes = params_mmap_threshold();
        size_t trim_bytes = params_trim_threshold();
        free_one_of(300 * page());
        expect_thresholds(mmap_bytes, trim_bytes);
        params = saved;
    }
}

static void test_limit(void **state) {
    (void)state;
    size_t saved = params.mmap_max;
    void *memory[3];
    params.mmap_max = 3;
    for (size_t i = 0; i < 3; i++) {
        assert_true(mapped_is_allowed());
        memory[i] = map(50 * page());
    }
    assert_false(mapped_is_allowed());
    mapped_free(memory[1]);
    assert_true(mapped_is_allowed());
    mapped_free(memory[0]);
    mapped_free(memory[2]);
    params.mmap_max = 0;
    assert_false(mapped_is_allowed());
    params.mmap_max = saved;
    struct mapped_totals totals;
    mapped_totals(&totals);
    assert_int_equal(totals.count, 0);
    assert_int_equal(totals.bytes, 0);
    assert_true(totals.count_max >= 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repair),    cmocka_unit_test(test_table),
        cmocka_unit_test(test_sizes),     cmocka_unit_test(test_resize),
        cmocka_unit_test(test_alignment), cmocka_unit_test(test_dynamic_threshold),
        cmocka_unit_test(test_seals),     cmocka_unit_test(test_fixed_threshold),
        cmocka_unit_test(test_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
