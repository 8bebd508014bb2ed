/* test_vma_index.c - both indexes under the same random changes and questions, against a sorted
 * array. ARENITE_TEST_STEPS sets how many steps each world makes. */
#include "model/pool.h"
#include "model/vma_index.h"

#include "support_vma_oracle.h"
#include "test_random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* One index, the oracle beside it, and the VMAs that are in neither. */
struct world {
    struct vma_index index;
    struct pool nodes; /* the maple tree's */
    struct vma_oracle oracle;
    struct random_source random;
    struct vma *vmas;
    struct vma **spare;
    size_t spares;
    size_t target; /* the count that the mix of changes drifts to; a new one when reached */
    vaddr base;    /* the world is [base, base + pages), and questions reach a little beyond */
    uint64_t pages;
};

enum index_kind { KIND_RBTREE, KIND_MAPLE };

static void world_init(struct world *world, enum index_kind kind, vaddr base, uint64_t pages,
                       size_t vmas) {
    *world = (struct world){.base = base, .pages = pages, .spares = vmas};
    pool_init(&world->nodes, MAPLE_NODE_BYTES);
    if (kind == KIND_RBTREE) {
        vma_index_init_rbtree(&world->index);
    } else {
        vma_index_init_maple(&world->index, &world->nodes.source);
    }
    oracle_init(&world->oracle, vmas);
    world->vmas = calloc(vmas, sizeof *world->vmas);
    world->spare = calloc(vmas, sizeof *world->spare);
    assert_non_null(world->vmas);
    assert_non_null(world->spare);
    for (size_t i = 0; i < vmas; i++) {
        world->spare[i] = &world->vmas[i];
    }
}

static void world_destroy(struct world *world) {
    vma_index_destroy(&world->index);
    assert_int_equal(world->nodes.taken, 0);
    pool_destroy(&world->nodes);
    oracle_destroy(&world->oracle);
    free(world->vmas);
    free(world->spare);
}

static vaddr page_address(const struct world *world, uint64_t page) {
    return world->base + page * MODEL_PAGE_BYTES;
}

static vaddr world_end(const struct world *world) {
    return page_address(world, world->pages);
}

/* A page boundary in [start, end]. */
static vaddr random_address(struct world *world, vaddr start, vaddr end) {
    uint64_t pages = (end - start) / MODEL_PAGE_BYTES;
    return start + random_below(&world->random, pages + 1) * MODEL_PAGE_BYTES;
}

/* A non-empty part of [start, end), often beginning or ending where that does. */
static void random_part(struct world *world, vaddr *start, vaddr *end) {
    vaddr low = random_address(world, *start, *end - MODEL_PAGE_BYTES);
    vaddr high = random_address(world, low + MODEL_PAGE_BYTES, *end);
    size_t choice = random_below(&world->random, 4);
    *start = (choice & 1) != 0 ? *start : low;
    *end = (choice & 2) != 0 ? *end : high;
}

static void retire(struct world *world, size_t position) {
    world->spare[world->spares++] = world->oracle.entries[position].vma;
    oracle_erase(&world->oracle, position);
}

/* ---- changes ------------------------------------------------------------------------------- */

static void change_insert(struct world *world) {
    size_t position = random_below(&world->random, world->oracle.count + 1);
    vaddr start = oracle_gap_start(&world->oracle, position);
    vaddr end = oracle_gap_end(&world->oracle, position);
    start = start < world->base ? world->base : start;
    end = end > world_end(world) ? world_end(world) : end;
    if (world->spares == 0 || start >= end) {
        return;
    }
    random_part(world, &start, &end);
    uint64_t usual_bytes = (1 + random_below(&world->random, 4)) * MODEL_PAGE_BYTES;
    if (end - start > usual_bytes && random_below(&world->random, 16) > 0) {
        end = start + usual_bytes;
    }
    struct vma *vma = world->spare[--world->spares];
    vma->start = start;
    vma->end = end;
    oracle_insert(&world->oracle, vma, start, end);
    assert_int_equal(vma_index_insert(&world->index, vma), 0);
}

