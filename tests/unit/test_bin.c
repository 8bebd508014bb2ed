/* test_bin.c - which bin a size belongs to, and the bins against sorted arrays.
 * Layer: tests (includes chunk and below). */
#include "chunk/bin.h"
#include "glibc_profile.h"

#include "chunk/fast_bin.h"
#include "test_random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

/* ---- sizes ----------------------------------------------------------------------------------- */

/* The documents' formulas: six ranges, each with steps eight times as wide as the one before. */
static unsigned documented_bin(size_t bytes) {
    size_t word = sizeof(size_t);
    size_t limit = word == 8 ? 48 : 38;
    size_t base = word == 8 ? 48 : 56;
    if (bytes < 64 * 2 * word) {
        return (unsigned)(bytes / (2 * word));
    }
    return (unsigned)((bytes >> 6) <= limit ? base + (bytes >> 6)
                      : (bytes >> 9) <= 20  ? 91 + (bytes >> 9)
                      : (bytes >> 12) <= 10 ? 110 + (bytes >> 12)
                      : (bytes >> 15) <= 4  ? 119 + (bytes >> 15)
                      : (bytes >> 18) <= 2  ? 124 + (bytes >> 18)
                                            : 126);
}

static void test_index(void **state) {
    (void)state;
    unsigned last = 0;
    for (size_t bytes = CHUNK_MIN_BYTES; bytes < (size_t)4 << 20; bytes += CHUNK_ALIGNMENT) {
        unsigned index = bin_index(bytes);
        assert_int_equal(index, documented_bin(bytes));
        assert_true(index >= last && index <= BIN_LAST && index >= BIN_FIRST_SMALL);
        assert_int_equal(bin_is_small(bytes), index < SMALL_BINS);
        last = index;
    }
    for (unsigned shift = 22; shift < sizeof(size_t) * 8 - 1; shift++) {
        assert_int_equal(bin_index(((size_t)1 << shift)), BIN_LAST);
        assert_int_equal(bin_index(((size_t)2 << shift) - CHUNK_ALIGNMENT), BIN_LAST);
    }
}

static void test_fast_index(void **state) {
    (void)state;
    for (unsigned index = 0; index < FAST_BINS; index++) {
        assert_int_equal(fast_bin_index(fast_bin_bytes(index)), index);
    }
    assert_int_equal(fast_bin_bytes(0), CHUNK_MIN_BYTES);
    size_t largest = chunk_bytes_for(FAST_REQUEST_MAX_BYTES);
    assert_true(fast_bin_index(largest) < FAST_BINS);
    assert_int_equal(FAST_DEFAULT_BYTES, sizeof(size_t) == 8 ? 128 : 64);
}

/* ---- a world of free chunks, each with a chunk in use behind it ------------------------------ */

#define PLACES 400
#define PLACE_BYTES ((size_t)600 * 1024)

/* What the model knows of one chunk: where in which bin it should be. */
struct place {
    struct chunk *chunk;
    size_t bytes;
    unsigned bin; /* 0: in none */
    size_t entry; /* counts up: when it entered the bin */
};

struct world {
    struct arena arena;
    struct place places[PLACES];
    size_t entries;
};

static struct world world;

/* Links are followed only into heaps. */
static void make_heap(struct heap *heap, void *start, size_t bytes) {
    *heap = (struct heap){.arena = &world.arena, .start = (uintptr_t)start};
    assert_int_equal(heap_set_bytes(heap, bytes), 0);
}

