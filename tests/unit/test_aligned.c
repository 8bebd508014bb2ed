/* test_aligned.c - small domains exhausted: requests x alignments, chunk sizes x split places x
 * orders of freeing, realloc from every size to every size.
 * Layer: tests (includes api and below). */
#include "arenite/arenite.h"
#include "chunk/alloc.h"
#include "chunk/fast_bin.h"
#include "chunk/free.h"
#include "glibc_profile.h"
#include "support.h"
#include "support_recount.h"
#include "thread/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define REQUEST_LIMIT 2100
#define ALIGNMENT_LIMIT 4096

static const unsigned char orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                           {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

static void check(struct arena *arena) {
    const char *error = recount_arena(arena, NULL);
    if (error != NULL) {
        fail_msg("%s", error);
    }
}

static struct arena *new_arena(void) {
    struct arena *arena = arena_attach();
    return arena != &main_arena ? arena : arena_attach();
}

/* ---- requests x alignments x orders ---------------------------------------------------------- */

/* Three blocks of one request, checked and freed in one order; the arena is then as before. */
static void three_aligned(const struct chunk_caller *caller, size_t request, size_t alignment,
                          const unsigned char *order) {
    struct chunk *chunks[3];
    for (unsigned i = 0; i < 3; i++) {
        size_t bytes = chunk_bytes_for(request);
        chunks[i] = alignment <= CHUNK_ALIGNMENT ? arena_alloc(caller, bytes)
                                                 : arena_alloc_aligned(caller, alignment, bytes);
        assert_non_null(chunks[i]);
        assert_int_equal((uintptr_t)chunk_memory(chunks[i]) % alignment, 0);
        assert_true(chunk_usable_bytes(chunks[i]) >= request);
        assert_true(chunk_bytes(chunks[i]) <= bytes + CHUNK_MIN_BYTES);
        test_pattern_fill(chunk_memory(chunks[i]), request, i);
    }
    for (unsigned i = 0; i < 3; i++) {
        unsigned at = order[i];
        assert_true(test_pattern_holds(chunk_memory(chunks[at]), request, at));
        arena_free(caller, chunks[at]);
    }
}

static void test_requests_by_alignments(void **state) {
    (void)state;
    struct arena *arena = new_arena();
    const struct chunk_caller caller = {arena, &quick_closed};
    arena_lock(arena);
    for (size_t alignment = 1; alignment <= ALIGNMENT_LIMIT; alignment *= 2) {
        for (size_t request = 0; request <= REQUEST_LIMIT; request++) {
            three_aligned(&caller, request, alignment, orders[request % 6]);
            if (request % 16 == 0) {
                check(arena);
            }
        }
        fast_bin_consolidate(arena);
        struct recount counts;
        assert_null(recount_arena(arena, &counts));
        assert_int_equal(counts.used_count + counts.free_count, 0);
    }
    arena_unlock(arena);
    arena_detach(arena);
}

/* The same through the public functions, quick lists included: a page of the table a run. */
static void test_public_alignments(void **state) {
    (void)state;
    for (size_t alignment = 1; alignment <= ALIGNMENT_LIMIT; alignment *= 2) {
        void *blocks[REQUEST_LIMIT + 1];
        for (size_t request = 0; request <= REQUEST_LIMIT; request++) {
            blocks[request] = arenite_memalign(alignment, request);
            assert_non_null(blocks[request]);
            assert_int_equal((uintptr_t)blocks[request] % alignment, 0);
            assert_true(arenite_malloc_usable_size(blocks[request]) >= request);
            test_pattern_fill(blocks[request], request, request);
        }
        for (size_t i = 0; i <= REQUEST_LIMIT; i++) {
            size_t request = i * 1021 % (REQUEST_LIMIT + 1); /* 1021 and 2101 share no divisor */
            assert_true(test_pattern_holds(blocks[request], request, request));
            arenite_free(blocks[request]);
        }
        assert_null(recount_all());
    }
}

/* ---- splits and merges ----------------------------------------------------------------------- */

/* Cuts a chunk of `whole` bytes into A, B and C, with blocks in use around it, and frees them in
 * one order: one free chunk of `whole` bytes must come back. */
static void split_and_merge(const struct chunk_caller *caller, size_t whole, size_t first,
                            size_t second, const unsigned char *order) {
    struct chunk *parts[3] = {arena_alloc(caller, whole)};
    struct chunk *guard = arena_alloc(caller, CHUNK_MIN_BYTES);
    struct chunk *start = parts[0];
    const size_t sizes[3] = {first, second, whole - first - second};
    for (unsigned i = 0; i < 2; i++) {
        parts[i + 1] = chunk_at(parts[i], sizes[i]);
        size_t rest = chunk_bytes(parts[i]) - sizes[i];
        chunk_set_head(parts[i + 1], rest | CHUNK_PREV_IN_USE | (start->size & CHUNK_NON_MAIN));
        chunk_set_bytes(parts[i], sizes[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(chunk_bytes(parts[i]), sizes[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        free_merge(caller->arena, parts[order[i]]);
    }
    assert_int_equal(chunk_bytes(start), whole);
    assert_int_equal(parts[1]->size, 0); /* headers inside are none any more */
    assert_int_equal(parts[2]->size, 0);
    assert_false(chunk_in_use_at(start, whole));
    check(caller->arena);
    assert_ptr_equal(arena_alloc(caller, whole), start); /* an exact fit, found at once */
    free_merge(caller->arena, start);
    free_merge(caller->arena, guard);
}

static void test_splits_and_merges(void **state) {
    (void)state;
    struct arena *arena = new_arena();
    const struct chunk_caller caller = {arena, &quick_closed};
    size_t step = CHUNK_ALIGNMENT;
    arena_lock(arena);
    for (size_t whole = 3 * CHUNK_MIN_BYTES; whole <= 70 * step; whole += step) {
        for (size_t first = CHUNK_MIN_BYTES; first + 2 * CHUNK_MIN_BYTES <= whole; first += step) {
            size_t second = CHUNK_MIN_BYTES + (first * 7 + whole) / step * step %
                                                  (whole - first - 2 * CHUNK_MIN_BYTES + step);
            for (unsigned order = 0; order < 6; order++) {
                split_and_merge(&caller, whole, first, second, orders[order]);
            }
        }
    }
    arena_unlock(arena);
    arena_detach(arena);
}

/* ---- realloc from every size to every size --------------------------------------------------- */

enum neighbour { NEIGHBOUR_TOP, NEIGHBOUR_FREE, NEIGHBOUR_USED, NEIGHBOURS };

static void resize_once(const struct chunk_caller *caller, size_t from, size_t to,
                        enum neighbour neighbour) {
    struct chunk *chunk = arena_alloc(caller, chunk_bytes_for(from));
    struct chunk *next = NULL;
    struct chunk *guard = NULL;
    if (neighbour != NEIGHBOUR_TOP) {
        next = arena_alloc(caller, 640);
        guard = arena_alloc(caller, CHUNK_MIN_BYTES);
    }
    if (neighbour == NEIGHBOUR_FREE) {
        free_merge(caller->arena, next);
    }
    test_pattern_fill(chunk_memory(chunk), from, to);
    struct chunk *resized = arena_resize(caller, chunk, chunk_bytes_for(to));
    assert_non_null(resized);
    assert_true(chunk_usable_bytes(resized) >= to);
    assert_true(test_pattern_holds(chunk_memory(resized), from < to ? from : to, to));
    if (to <= from || neighbour == NEIGHBOUR_TOP ||
        (neighbour == NEIGHBOUR_FREE && to <= from + 640)) {
        assert_ptr_equal(resized, chunk); /* in place wherever there is room */
    }
    test_pattern_fill(chunk_memory(resized), to, from);
    free_merge(caller->arena, resized);
    if (neighbour == NEIGHBOUR_USED) {
        free_merge(caller->arena, next);
    }
    if (guard != NULL) {
        free_merge(caller->arena, guard);
    }
    fast_bin_consolidate(caller->arena);
}

static void test_realloc_sizes(void **state) {
    (void)state;
    struct arena *arena = new_arena();
    const struct chunk_caller caller = {arena, &quick_closed};
    struct recount counts;
    arena_lock(arena);
    for (unsigned neighbour = 0; neighbour < NEIGHBOURS; neighbour++) {
        for (size_t from = 0; from <= 1300; from += 4) {
            for (size_t to = from % 12; to <= 1300; to += 12) {
                resize_once(&caller, from, to, (enum neighbour)neighbour);
            }
            assert_null(recount_arena(arena, &counts));
            assert_int_equal(counts.used_count + counts.free_count, 0);
        }
    }
    arena_unlock(arena);
    arena_detach(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_by_alignments),
        cmocka_unit_test(test_public_alignments),
        cmocka_unit_test(test_splits_and_merges),
        cmocka_unit_test(test_realloc_sizes),
    };
    arenite_free(arenite_malloc(1));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
