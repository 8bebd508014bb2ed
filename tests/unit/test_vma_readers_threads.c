/* test_vma_readers_threads.c - readers beside a writer, under both indexes.
 *
 * The world is a row of cells of 16 pages:
 *
 *      page   0  1  2  3 | 4  5  6  7 | 8  9 10 11 | 12 13 14 15
 *               churn    |   always   |   churn    |   never mapped
 *
 * The writer makes VMAs in the churn, and lets the VMA of the middle grow into it, shrink, split
 * and merge; but each page of the middle stays mapped by one VMA or another. So a reader must find
 * something at each of them at any time, nothing in the last four, and nothing that was freed.
 * ARENITE_TEST_STEPS sets how many changes the writer makes at least: it goes on until all readers
 * have looked often enough. */
#include "model/pool.h"
#include "model/vma_index.h"

#include "test_random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define CELLS 200
#define CELL_PAGES 16
#define READERS 2
#define LOOKS 1000
#define BASE ((vaddr)1 << 30)

/* In vma.flags, which the index does not look at. */
#define LIVE 0x11
#define FREED 0xdead

struct cell {
    struct vma *lower; /* holds page 4 */
    struct vma *upper; /* holds page 7; often the same */
    struct vma *before;
    struct vma *after;
};

struct world {
    struct vma_index index;
    struct pool nodes;
    struct pool vmas;
    struct epoch_limbo limbo; /* VMAs */
    struct random_source random;
    struct cell cells[CELLS];
    pthread_barrier_t start;
    bool done;
};

static struct world world;

struct reader {
    struct epoch_reader reader;
    struct random_source random;
    pthread_t thread;
    size_t looks;
    const char *complaint;
};

static vaddr page_of(size_t cell, size_t page) {
    return BASE + (cell * CELL_PAGES + page) * MODEL_PAGE_BYTES;
}

/* ---- the writer ---------------------------------------------------------------------------- */

static struct vma *make_vma(size_t cell, size_t start, size_t end) {
    struct vma *vma = object_take(&world.vmas.source);
    assert_non_null(vma);
    *vma = (struct vma){.start = page_of(cell, start), .end = page_of(cell, end), .flags = LIVE};
    return vma;
}

static void free_vma(void *context, struct epoch_item *item) {
    (void)context;
    struct vma *vma = (struct vma *)((char *)item - offsetof(struct vma, retired));
    vma->flags = FREED;
    object_give(&world.vmas.source, vma);
}

static void retire(struct vma *vma) {
    epoch_retire(&world.limbo, &vma->retired);
}

static void put(struct vma **place, size_t cell, size_t start, size_t end) {
    *place = make_vma(cell, start, end);
    assert_int_equal(vma_index_insert(&world.index, *place), 0);
}

static void take(struct vma **place) {
    assert_int_equal(vma_index_erase(&world.index, *place), 0);
    retire(*place);
    *place = NULL;
}

static void toggle_churn(struct cell *cell, size_t number) {
    bool is_before = random_below(&world.random, 2) == 0;
    struct vma **place = is_before ? &cell->before : &cell->after;
    if (*place != NULL) {
        take(place);
    } else if (is_before && cell->lower->start == page_of(number, 4)) {
        put(place, number, random_below(&world.random, 3), 4);
    } else if (!is_before && cell->upper->end == page_of(number, 8)) {
        put(place, number, 8 + random_below(&world.random, 2), 11);
    }
}

/* The middle in two VMAs becomes one in one step, the churn before it swallowed or left alone. */
static void join_middle(struct cell *cell, size_t number) {
    struct vma *absorbed = cell->upper;
    vaddr start = cell->lower->start;
    if (cell->before != NULL && random_below(&world.random, 2) == 0) {
        start = page_of(number, 0);
    }
    assert_int_equal(vma_index_resize(&world.index, cell->lower, start, absorbed->end), 0);
    retire(absorbed);
    cell->upper = cell->lower;
    if (cell->before != NULL && start == page_of(number, 0)) {
        retire(cell->before);
        cell->before = NULL;
    }
}

static void split_middle(struct cell *cell, size_t number) {
    struct vma *upper = make_vma(number, 0, 1);
    vaddr at = page_of(number, 5 + random_below(&world.random, 3));
    assert_int_equal(vma_index_split(&world.index, cell->lower, at, upper), 0);
    cell->upper = upper;
}

/* The middle in one VMA gets other ends, as far as the churn is free. */
static void stretch_middle(struct cell *cell, size_t number) {
    size_t start = cell->before == NULL ? random_below(&world.random, 5) : 4;
    size_t end = cell->after == NULL ? 8 + random_below(&world.random, 5) : 8;
    assert_int_equal(
        vma_index_resize(&world.index, cell->lower, page_of(number, start), page_of(number, end)),
        0);
}

static void change_something(void) {
    size_t number = random_below(&world.random, CELLS);
    struct cell *cell = &world.cells[number];
    bool is_split = cell->lower != cell->upper;
    switch (random_below(&world.random, 3)) {
    case 0:
        toggle_churn(cell, number);
        break;
    case 1:
        if (is_split) {
            join_middle(cell, number);
        } else {
            split_middle(cell, number);
        }
        break;
    default:
        if (is_split) {
            vaddr at = page_of(number, 5 + random_below(&world.random, 3));
            assert_int_equal(vma_index_shift(&world.index, cell->lower, cell->upper, at), 0);
        } else {
            stretch_middle(cell, number);
        }
    }
}