/* Pages of a place are touched only where headers and ends lie. */
static void world_init(void) {
    static char *memory;
    static struct heap heaps[2];
    if (memory == NULL) {
        memory = mmap(NULL, PLACES * PLACE_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        assert_ptr_not_equal(memory, MAP_FAILED);
        make_heap(&heaps[0], memory, PLACES * PLACE_BYTES);
        make_heap(&heaps[1], &world, sizeof world);
    }
    memset(&world, 0, sizeof world);
    arena_init(&world.arena);
    world.arena.system_bytes = PLACES * PLACE_BYTES;
    for (size_t i = 0; i < PLACES; i++) {
        world.places[i].chunk = chunk_at(memory, i * PLACE_BYTES);
    }
}

static void make_free(struct place *place, size_t bytes) {
    place->bytes = bytes;
    chunk_set_head(place->chunk, bytes | CHUNK_PREV_IN_USE);
    chunk_set_foot(place->chunk, bytes);
    chunk_set_head(chunk_at(place->chunk, bytes), CHUNK_MIN_BYTES);
}

static void put(struct place *place, size_t bytes, unsigned bin) {
    make_free(place, bytes);
    if (bin == BIN_UNSORTED) {
        bin_put_unsorted(&world.arena, place->chunk, bytes);
    } else {
        bin_put(&world.arena, place->chunk, bytes);
    }
    place->bin = bin;
    place->entry = ++world.entries;
}

static struct place *place_of(const struct chunk *chunk) {
    for (size_t i = 0; i < PLACES; i++) {
        if (world.places[i].chunk == chunk) {
            return &world.places[i];
        }
    }
    fail_msg("a chunk that was never put");
    return NULL;
}

/* ---- the model ------------------------------------------------------------------------------- */

/* The oldest of a small bin or of unsorted. */
static const struct chunk *model_oldest(unsigned bin) {
    const struct place *oldest = NULL;
    for (size_t i = 0; i < PLACES; i++) {
        const struct place *place = &world.places[i];
        if (place->bin == bin && (oldest == NULL || place->entry < oldest->entry)) {
            oldest = place;
        }
    }
    return oldest != NULL ? oldest->chunk : NULL;
}

/* Smallest size in a bin that is at least `bytes`, 0 when none is. */
static size_t model_best(unsigned bin, size_t bytes) {
    size_t best = 0;
    for (size_t i = 0; i < PLACES; i++) {
        const struct place *place = &world.places[i];
        if (place->bin == bin && place->bytes >= bytes && (best == 0 || place->bytes < best)) {
            best = place->bytes;
        }
    }
    return best;
}

static size_t model_count(unsigned bin, size_t bytes) {
    size_t count = 0;
    for (size_t i = 0; i < PLACES; i++) {
        count += world.places[i].bin == bin && (bytes == 0 || world.places[i].bytes == bytes);
    }
    return count;
}

static unsigned model_next_filled(unsigned index) {
    while (index <= BIN_LAST && model_count(index, 0) == 0) {
        index++;
    }
    return index <= BIN_LAST ? index : 0;
}

static void check_world(void) {
    size_t count = 0;
    size_t bytes = 0;
    const char *error = bin_audit(&world.arena, &count, &bytes);
    if (error != NULL) {
        fail_msg("%s", error);
    }
    for (size_t i = 0; i < PLACES; i++) {
        count -= world.places[i].bin != 0;
        bytes -= world.places[i].bin != 0 ? world.places[i].bytes : 0;
    }
    assert_int_equal(count, 0);
    assert_int_equal(bytes, 0);
}

/* ---- the script ------------------------------------------------------------------------------ */

/* Few different sizes, so that equal ones meet; some at the bounds between bins. */
static size_t random_chunk_bytes(struct random_source *random) {
    static const size_t ranges[] = {512, 2048, 16384, 131072, PLACE_BYTES - 64};
    size_t limit = ranges[random_below(random, sizeof ranges / sizeof ranges[0])];
    size_t steps = 1 + random_below(random, 24);
    size_t bytes = align_down(limit / 24 * steps, CHUNK_ALIGNMENT);
    return bytes < CHUNK_MIN_BYTES ? CHUNK_MIN_BYTES : bytes;
}

static void take_oldest(unsigned bin) {
    const struct chunk *expected = model_oldest(bin);
    struct chunk *chunk = bin_take_oldest(&world.arena, bin);
    assert_ptr_equal(chunk, expected);
    if (chunk != NULL) {
        struct place *place = place_of(chunk);
        assert_true(chunk_in_use_at(chunk, place->bytes));
        place->bin = 0;
    }
}

static void find_best(unsigned bin, size_t bytes) {
    size_t expected = model_best(bin, bytes);
    struct chunk *chunk = bin_find_best(&world.arena, bin, bytes);
    assert_int_equal(chunk != NULL ? chunk_bytes(chunk) : 0, expected);
    if (chunk != NULL) {
        /* Of several equal ones not the one with the size links. */
        assert_int_equal(chunk->fd_nextsize != NULL, model_count(bin, expected) == 1);
        bin_take(&world.arena, chunk);
        place_of(chunk)->bin = 0;
    }
}

static void step(struct random_source *random) {
    struct place *place = &world.places[random_below(random, PLACES)];
    size_t bytes = random_chunk_bytes(random);
    size_t kind = random_below(random, 10);
    if (place->bin == 0 && kind < 8) {
        put(place, bytes, kind == 0 ? BIN_UNSORTED : bin_index(bytes));
    } else if (place->bin != 0 && kind < 5) {
        bin_take(&world.arena, place->chunk);
        place->bin = 0;
    } else if (bin_is_small(bytes)) {
        take_oldest(bin_index(bytes));
    } else {
        find_best(bin_index(bytes), bytes);
    }
    unsigned index = (unsigned)random_below(random, BIN_LAST) + 1;
    assert_int_equal(bin_next_filled(&world.arena, index < 2 ? 2 : index),
                     model_next_filled(index < 2 ? 2 : index));
}

static void test_script(void **state) {
    (void)state;
    struct random_source random = random_start("test_script");
    world_init();
    for (size_t steps = random_steps(20000); steps > 0; steps--) {
        step(&random);
        check_world();
    }
}

/* ---- small domains --------------------------------------------------------------------------- */

/* Four chunks of up to three sizes, put in every order and taken in many: the shapes that the size
 * links of a large bin can have. */
static void take_in_order(const size_t *sizes, unsigned order_in, unsigned order_out) {
    world_init();
    bool in[4] = {false};
    for (unsigned i = 0; i < 4; i++, order_in /= 4) {
        unsigned which = order_in % 4;
        if (!in[which]) {
            in[which] = true;
            put(&world.places[which], sizes[which], bin_index(sizes[which]));
            check_world();
        }
    }
    for (unsigned i = 0; i < 4; i++, order_out /= 4) {
        unsigned which = order_out % 4;
        if (world.places[which].bin != 0) {
            bin_take(&world.arena, world.places[which].chunk);
            world.places[which].bin = 0;
            check_world();
        }
    }
}

static void test_orders_of_four(void **state) {
    (void)state;
    size_t base = LARGE_MIN_BYTES; /* the first large bin holds four sizes */
    for (unsigned sizes = 0; sizes < 27; sizes++) {
        const size_t chunk_sizes[4] = {base, base + sizes % 3 * CHUNK_ALIGNMENT,
                                       base + sizes / 3 % 3 * CHUNK_ALIGNMENT,
                                       base + sizes / 9 * CHUNK_ALIGNMENT};
        for (unsigned order = 0; order < 256; order++) {
            take_in_order(chunk_sizes, order, (order * 37 + 11) % 256);
            take_in_order(chunk_sizes, order, 0xe4); /* 0, 1, 2, 3 */
            take_in_order(chunk_sizes, 0xe4, order);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_fast_index),
        cmocka_unit_test(test_script),
        cmocka_unit_test(test_orders_of_four),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