static void change_erase(struct world *world) {
    if (world->oracle.count == 0) {
        return;
    }
    size_t position = random_below(&world->random, world->oracle.count);
    assert_int_equal(vma_index_erase(&world->index, world->oracle.entries[position].vma), 0);
    retire(world, position);
}

/* A new range between the bounds that overlaps the old one; neighbours up to `reach` away on each
 * side may be absorbed whole. */
static void change_resize(struct world *world) {
    struct vma_oracle *oracle = &world->oracle;
    if (oracle->count == 0) {
        return;
    }
    size_t position = random_below(&world->random, oracle->count);
    size_t reach = random_below(&world->random, 8) == 0 ? random_below(&world->random, 6) : 0;
    size_t first = position < reach ? 0 : position - reach;
    size_t last = position + reach >= oracle->count ? oracle->count - 1 : position + reach;
    struct vma *vma = oracle->entries[position].vma;
    vaddr start = oracle_gap_start(oracle, first);
    vaddr end = oracle_gap_end(oracle, last + 1);
    start = start < world->base ? world->base : start;
    end = end > world_end(world) ? world_end(world) : end;
    vaddr inner_end =
        first == position ? vma->end - MODEL_PAGE_BYTES : oracle->entries[first].start;
    vaddr inner_start =
        last == position ? vma->start + MODEL_PAGE_BYTES : oracle->entries[last].end;
    start = random_address(world, start, inner_end);
    inner_start = inner_start <= start ? start + MODEL_PAGE_BYTES : inner_start;
    end = random_address(world, inner_start, end);
    assert_int_equal(vma_index_resize(&world->index, vma, start, end), 0);
    for (size_t at = last + 1; at-- > first;) {
        if (at != position) {
            retire(world, at);
        }
    }
    oracle->entries[first] = (struct oracle_entry){start, end, vma};
}

static void change_shift(struct world *world) {
    struct vma_oracle *oracle = &world->oracle;
    if (oracle->count < 2) {
        return;
    }
    size_t left = random_below(&world->random, oracle->count - 1);
    struct oracle_entry *entries = oracle->entries + left;
    if (entries[0].end != entries[1].start) {
        return;
    }
    if (entries[1].end - entries[0].start < 3 * MODEL_PAGE_BYTES) {
        return;
    }
    vaddr at = random_address(world, entries[0].start + MODEL_PAGE_BYTES,
                              entries[1].end - MODEL_PAGE_BYTES);
    assert_int_equal(vma_index_shift(&world->index, entries[0].vma, entries[1].vma, at), 0);
    entries[0].end = at;
    entries[1].start = at;
}

static void change_split(struct world *world) {
    struct vma_oracle *oracle = &world->oracle;
    if (oracle->count == 0 || world->spares == 0) {
        return;
    }
    struct oracle_entry *entry = &oracle->entries[random_below(&world->random, oracle->count)];
    if (entry->end - entry->start == MODEL_PAGE_BYTES) {
        return;
    }
    vaddr end = entry->end;
    vaddr at = random_address(world, entry->start + MODEL_PAGE_BYTES, end - MODEL_PAGE_BYTES);
    struct vma *upper = world->spare[--world->spares];
    assert_int_equal(vma_index_split(&world->index, entry->vma, at, upper), 0);
    entry->end = at;
    oracle_insert(oracle, upper, at, end);
}

/* Shares of the kinds of change, in percent. */
struct mix {
    unsigned insert;
    unsigned erase;
    unsigned split;
    unsigned resize; /* the rest are shifts */
};

/* Worlds grow and shrink between random counts, so that every fill is seen. */
static void change_something(struct world *world) {
    static const struct mix growing = {45, 8, 25, 12};
    static const struct mix shrinking = {15, 50, 5, 20};
    if (world->oracle.count == world->target) {
        world->target = random_below(&world->random, world->oracle.capacity * 7 / 8);
    }
    const struct mix *mix = world->oracle.count < world->target ? &growing : &shrinking;
    size_t choice = random_below(&world->random, 100);
    if (choice < mix->insert) {
        change_insert(world);
    } else if (choice < mix->insert + mix->erase) {
        change_erase(world);
    } else if (choice < mix->insert + mix->erase + mix->split) {
        change_split(world);
    } else if (choice < mix->insert + mix->erase + mix->split + mix->resize) {
        change_resize(world);
    } else {
        change_shift(world);
    }
}

