/* test_maple_tree.c - the maple tree by itself against an array with one cell per index: ranges of
 * any width over anything, a source that runs dry at every take, damage that the audit must find.
 * ARENITE_TEST_STEPS sets how many changes each test makes. */
#include "model/maple_path.h"
#include "model/pool.h"

#include "test_random.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define CELLS 3000

/* A source that can run dry after so many takes. */
struct limited_source {
    struct object_source source;
    struct pool pool;
    size_t left;
};

static void *limited_take(struct object_source *source) {
    struct limited_source *limited = (struct limited_source *)source;
    if (limited->left == 0) {
        return NULL;
    }
    limited->left--;
    return object_take(&limited->pool.source);
}

static void limited_give(struct object_source *source, void *object) {
    object_give(&((struct limited_source *)source)->pool.source, object);
}

/* A tree, and what each of its first CELLS indices from `base` holds; nothing is elsewhere. */
struct world {
    struct maple_tree tree;
    struct epoch_domain domain;
    struct limited_source nodes;
    struct random_source random;
    uint64_t base;
    void *cells[CELLS];
    char entries[CELLS]; /* addresses that serve as entries */
    size_t next_entry;
};

static struct world world;

static void world_init(uint64_t base, struct random_source random) {
    memset(&world, 0, sizeof world);
    world.nodes.source = (struct object_source){limited_take, limited_give, MAPLE_NODE_BYTES};
    world.nodes.left = SIZE_MAX;
    pool_init(&world.nodes.pool, MAPLE_NODE_BYTES);
    epoch_domain_init(&world.domain);
    maple_init(&world.tree, &world.nodes.source, &world.domain);
    world.base = base;
    world.random = random;
}

static void world_destroy(void) {
    maple_destroy(&world.tree);
    assert_int_equal(world.tree.nodes, 0);
    assert_int_equal(world.nodes.pool.taken, 0);
    pool_destroy(&world.nodes.pool);
}

/* Entries differ from their neighbours, or slots could not be told from cells. */
static void *fresh_entry(void) {
    world.next_entry = (world.next_entry + 1) % CELLS;
    return &world.entries[world.next_entry];
}

static void world_audit(void) {
    size_t entries = 0;
    const char *broken = maple_audit(&world.tree, &entries);
    if (broken != NULL) {
        fail_msg("%s", broken);
    }
    assert_int_equal(world.nodes.pool.taken, world.tree.nodes);
}

/* Every cell, and the walk from one run of equal cells to the next. */
static void world_compare(void) {
    world_audit();
    struct maple_walk walk;
    maple_walk_start(&walk, &world.tree, 0);
    void *before = NULL;
    for (size_t cell = 0; cell < CELLS; cell++) {
        void *entry = world.cells[cell];
        if (maple_load_at(&world.tree, world.base + cell) != entry) {
            fail_msg("cell %zu differs", cell);
        }
        if (entry != NULL && entry != before) {
            assert_ptr_equal(maple_walk_next(&walk), entry);
        }
        before = entry;
    }
    assert_null(maple_walk_next(&walk));
    assert_null(maple_load_at(&world.tree, MAPLE_LAST));
}

struct change {
    uint64_t first;
    struct maple_edit edits[MAPLE_MAX_EDITS];
    unsigned count;
};

/* One to three ranges; most are short, some reach far. */
static struct change random_change(void) {
    size_t first = random_below(&world.random, CELLS);
    struct change change = {.first = world.base + first};
    unsigned wanted = 1 + (unsigned)random_below(&world.random, MAPLE_MAX_EDITS);
    bool was_empty = false;
    while (change.count < wanted && first < CELLS) {
        size_t reach = random_below(&world.random, 40) == 0 ? CELLS - first : 12;
        size_t length = 1 + random_below(&world.random, reach);
        first = first + length < CELLS ? first + length : CELLS;
        bool is_empty = !was_empty && random_below(&world.random, 4) == 0;
        change.edits[change.count++] =
            (struct maple_edit){world.base + first - 1, is_empty ? NULL : fresh_entry()};
        was_empty = is_empty;
    }
    return change;
}

static void apply_to_cells(const struct change *change) {
    size_t cell = change->first - world.base;
    for (unsigned i = 0; i < change->count; i++) {
        for (; cell <= change->edits[i].last - world.base; cell++) {
            world.cells[cell] = change->edits[i].entry;
        }
    }
}

static void apply(const struct change *change) {
    assert_int_equal(maple_replace(&world.tree, change->first, change->edits, change->count), 0);
    apply_to_cells(change);
}

static void live(uint64_t base, const char *name, size_t steps) {
    world_init(base, random_start(name));
    for (size_t step = 0; step < random_steps(steps); step++) {
        struct change change = random_change();
        apply(&change);
        if (step % 16 == 0) {
            world_compare();
        } else {
            world_audit();
        }
    }
    world_compare();
    world_destroy();
}

static void test_low_indices(void **state) {
    (void)state;
    live(0, "low indices", 8000);
}

static void test_high_indices(void **state) {
    (void)state;
    live(UINT64_MAX - CELLS, "high indices", 8000);
}

