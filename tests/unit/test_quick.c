/* test_quick.c - quick lists and fast bins against stacks, with audits after every step.
 * Layer: tests (includes chunk and below). */
#include "chunk/quick.h"
#include "glibc_profile.h"

#include "chunk/alloc.h"
#include "chunk/fast_bin.h"
#include "support_recount.h"
#include "test_random.h"
#include "thread/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define DEPTH_MAX 2000

/* What a list of one size must hold, oldest first. */
struct stack {
    struct chunk *chunks[DEPTH_MAX];
    size_t depth;
};

static struct stack stacks[QUICK_LISTS];
static struct quick_lists lists;

static struct arena *new_arena(void) {
    struct arena *arena = arena_attach();
    return arena != &main_arena ? arena : arena_attach();
}

static void test_indices(void **state) {
    (void)state;
    for (size_t index = 0; index < QUICK_LISTS; index++) {
        assert_int_equal(quick_index(quick_chunk_bytes(index)), index);
    }
    size_t limit = QUICK_MAX_BYTES - SIZE_BYTES;
    for (size_t request = 0; request <= limit + 100; request++) {
        size_t index = quick_index_for(request);
        assert_int_equal(index < QUICK_LISTS, request <= limit);
        if (index < QUICK_LISTS) {
            assert_int_equal(quick_chunk_bytes(index), chunk_bytes_for(request));
        }
    }
    assert_true(quick_index_for(SIZE_MAX) >= QUICK_LISTS);
    assert_true(quick_index_for(REQUEST_MAX_BYTES) >= QUICK_LISTS);
    assert_true(quick_index(0) >= QUICK_LISTS); /* damaged sizes lead nowhere */
    assert_true(quick_index(CHUNK_ALIGNMENT) >= QUICK_LISTS);
}

/* An all-zero structure takes and gives nothing. */
static void test_closed(void **state) {
    (void)state;
    struct quick_lists closed = {.head = {NULL}};
    size_t memory[8] = {0};
    for (size_t index = 0; index < QUICK_LISTS; index++) {
        assert_null(quick_pop(&closed, index));
        assert_false(quick_push(&closed, index, memory));
    }
    assert_null(quick_drain(&closed));
    struct quick_lists zero = {.head = {NULL}};
    assert_memory_equal(&closed, &zero, sizeof zero);
}

static void push(const struct chunk_caller *caller, size_t index, size_t capacity) {
    struct stack *stack = &stacks[index];
    struct chunk *chunk = arena_alloc(caller, quick_chunk_bytes(index));
    assert_non_null(chunk);
    if (chunk_bytes(chunk) != quick_chunk_bytes(index)) {
        return; /* one step larger: not for this list */
    }
    memset(chunk_memory(chunk), 0x5a, 2 * SIZE_BYTES);
    bool taken = quick_push(&lists, index, chunk_memory(chunk));
    assert_int_equal(taken, stack->depth < capacity);
    if (taken) {
        stack->chunks[stack->depth++] = chunk;
    }
}

static void pop(size_t index) {
    struct stack *stack = &stacks[index];
    void *memory = quick_pop(&lists, index);
    if (stack->depth == 0) {
        assert_null(memory);
    } else {
        assert_ptr_equal(memory, chunk_memory(stack->chunks[--stack->depth]));
        assert_false(quick_looks_freed(memory));
    }
}

static void quick_script(size_t capacity, size_t limit_bytes) {
    struct random_source random = random_start("quick_script");
    struct arena *arena = new_arena();
    const struct chunk_caller caller = {arena, &quick_closed};
    memset(stacks, 0, sizeof stacks);
    quick_open(&lists, capacity, limit_bytes);
    arena_lock(arena);
    for (size_t steps = random_steps(20000); steps > 0; steps--) {
        size_t index = random_below(&random, QUICK_LISTS);
        bool open = quick_chunk_bytes(index) <= limit_bytes;
        if (random_below(&random, 5) < 3) {
            push(&caller, index, open ? capacity : 0);
        } else {
            pop(index);
        }
        const char *error = quick_audit(&lists, capacity);
        assert_string_equal(error != NULL ? error : "", "");
    }
    size_t expected = 0;
    for (size_t index = 0; index < QUICK_LISTS; index++) {
        expected += stacks[index].depth;
    }
    while (quick_drain(&lists) != NULL) {
        expected--;
    }
    assert_int_equal(expected, 0);
    struct quick_lists zero = {.head = {NULL}};
    assert_memory_equal(&lists, &zero, sizeof zero);
    arena_unlock(arena);
    arena_detach(arena);
}

static void test_quick_script(void **state) {
    (void)state;
    quick_script(QUICK_COUNT_DEFAULT, QUICK_MAX_BYTES);
    quick_script(1, 512);
    quick_script(100, QUICK_MAX_BYTES);
}

/* Fast bins have no bound; consolidation empties them all and leaves no used byte behind. */
static void test_fast_script(void **state) {
    (void)state;
    struct random_source random = random_start("test_fast_script");
    size_t saved_pad = params.top_pad;
    params.top_pad = 700000; /* an exhausted top would consolidate: more than the script uses */
    struct arena *arena = new_arena();
    const struct chunk_caller caller = {arena, &quick_closed};
    struct chunk *in_use[DEPTH_MAX];
    size_t used = 0;
    size_t saved = params.fast_max;
    params.fast_max = 0; /* arena_alloc must not take what the script put there */
    memset(stacks, 0, sizeof stacks);
    arena_lock(arena);
    for (size_t steps = random_steps(3000); steps > 0; steps--) {
        unsigned index = (unsigned)random_below(&random, FAST_BINS - 1);
        size_t kind = random_below(&random, 100);
        if (kind == 0) {
            fast_bin_consolidate(arena);
            memset(stacks, 0, sizeof stacks);
            assert_int_equal(arena->flags & ARENA_HAS_FAST, 0);
        } else if (kind < 60) {
            struct chunk *chunk = arena_alloc(&caller, fast_bin_bytes(index));
            index = fast_bin_index(chunk_bytes(chunk)); /* it may be one step larger */
            if (kind < 40) {
                fast_bin_push(arena, chunk);
                stacks[index].chunks[stacks[index].depth++] = chunk;
            } else {
                in_use[used++] = chunk;
            }
        } else {
            struct chunk *chunk = fast_bin_pop(arena, index);
            struct stack *stack = &stacks[index];
            assert_ptr_equal(chunk, stack->depth > 0 ? stack->chunks[--stack->depth] : NULL);
            if (chunk != NULL) {
                in_use[used++] = chunk;
            }
        }
        struct recount counts;
        const char *error = recount_arena(arena, &counts);
        assert_string_equal(error != NULL ? error : "", "");
        assert_int_equal(counts.used_count - counts.fast_count, used);
    }
    while (used > 0) {
        fast_bin_push(arena, in_use[--used]);
    }
    fast_bin_consolidate(arena);
    struct recount counts;
    assert_null(recount_arena(arena, &counts));
    assert_int_equal(counts.used_count + counts.free_count, 0);
    params.fast_max = saved;
    params.top_pad = saved_pad;
    arena_unlock(arena);
    arena_detach(arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_indices),
        cmocka_unit_test(test_closed),
        cmocka_unit_test(test_fast_script), /* in a fresh arena */
        cmocka_unit_test(test_quick_script),
    };
    if (thread_init() != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