/* ---- questions ----------------------------------------------------------------------------- */

static void ask_address(struct world *world, vaddr address) {
    const struct vma_oracle *oracle = &world->oracle;
    size_t at = oracle_find(oracle, address);
    const struct vma *expected = at < oracle->count ? oracle->entries[at].vma : NULL;
    assert_ptr_equal(vma_index_find(&world->index, address), expected);
    bool holds = expected != NULL && oracle->entries[at].start <= address;
    assert_ptr_equal(vma_index_lookup(&world->index, address), holds ? expected : NULL);
    size_t after = oracle_find_last(oracle, address);
    assert_ptr_equal(vma_index_find_last(&world->index, address),
                     after > 0 ? oracle->entries[after - 1].vma : NULL);
}

static void ask_random_address(struct world *world) {
    vaddr address = random_address(world, world->base, world_end(world));
    size_t choice = random_below(&world->random, 3);
    ask_address(world, choice == 0 && address > 0 ? address - 1 : address + (choice == 1));
}

static void ask_gap(struct world *world) {
    vaddr low = random_address(world, world->base, world_end(world));
    vaddr high = random_address(world, world->base, world_end(world));
    bool whole = random_below(&world->random, 2) == 0;
    struct gap_request request = {
        .length_bytes = (1 + random_below(&world->random, 24)) * MODEL_PAGE_BYTES,
        .alignment_bytes = MODEL_PAGE_BYTES << random_below(&world->random, 5),
        .low = whole ? world->base : low,
        .high = whole ? world_end(world) : high,
    };
    assert_int_equal(vma_index_gap_bottom_up(&world->index, &request),
                     oracle_place(&world->oracle, &request, false));
    assert_int_equal(vma_index_gap_top_down(&world->index, &request),
                     oracle_place(&world->oracle, &request, true));
}

/* ---- the tests ----------------------------------------------------------------------------- */

static void live(enum index_kind kind, vaddr base, uint64_t pages, size_t vmas, size_t steps,
                 size_t check_every, struct random_source random) {
    struct world world;
    world_init(&world, kind, base, pages, vmas);
    world.random = random;
    for (size_t step = 0; step < steps; step++) {
        change_something(&world);
        ask_random_address(&world);
        if (step % check_every == 0) {
            ask_gap(&world);
            oracle_compare(&world.oracle, &world.index);
        }
    }
    oracle_compare(&world.oracle, &world.index);
    while (world.oracle.count > 0) {
        change_erase(&world);
    }
    oracle_compare(&world.oracle, &world.index);
    world_destroy(&world);
}

/* Few pages: borders meet, everything is adjacent to something. */
static void test_crowded_world(void **state) {
    struct random_source random = random_start("crowded world");
    live(*(enum index_kind *)*state, 0, 200, 120, random_steps(30000), 1, random);
}

static void test_sparse_world(void **state) {
    struct random_source random = random_start("sparse world");
    live(*(enum index_kind *)*state, UINT64_C(0x7f0000000000), 5000, 400, random_steps(30000), 7,
         random);
}

static void test_large_world(void **state) {
    struct random_source random = random_start("large world");
    live(*(enum index_kind *)*state, UINT64_C(1) << 32, 20000, 4000, random_steps(60000), 997,
         random);
}

/* The last page below 2^64 - 4096 can be mapped, and the gap above it is not lost. */
static void test_world_at_the_top(void **state) {
    struct random_source random = random_start("world at the top");
    live(*(enum index_kind *)*state, UINT64_MAX - 100 * MODEL_PAGE_BYTES + 1, 99, 60,
         random_steps(5000), 1, random);
}