/* Each change is first tried with every number of nodes that is not enough. */
static void test_source_runs_dry(void **state) {
    (void)state;
    world_init(1 << 20, random_start("source runs dry"));
    size_t refused = 0;
    for (size_t step = 0; step < random_steps(2000); step++) {
        struct change change = random_change();
        for (size_t left = 0;; left++) {
            world.nodes.left = left;
            int status = maple_replace(&world.tree, change.first, change.edits, change.count);
            if (status == 0) {
                break;
            }
            assert_int_equal(status, -ENOMEM);
            refused++;
            world_audit();
            if (step % 64 == 0) {
                world_compare();
            }
        }
        apply_to_cells(&change);
    }
    world_compare();
    assert_true(refused > 0);
    world.nodes.left = SIZE_MAX;
    world_destroy();
}

static void fill_every_other_cell(void) {
    for (size_t cell = 0; cell < CELLS; cell += 2) {
        struct change change = {world.base + cell, {{world.base + cell, fresh_entry()}}, 1};
        apply(&change);
    }
    assert_true(world.tree.height >= 3);
}

/* A range that begins and ends a few cells inside nodes of one level, or anywhere. */
static struct change wide_change(void) {
    struct maple_path low;
    struct maple_path high;
    unsigned level = (unsigned)random_below(&world.random, world.tree.height);
    size_t border = random_below(&world.random, CELLS);
    size_t other = random_below(&world.random, CELLS);
    maple_path_find(&low, &world.tree, world.base + (border < other ? border : other));
    maple_path_find(&high, &world.tree, world.base + (border < other ? other : border));
    uint64_t first = low.step[level].first + random_below(&world.random, 4);
    uint64_t last = high.step[level].last - random_below(&world.random, 4);
    first = first < world.base ? world.base : first;
    last = last >= world.base + CELLS ? world.base + CELLS - 1 : last;
    void *entry = random_below(&world.random, 2) == 0 ? NULL : fresh_entry();
    return (struct change){first, {{last, entry}}, 1};
}

/* Many nodes go in one change: levels vanish, what is left finds neighbours under other parents. */
static void test_wide_changes(void **state) {
    (void)state;
    struct random_source random = random_start("wide changes");
    for (size_t step = 0; step < random_steps(300); step++) {
        world_init(5000, random);
        fill_every_other_cell();
        for (unsigned change = 0; change < 3 && world.tree.height > 0; change++) {
            struct change wide = wide_change();
            apply(&wide);
            world_compare();
        }
        random = world.random;
        world_destroy();
    }
}

/* ---- damage -------------------------------------------------------------------------------- */

/* The audit must complain while a word has another value, and be content when it is restored. */
static void damage(uint64_t *word, uint64_t value, const char *what) {
    size_t entries = 0;
    uint64_t saved = *word;
    assert_true(saved != value);
    *word = value;
    const char *broken = maple_audit(&world.tree, &entries);
    *word = saved;
    if (broken == NULL) {
        fail_msg("the audit did not see damage: %s", what);
    }
    world_audit();
}

static void damage_header(uintptr_t *header, uintptr_t value, const char *what) {
    size_t entries = 0;
    uintptr_t saved = *header;
    *header = value;
    const char *broken = maple_audit(&world.tree, &entries);
    *header = saved;
    if (broken == NULL) {
        fail_msg("the audit did not see damage: %s", what);
    }
}

static void damage_step(const struct maple_step *step, unsigned level) {
    struct maple_node *node = step->node;
    uint64_t *pivots = maple_pivots(node, level);
    unsigned used = maple_used(node);
    for (unsigned slot = 0; slot + 1 < maple_capacity(level); slot++) {
        if (slot + 1 < used) {
            damage(&pivots[slot], step->last, "a pivot at the node's end");
            damage(&pivots[slot], slot > 0 ? pivots[slot - 1] : step->first - 1,
                   "a pivot as small as the one before");
        } else {
            damage(&pivots[slot], 1, "an unused pivot, or the node's end");
        }
    }
    damage_header(&node->header, used - 1, "a slot too few");
    damage_header(&node->header, used + 1, "a slot too many");
    damage_header(&node->header, 0, "no slots");
    damage_header(&node->header, node->header | MAPLE_NODE_BYTES, "a link");
    for (unsigned slot = 0; level > 0 && slot < used; slot++) {
        damage(&node->inner.gap[slot], node->inner.gap[slot] + 1, "a gap too long");
        damage(&node->inner.gap[slot], node->inner.gap[slot] - 1, "a gap too short");
    }
}

static void test_audit_finds_damage(void **state) {
    (void)state;
    world_init(100000, random_start("audit finds damage"));
    for (size_t step = 0; step < 3000; step++) {
        struct change change = random_change();
        apply(&change);
    }
    fill_every_other_cell();
    for (unsigned trial = 0; trial < 50; trial++) {
        struct maple_path path;
        maple_path_find(&path, &world.tree, world.base + random_below(&world.random, CELLS));
        for (unsigned level = 0; level < world.tree.height; level++) {
            damage_step(&path.step[level], level);
        }
        struct maple_slot *slot = &path.step[0].node->leaf.slot[path.step[0].slot];
        void *entry = slot->pointer;
        slot->pointer = entry == NULL ? fresh_entry() : NULL;
        size_t before = 0;
        size_t after = 0;
        const char *broken = maple_audit(&world.tree, &after);
        slot->pointer = entry;
        assert_null(maple_audit(&world.tree, &before));
        assert_true(broken != NULL || before != after);
    }
    world.tree.nodes++;
    size_t entries = 0;
    assert_non_null(maple_audit(&world.tree, &entries));
    world.tree.nodes--;
    world_destroy();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_low_indices),        cmocka_unit_test(test_high_indices),
        cmocka_unit_test(test_source_runs_dry),    cmocka_unit_test(test_wide_changes),
        cmocka_unit_test(test_audit_finds_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
