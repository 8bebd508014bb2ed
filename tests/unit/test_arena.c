/* test_arena.c - how threads share arenas; heap chains: opened, fenced, shrunk, deleted; deferred
 * frees.
 * Layer: tests (includes thread and below). */
#include "chunk/arena.h"
#include "glibc_profile.h"

#include "chunk/alloc.h"
#include "chunk/free.h"
#include "chunk/heap.h"
#include "chunk/params.h"
#include "support_recount.h"
#include "test_random.h"
#include "thread/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PIECES 2000
#define PIECE_BYTES ((size_t)100000)

static void audit(void) {
    const char *error = recount_all();
    if (error != NULL) {
        fail_msg("%s", error);
    }
}

/* Not main, which may lie in the free list too. */
static struct arena *attach_other(void) {
    struct arena *arena = arena_attach();
    return arena != &main_arena ? arena : arena_attach();
}

/* ---- sharing --------------------------------------------------------------------------------- */

static void test_limit_and_sharing(void **state) {
    (void)state;
    size_t before = arena_count();
    params.arena_max = before + 3;
    struct arena *arenas[8];
    for (size_t i = 0; i < 3; i++) {
        arenas[i] = arena_attach();
        assert_int_equal(arena_count(), before + i + 1);
        assert_ptr_equal(main_arena.next, arenas[i]); /* new ones follow main */
        assert_int_equal(arenas[i]->attached_threads, 1);
    }
    size_t threads = 0;
    for (size_t i = 3; i < 8; i++) {
        arenas[i] = arena_attach();
        assert_int_equal(arena_count(), before + 3);
        assert_true(i == 3 || arenas[i] != arenas[i - 1]); /* the walk goes on */
    }
    for (struct arena *arena = main_arena.next; arena != &main_arena; arena = arena->next) {
        threads += arena->attached_threads;
    }
    assert_int_equal(threads + main_arena.attached_threads, 8);
    for (size_t i = 0; i < 8; i++) {
        arena_detach(arenas[i]);
    }
    params.arena_max = 0;
}

/* Last in, first out; and never a new one while there is a free one. */
static void test_free_list(void **state) {
    (void)state;
    struct arena *first = arena_attach();
    struct arena *second = arena_attach();
    size_t count = arena_count();
    assert_ptr_not_equal(first, second);
    arena_detach(first);
    arena_detach(second);
    assert_ptr_equal(arena_attach(), second);
    assert_ptr_equal(arena_attach(), first);
    assert_int_equal(arena_count(), count);
    arena_detach(second);
    arena_detach(first);
}

/* A locked arena is passed over. */
static void test_busy_is_avoided(void **state) {
    (void)state;
    params.arena_max = 1;
    struct arena *held[16];
    size_t taken = 0;
    for (; taken < 16; taken++) { /* whatever the free list has */
        held[taken] = arena_attach();
    }
    struct arena *busy = main_arena.next;
    busy->lock.word = 1; /* as another thread would leave it */
    for (size_t i = 0; i < 8; i++) {
        struct arena *arena = arena_attach();
        assert_ptr_not_equal(arena, busy);
        arena_detach(arena);
    }
    busy->lock.word = 0;
    while (taken > 0) {
        arena_detach(held[--taken]);
    }
    params.arena_max = 0;
}

static void test_retry(void **state) {
    (void)state;
    struct arena *arena = attach_other();
    assert_ptr_equal(arena_retry(arena), &main_arena);
    struct arena *other = arena_retry(&main_arena);
    assert_non_null(other);
    assert_ptr_not_equal(other, &main_arena);
    arena_detach(arena);
    audit();
}

/* Processors are looked at only beyond arena_test. */
static void test_limit_by_processors(void **state) {
    (void)state;
    size_t limit = ARENAS_PER_CPU * (size_t)os_cpu_count();
    static struct arena *arenas[4096];
    size_t count = limit + 20 < 4096 ? limit + 20 : 4096;
    for (size_t i = 0; i < count; i++) {
        arenas[i] = arena_attach();
    }
    size_t test = ARENA_TEST_DEFAULT + 1;
    assert_int_equal(arena_count(), limit > test ? limit : test);
    for (size_t i = 0; i < count; i++) {
        arena_detach(arenas[i]);
    }
    audit();
}

/* ---- heap chains ----------------------------------------------------------------------------- */

static struct chunk *pieces[PIECES];

static size_t chain_length(const struct arena *arena) {
    size_t length = 0;
    for (const struct heap *heap = arena->heap; heap != NULL; heap = heap->prev) {
        length++;
    }
    return length;
}

/* Allocates until the arena has that many heaps. */
static size_t build_chain(const struct chunk_caller *caller, size_t heaps) {
    size_t count = 0;
    while (chain_length(caller->arena) < heaps) {
        assert_true(count < PIECES);
        pieces[count] = arena_alloc(caller, PIECE_BYTES);
        assert_non_null(pieces[count]);
        count++;
    }
    audit();
    return count;
}