static void test_empty_index_answers(void **state) {
    struct world world;
    world_init(&world, *(enum index_kind *)*state, 0, 16, 1);
    oracle_compare(&world.oracle, &world.index);
    ask_address(&world, 0);
    ask_address(&world, VADDR_NONE);
    struct gap_request request = {3 * MODEL_PAGE_BYTES, MODEL_PAGE_BYTES, 0, 16 * MODEL_PAGE_BYTES};
    assert_int_equal(vma_index_gap_bottom_up(&world.index, &request), 0);
    assert_int_equal(vma_index_gap_top_down(&world.index, &request), 13 * MODEL_PAGE_BYTES);
    request.length_bytes = 17 * MODEL_PAGE_BYTES;
    assert_true(vma_index_gap_top_down(&world.index, &request) == VADDR_NONE);
    world_destroy(&world);
}

/* ---- damage -------------------------------------------------------------------------------- */

/* The audit must complain while a word has another value, and be content when it is restored. */
static void damage(const struct world *world, void *word, uint64_t value, const char *what) {
    uint64_t saved;
    memcpy(&saved, word, sizeof saved);
    memcpy(word, &value, sizeof value);
    const char *broken = vma_index_audit(&world->index);
    memcpy(word, &saved, sizeof saved);
    if (broken == NULL) {
        fail_msg("%s: the audit did not see damage: %s", world->index.ops->name, what);
    }
    oracle_compare(&world->oracle, &world->index);
}

static void damage_links(const struct world *world, struct vma *vma) {
    struct vma_rb_links *links = &vma->links;
    struct vma_rb_links saved = *links;
    damage(world, &links->subtree_gap_bytes, saved.subtree_gap_bytes + 1, "a gap too long");
    links->parent_and_color ^= 1;
    assert_non_null(vma_index_audit(&world->index));
    *links = saved;
    links->previous = links->previous != NULL ? NULL : vma;
    assert_non_null(vma_index_audit(&world->index));
    *links = saved;
    links->next = links->next != NULL ? NULL : vma;
    assert_non_null(vma_index_audit(&world->index));
    *links = saved;
    links->child[0] = saved.child[1];
    links->child[1] = saved.child[0];
    assert_true(saved.child[0] == saved.child[1] || vma_index_audit(&world->index) != NULL);
    *links = saved;
}

static void test_audit_finds_damage(void **state) {
    enum index_kind kind = *(enum index_kind *)*state;
    struct world world;
    world_init(&world, kind, 0, 4000, 300);
    world.random = random_start("audit finds damage");
    while (world.spares > 0) {
        change_insert(&world);
        change_split(&world);
    }
    for (size_t at = 0; at < world.oracle.count; at++) {
        struct vma *vma = world.oracle.entries[at].vma;
        damage(&world, &vma->start, vma->end, "an empty VMA");
        damage(&world, &vma->end, vma->start, "an empty VMA");
        if (at > 0 && vma->start > 0) {
            damage(&world, &vma->start, world.oracle.entries[at - 1].start, "overlapping VMAs");
        }
        if (kind == KIND_RBTREE) {
            damage_links(&world, vma);
        }
    }
    world.index.count++;
    assert_non_null(vma_index_audit(&world.index));
    world.index.count--;
    world_destroy(&world);
}

static enum index_kind rbtree = KIND_RBTREE;
static enum index_kind maple = KIND_MAPLE;

#define TESTS_OF(kind)                                             \
    cmocka_unit_test_prestate(test_empty_index_answers, &(kind)),  \
        cmocka_unit_test_prestate(test_crowded_world, &(kind)),    \
        cmocka_unit_test_prestate(test_sparse_world, &(kind)),     \
        cmocka_unit_test_prestate(test_large_world, &(kind)),      \
        cmocka_unit_test_prestate(test_world_at_the_top, &(kind)), \
        cmocka_unit_test_prestate(test_audit_finds_damage, &(kind))

int main(void) {
    const struct CMUnitTest tests[] = {TESTS_OF(rbtree), TESTS_OF(maple)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