/* ---- readers ------------------------------------------------------------------------------- */

/* The writer looks at it, too. */
static void complain(struct reader *reader, const char *text) {
    __atomic_store_n(&reader->complaint, text, __ATOMIC_RELAXED);
}

static void look_up(struct reader *reader) {
    size_t cell = random_below(&reader->random, CELLS);
    vaddr middle = page_of(cell, 4 + random_below(&reader->random, 4));
    const struct vma *vma = vma_index_lookup(&world.index, middle + 5);
    if (vma == NULL) {
        complain(reader, "a page that is always mapped was not found");
    } else if (vma->flags != LIVE) {
        complain(reader, "a freed VMA was found");
    }
    if (vma_index_lookup(&world.index, page_of(cell, 12 + random_below(&reader->random, 4)))) {
        complain(reader, "a page that is never mapped was found");
    }
}

/* Every cell has at least one VMA at every moment. */
static void walk_all(struct reader *reader) {
    struct vma_walk walk;
    size_t count = 0;
    vma_walk_start(&walk, &world.index, 0);
    for (const struct vma *vma = vma_walk_next(&walk); vma != NULL; vma = vma_walk_next(&walk)) {
        count++;
        if (vma->flags != LIVE) {
            complain(reader, "a freed VMA was walked over");
        }
    }
    if (count < CELLS || count > 4 * CELLS) {
        complain(reader, "a walk missed VMAs, or saw some twice");
    }
}

static void *read_along(void *argument) {
    struct reader *reader = argument;
    pthread_barrier_wait(&world.start);
    while (!__atomic_load_n(&world.done, __ATOMIC_ACQUIRE) && reader->complaint == NULL) {
        vma_index_read_begin(&world.index, &reader->reader);
        if (reader->looks % 64 == 0) {
            walk_all(reader);
        } else {
            look_up(reader);
        }
        vma_index_read_end(&world.index, &reader->reader);
        __atomic_store_n(&reader->looks, reader->looks + 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

/* ---- the tests ----------------------------------------------------------------------------- */

static void world_init(bool is_maple, struct random_source random) {
    memset(&world, 0, sizeof world);
    world.random = random;
    pool_init(&world.nodes, MAPLE_NODE_BYTES);
    pool_init(&world.vmas, sizeof(struct vma));
    if (is_maple) {
        vma_index_init_maple(&world.index, &world.nodes.source);
    } else {
        vma_index_init_rbtree(&world.index);
    }
    epoch_limbo_init(&world.limbo, &world.index.domain, free_vma, NULL);
    for (size_t cell = 0; cell < CELLS; cell++) {
        put(&world.cells[cell].lower, cell, 4, 8);
        world.cells[cell].upper = world.cells[cell].lower;
    }
}

static void world_destroy(void) {
    const char *broken = vma_index_audit(&world.index);
    if (broken != NULL) {
        fail_msg("%s", broken);
    }
    size_t count = vma_index_count(&world.index);
    epoch_drain(&world.limbo);
    assert_int_equal(world.vmas.taken, count);
    vma_index_destroy(&world.index);
    assert_int_equal(world.nodes.taken, 0);
    pool_destroy(&world.nodes);
    pool_destroy(&world.vmas);
}

static bool have_looked(const struct reader *readers) {
    bool have = true;
    for (size_t i = 0; i < READERS; i++) {
        bool complains = __atomic_load_n(&readers[i].complaint, __ATOMIC_RELAXED) != NULL;
        have = have && (complains || __atomic_load_n(&readers[i].looks, __ATOMIC_RELAXED) >= LOOKS);
    }
    return have;
}

static void live(bool is_maple, const char *name) {
    static struct reader readers[READERS];
    world_init(is_maple, random_start(name));
    memset(readers, 0, sizeof readers);
    pthread_barrier_init(&world.start, NULL, READERS + 1);
    for (size_t i = 0; i < READERS; i++) {
        readers[i].random = random_branch(&world.random);
        vma_index_reader_add(&world.index, &readers[i].reader);
    }
    for (size_t i = 0; i < READERS; i++) {
        assert_int_equal(pthread_create(&readers[i].thread, NULL, read_along, &readers[i]), 0);
    }
    pthread_barrier_wait(&world.start);
    for (size_t step = 0; step < random_steps(150000) || !have_looked(readers); step++) {
        vma_index_write_begin(&world.index);
        change_something();
        vma_index_write_end(&world.index);
    }
    __atomic_store_n(&world.done, true, __ATOMIC_RELEASE);
    for (size_t i = 0; i < READERS; i++) {
        pthread_join(readers[i].thread, NULL);
        vma_index_reader_remove(&world.index, &readers[i].reader);
        if (readers[i].complaint != NULL) {
            fail_msg("reader %zu after %zu looks: %s", i, readers[i].looks, readers[i].complaint);
        }
    }
    pthread_barrier_destroy(&world.start);
    world_destroy();
}

static void test_rbtree_readers(void **state) {
    (void)state;
    live(false, "rbtree readers");
}

static void test_maple_readers(void **state) {
    (void)state;
    live(true, "maple readers");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rbtree_readers),
        cmocka_unit_test(test_maple_readers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