/* Frees in an order, audits, and expects one heap with a top within the thresholds. */
static void fold_chain(const struct chunk_caller *caller, size_t count, size_t step) {
    for (size_t start = 0; start < step; start++) {
        for (size_t i = start; i < count; i += step) {
            arena_free(caller, pieces[i]);
        }
        audit();
    }
    assert_int_equal(chain_length(caller->arena), 1);
    size_t top = chunk_bytes(caller->arena->top);
    assert_true(top < params_trim_threshold() + params.top_pad + CONSOLIDATION_BYTES);
    struct recount counts;
    assert_null(recount_arena(caller->arena, &counts));
    assert_int_equal(counts.free_count + counts.used_count, 0);
    assert_int_equal(caller->arena->system_bytes, counts.heap_bytes);
}

static void test_chain(void **state) {
    (void)state;
    struct arena *arena = attach_other();
    const struct chunk_caller caller = {arena, &quick_closed};
    arena_lock(arena);
    for (size_t heaps = 2; heaps <= (HEAP_MAX_BYTES > 8 << 20 ? 3 : 20); heaps++) {
        for (size_t step = 1; step <= 4; step++) {
            fold_chain(&caller, build_chain(&caller, heaps), step);
        }
    }
    arena_unlock(arena);
    arena_detach(arena);
}

/* Downwards: the newest heap goes once it is empty and the one before has room for the pad. */
static void test_deletion(void **state) {
    (void)state;
    struct arena *arena = attach_other();
    const struct chunk_caller caller = {arena, &quick_closed};
    arena_lock(arena);
    size_t count = build_chain(&caller, 3);
    uintptr_t newest = arena->heap->start;
    arena_free(&caller, pieces[--count]);
    assert_int_equal(chain_length(arena), 3);
    assert_int_equal((uintptr_t)arena->top, newest + sizeof(struct heap));
    arena_free(&caller, pieces[--count]);
    arena_free(&caller, pieces[--count]);
    assert_int_equal(chain_length(arena), 2);
    assert_null(heap_find((void *)newest));
    audit();
    while (count > 0) {
        arena_free(&caller, pieces[--count]);
    }
    assert_int_equal(chain_length(arena), 1);
    audit();
    arena_unlock(arena);
    arena_detach(arena);
}

/* Old tops of every size, down to those too small for a chunk before the fence. */
static void test_fences(void **state) {
    (void)state;
    struct arena *arena = attach_other();
    const struct chunk_caller caller = {arena, &quick_closed};
    size_t saved = params.mmap_max;
    params.mmap_max = 0;
    arena_lock(arena);
    for (size_t rest = CHUNK_MIN_BYTES; rest <= 320; rest += CHUNK_ALIGNMENT) {
        size_t room = arena->heap->start + arena->heap->reserved_bytes - (uintptr_t)arena->top;
        struct chunk *filler = arena_alloc(&caller, room - rest);
        assert_non_null(filler);
        assert_int_equal(chunk_bytes(arena->top), rest);
        struct chunk *next = arena_alloc(&caller, rest + 5008);
        assert_non_null(next);
        assert_int_equal(chain_length(arena), 2);
        audit();
        arena_free(&caller, rest % 32 != 0 ? filler : next);
        audit();
        arena_free(&caller, rest % 32 != 0 ? next : filler);
        audit();
        struct chunk *large = arena_alloc(&caller, 200000); /* consolidates the fast ones */
        arena_free(&caller, large);
        assert_int_equal(chain_length(arena), 1);
        audit();
    }
    arena_unlock(arena);
    arena_detach(arena);
    params.mmap_max = saved;
}

/* ---- deferred frees -------------------------------------------------------------------------- */

static void test_deferred(void **state) {
    (void)state;
    struct arena *arena = attach_other();
    const struct chunk_caller caller = {arena, &quick_closed};
    struct recount before;
    struct recount after;
    arena_lock(arena);
    assert_null(recount_arena(arena, &before));
    struct chunk *chunks[50];
    for (size_t i = 0; i < 50; i++) {
        chunks[i] = arena_alloc(&caller, chunk_bytes_for(i * 300));
    }
    for (size_t i = 0; i < 50; i++) {
        arena_defer_free(arena, chunks[i]);
    }
    arena_unlock(arena);
    assert_non_null(arena->deferred);
    assert_true(arena_try_lock(arena)); /* for the pressed: leaves them */
    assert_non_null(arena->deferred);
    arena_unlock(arena);
    assert_true(arena_lock(arena));
    assert_null(arena->deferred);
    arena_free(&caller, arena_alloc(&caller, 70000));
    assert_null(recount_arena(arena, &after));
    assert_int_equal(after.used_bytes, before.used_bytes);
    arena_unlock(arena);
    arena_detach(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limit_and_sharing),
        cmocka_unit_test(test_free_list),
        cmocka_unit_test(test_busy_is_avoided),
        cmocka_unit_test(test_retry),
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_deletion),
        cmocka_unit_test(test_fences),
        cmocka_unit_test(test_deferred),
        cmocka_unit_test(test_limit_by_processors),
    };
    if (thread_init() != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
