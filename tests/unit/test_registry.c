/* test_registry.c - the registry and the walker: names, bounds, another process's memory, and what
 * a damaged list or a lying reader leads to. */
#include "api/registry.h"
#include "glibc_profile.h"

#include "api/options.h"
#include "chunk/bin.h"
#include "chunk/heap.h"
#include "chunk/mapped_table.h"
#include "chunk/params.h"
#include "thread/thread.h"

#include "test_child.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/uio.h>

#include <cmocka.h>

#include "arenite/arenite.h"

static const struct arenite_field *find_field(const char *type, const char *field) {
    const struct arenite_field *rows = arenite_registry.fields.pointer;
    for (uint32_t i = 0; i < arenite_registry.field_count; i++) {
        if (strcmp(rows[i].type, type) == 0 && strcmp(rows[i].field, field) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

static void test_tables(void **state) {
    (void)state;
    arenite_free(arenite_malloc(1)); /* the library has begun */
    assert_int_equal(arenite_registry.magic, ARENITE_REGISTRY_MAGIC);
    assert_memory_equal(&arenite_registry.magic, "arnereg1", 8);
    assert_ptr_equal(arenite_registry.self.pointer, &arenite_registry);
    assert_int_equal(arenite_registry.page_bytes, sysconf(_SC_PAGESIZE));
    assert_int_equal(arenite_registry.option_count, OPTION_COUNT);
    const struct arenite_field *bins = find_field("struct arena", "bins");
    assert_non_null(bins);
    assert_int_equal(bins->offset, offsetof(struct arena, bins));
    assert_int_equal(bins->width, sizeof(struct links));
    assert_int_equal(bins->count, BIN_LAST);
    const struct arenite_field *bytes = find_field("struct arena", "system_bytes");
    assert_int_equal(bytes->offset, offsetof(struct arena, system_bytes));
    assert_int_equal(bytes->count, 1);
    assert_int_equal(find_field("struct heap", "")->width, sizeof(struct heap));
    assert_null(find_field("struct heap", "no_such_field"));
}

static void test_roots_name_the_objects(void **state) {
    (void)state;
    const struct arenite_object *rows = arenite_registry.objects.pointer;
    bool found = false;
    for (uint32_t i = 0; i < arenite_registry.object_count; i++) {
        assert_int_not_equal(rows[i].address.value, 0);
        assert_int_not_equal(rows[i].bytes, 0);
        found |= strcmp(rows[i].name, "main_arena") == 0 && rows[i].address.pointer == &main_arena;
    }
    assert_true(found);
}

/* ---- another process ------------------------------------------------------------------------ */

/* What a child's heap holds, as read from here and as it says itself. */
struct sums {
    size_t arenas;
    size_t chunks, chunk_bytes;
    size_t fast, binned;
    size_t quick, threads;
    size_t mapped, mapped_bytes;
};

static bool sum_chunk(struct walk *walk, const struct walk_chunk *chunk, unsigned index,
                      void *state) {
    struct sums *sums = state;
    (void)walk;
    (void)index;
    sums->chunks++;
    sums->chunk_bytes += (size_t)chunk->bytes;
    return true;
}

static bool sum_heap(struct walk *walk, const struct walk_heap *heap, void *state) {
    return walk_chunks(walk, heap, sum_chunk, state);
}

static bool count_one(struct walk *walk, const struct walk_chunk *chunk, unsigned index,
                      void *state) {
    (void)walk;
    (void)chunk;
    (void)index;
    ++*(size_t *)state;
    return true;
}

static bool sum_arena(struct walk *walk, uint64_t address, void *state) {
    struct sums *sums = state;
    struct walk_arena arena;
    sums->arenas++;
    return walk_arena_at(walk, address, &arena) && walk_heaps(walk, &arena, sum_heap, sums) &&
           walk_fast_bins(walk, &arena, count_one, &sums->fast) &&
           walk_bins(walk, &arena, count_one, &sums->binned);
}

static bool sum_thread(struct walk *walk, const struct walk_thread *thread, void *state) {
    struct sums *sums = state;
    size_t listed = 0;
    sums->threads += thread->attached;
    sums->quick += (size_t)thread->quick_count;
    return walk_quick_lists(walk, thread, count_one, &listed) && listed == thread->quick_count;
}

static bool sum_mapped(struct walk *walk, const struct walk_mapped *block, void *state) {
    struct sums *sums = state;
    (void)walk;
    sums->mapped++;
    sums->mapped_bytes += (size_t)block->bytes;
    return true;
}

static bool read_other(void *context, uint64_t address, void *buffer, size_t length) {
    struct iovec here = {buffer, length};
    struct iovec there = {(void *)(uintptr_t)address, length};
    return process_vm_readv(*(pid_t *)context, &here, 1, &there, 1, 0) == (ssize_t)length;
}

/* A heap with something in every list: 300 blocks, 100 of them freed, 3 mapped ones, and more small
 * ones freed than the quick list takes. */
static void fill_heap(void) {
    static void *blocks[300];
    void *small[20];
    for (size_t i = 0; i < 20; i++) {
        small[i] = arenite_malloc(16);
    }
    for (size_t i = 0; i < 300; i++) {
        blocks[i] = arenite_malloc(24 + i * 8);
    }
    for (size_t i = 0; i < 300; i += 3) {
        arenite_free(blocks[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        (void)!arenite_malloc((1 + i) << 20);
    }
    for (size_t i = 0; i < 20; i++) {
        arenite_free(small[i]);
    }
}

static void sum_up(struct walk *walk, struct sums *sums) {
    assert_true(walk_arenas(walk, sum_arena, sums));
    assert_true(walk_threads(walk, sum_thread, sums));
    assert_true(walk_mapped_blocks(walk, sum_mapped, sums));
    assert_null(walk->what);
}

/* The child's part: fills its heap, says what it finds there itself, and stays. */
static void be_looked_at(int descriptor) {
    struct walk walk;
    struct own_memory own;
    struct sums sums = {0};
    fill_heap();
    if (registry_walk(&walk, &own)) {
        sum_up(&walk, &sums);
    }
    (void)!write(descriptor, &sums, sizeof sums);
    pause();
}

static void test_another_process(void **state) {
    (void)state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        be_looked_at(ready[1]);
    }
    struct walk walk;
    struct sums said;
    struct sums seen = {0};
    assert_int_equal(read(ready[0], &said, sizeof said), sizeof said);
    errno = 0;
    bool opened = walk_open(&walk, (uintptr_t)&arenite_registry, read_other, &pid);
    bool refused = !opened && errno == EPERM;
    if (opened) {
        sum_up(&walk, &seen);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    if (refused) {
        skip();
    }
    assert_true(opened);
    assert_memory_equal(&said, &seen, sizeof seen);
    assert_int_equal(seen.threads, 1);
    assert_int_equal(seen.mapped, 3);
    assert_true(seen.quick > 0 && seen.fast > 0 && seen.chunks > 300);
}

/* ---- what goes wrong ------------------------------------------------------------------------ */

/* Our own memory, with one word of it replaced. */
struct liar {
    uint64_t address;
    uint64_t word;
    size_t width;
};

static bool read_lies(void *context, uint64_t address, void *buffer, size_t length) {
    const struct liar *liar = context;
    if (address < 4096) {
        return false;
    }
    memcpy(buffer, (const void *)(uintptr_t)address, length);
    if (liar->address >= address && liar->address + liar->width <= address + length) {
        memcpy((char *)buffer + (liar->address - address), &liar->word, liar->width);
    }
    return true;
}

static void expect_refusal(const void *place, uint64_t word, const char *what) {
    struct liar liar = {(uintptr_t)place, word, sizeof word};
    struct walk walk;
    assert_false(walk_open(&walk, (uintptr_t)&arenite_registry, read_lies, &liar));
    assert_string_equal(walk.what, what);
}

static void test_no_registry(void **state) {
    (void)state;
    expect_refusal(&arenite_registry.magic, 17, "no registry stands here");
    expect_refusal(&arenite_registry.self, 17, "no registry stands here");
    uint64_t version = ((uint64_t)sizeof arenite_registry << 32) | 99;
    expect_refusal(&arenite_registry.version, version, "the registry has another version");
    expect_refusal(&arenite_registry.fields, 0, "an address leads out of the library's memory");
    expect_refusal(&arenite_registry.object_count, UINT64_MAX, "the registry's tables are damaged");
    expect_refusal(&arenite_registry.object_count, (uint64_t)arenite_registry.field_count << 32,
                   "the registry does not name a root");
    expect_refusal(&arenite_registry.object_count, arenite_registry.object_count,
                   "the registry does not describe a field");
}

static void test_a_ring_that_does_not_close(void **state) {
    (void)state;
    struct liar liar = {(uintptr_t)&main_arena.next, 0, sizeof(uintptr_t)};
    struct walk walk;
    struct sums sums = {0};
    assert_true(walk_open(&walk, (uintptr_t)&arenite_registry, read_lies, &liar));
    assert_false(walk_arenas(&walk, sum_arena, &sums));
    assert_string_equal(walk.what, "an address leads out of the library's memory");
}

static bool stop_at_once(struct walk *walk, uint64_t arena, void *state) {
    (void)walk;
    (void)arena;
    ++*(size_t *)state;
    return false;
}

static void test_a_visitor_that_stops_is_no_error(void **state) {
    (void)state;
    struct walk walk;
    struct own_memory own;
    size_t visits = 0;
    assert_true(registry_walk(&walk, &own));
    assert_true(walk_arenas(&walk, stop_at_once, &visits));
    assert_int_equal(visits, 1);
}

/* Reads of this process end at the edges of what is ours, whatever a pointer says. */
static void test_own_reads_are_guarded(void **state) {
    (void)state;
    fill_heap();
    struct walk walk;
    struct own_memory own;
    char buffer[64];
    int on_stack = 1;
    assert_true(registry_walk(&walk, &own));
    assert_true(walk.read(walk.context, (uintptr_t)&main_arena, buffer, sizeof buffer));
    const char *block = arenite_malloc(100);
    assert_true(walk.read(walk.context, (uintptr_t)block, buffer, sizeof buffer));
    assert_false(walk.read(walk.context, (uintptr_t)&on_stack, buffer, 4));
    assert_false(walk.read(walk.context, 0, buffer, 1));
    assert_false(walk.read(walk.context, UINT64_MAX - 3, buffer, 8));
    assert_false(
        walk.read(walk.context, (uintptr_t)&main_arena + sizeof main_arena - 8, buffer, 16));
    uintptr_t end = heap_end(main_arena.heap);
    assert_true(walk.read(walk.context, end - 8, buffer, 8));
    assert_false(walk.read(walk.context, end - 8, buffer, 9));
    assert_false(walk.read(walk.context, end, buffer, 1));
}

static void test_page_entries(void **state) {
    (void)state;
    struct walk walk;
    struct own_memory own;
    uint64_t entry;
    void *block = arenite_malloc(10);
    assert_true(registry_walk(&walk, &own));
    assert_true(walk_page_entry(&walk, (uintptr_t)block, &entry));
    assert_int_equal(entry, page_map_get(block));
    assert_int_not_equal(entry, 0);
    assert_true(walk_page_entry(&walk, 0x1000, &entry));
    assert_int_equal(entry, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_roots_name_the_objects),
        cmocka_unit_test(test_another_process),
        cmocka_unit_test(test_no_registry),
        cmocka_unit_test(test_a_ring_that_does_not_close),
        cmocka_unit_test(test_a_visitor_that_stops_is_no_error),
        cmocka_unit_test(test_own_reads_are_guarded),
        cmocka_unit_test(test_page_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
