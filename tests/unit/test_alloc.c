/* test_alloc.c - the six steps of malloc and the merging of free, through the chunk layer alone.
 * Layer: tests (includes thread and below).
 *
 * Random scripts over main and over heap arenas, with and without quick lists: contents are
 * checked, blocks never overlap, and after every step the arena is recounted. */
#include "glibc_profile.h"
#include "support_recount.h"

#include "chunk/alloc.h"
#include "chunk/bin.h"
#include "chunk/fast_bin.h"
#include "chunk/free.h"
#include "chunk/heap.h"
#include "chunk/mapped.h"
#include "chunk/params.h"
#include "chunk/trim.h"
#include "support.h"
#include "test_random.h"
#include "thread/thread.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SLOTS 300
/* Larger than a heap can hold twice, so that chains form. */
#define HEAP_TEST_BYTES (HEAP_MAX_BYTES / 3)

struct holding {
    struct chunk *chunk;
    size_t request;
    uint64_t tag;
};

struct script {
    struct chunk_caller caller;
    struct quick_lists quick;
    struct random_source random;
    struct holding slots[SLOTS];
    size_t limit_bytes; /* of requests */
    uint64_t tags;
};

static void check(struct arena *arena) {
    const char *error = recount_arena(arena, NULL);
    if (error == NULL) {
        error = mapped_audit();
    }
    if (error != NULL) {
        fail_msg("%s", error);
    }
}

/* A heap arena that no other test uses. */
static struct arena *new_arena(void) {
    size_t test = params.arena_test;
    params.arena_test = 1000;
    struct arena *arena = arena_attach();
    params.arena_test = test;
    return arena;
}

static void begin(struct script *script, const char *name, struct arena *arena,
                  size_t quick_count) {
    memset(script, 0, sizeof *script);
    script->random = random_start(name);
    script->caller = (struct chunk_caller){arena, &quick_closed};
    if (quick_count != 0) {
        script->caller.quick = &script->quick;
        quick_open(&script->quick, quick_count, QUICK_MAX_BYTES);
    }
}

static void own(struct script *script, struct holding *slot, struct chunk *chunk, size_t request) {
    slot->chunk = chunk;
    slot->request = request;
    slot->tag = ++script->tags;
    if (chunk != NULL) {
        assert_true(chunk_usable_bytes(chunk) >= request);
        test_pattern_fill(chunk_memory(chunk), request, slot->tag);
    }
}

static void verify(const struct holding *slot) {
    assert_true(test_pattern_holds(chunk_memory(slot->chunk), slot->request, slot->tag));
}

static void release(struct script *script, struct holding *slot) {
    verify(slot);
    if (chunk_is_mmapped(slot->chunk)) {
        assert_true(mapped_free(chunk_memory(slot->chunk)));
    } else {
        arena_free(&script->caller, slot->chunk);
    }
    slot->chunk = NULL;
}

static size_t random_request(struct script *script) {
    return (size_t)random_magnitude(&script->random) % script->limit_bytes;
}

static void allocate(struct script *script, struct holding *slot) {
    size_t request = random_request(script);
    size_t kind = random_below(&script->random, 10);
    size_t bytes = chunk_bytes_for(request);
    struct chunk *chunk;
    if (kind == 0) {
        size_t alignment = CHUNK_ALIGNMENT << (1 + random_below(&script->random, 10));
        chunk = arena_alloc_aligned(&script->caller, alignment, bytes);
        assert_true(chunk == NULL || (uintptr_t)chunk_memory(chunk) % alignment == 0);
    } else if (kind == 1) {
        size_t dirty = 0;
        chunk = arena_alloc_zero_known(&script->caller, bytes, &dirty);
        const unsigned char *memory = chunk != NULL ? chunk_memory(chunk) : NULL;
        for (size_t i = dirty; chunk != NULL && i < request; i++) {
            assert_int_equal(memory[i], 0);
        }
    } else {
        chunk = arena_alloc(&script->caller, bytes);
    }
    assert_non_null(chunk);
    own(script, slot, chunk, request);
}

static void resize(struct script *script, struct holding *slot) {
    size_t request = random_request(script);
    if (chunk_is_mmapped(slot->chunk)) {
        return;
    }
    verify(slot);
    size_t kept = request < slot->request ? request : slot->request;
    uint64_t tag = slot->tag;
    struct chunk *chunk = arena_resize(&script->caller, slot->chunk, chunk_bytes_for(request));
    assert_non_null(chunk);
    assert_true(test_pattern_holds(chunk_memory(chunk), kept, tag));
    own(script, slot, chunk, request);
}

static void step(struct script *script) {
    struct holding *slot = &script->slots[random_below(&script->random, SLOTS)];
    size_t kind = random_below(&script->random, 1000);
    if (slot->chunk == NULL) {
        allocate(script, slot);
    } else if (kind < 650) {
        release(script, slot);
    } else {
        resize(script, slot);
    }
    if (kind == 999) {
        fast_bin_consolidate(script->caller.arena);
    }
}

static void release_all(struct script *script) {
    for (size_t i = 0; i < SLOTS; i++) {
        if (script->slots[i].chunk != NULL) {
            release(script, &script->slots[i]);
        }
    }
    void *memory;
    const struct chunk_caller plain = {script->caller.arena, &quick_closed};
    while ((memory = quick_drain(&script->quick)) != NULL) {
        arena_free(&plain, chunk_of_memory(memory));
    }
    fast_bin_consolidate(script->caller.arena);
}

/* Phases that grow and phases that shrink the arena follow each other. */
static void play(struct script *script, size_t steps) {
    arena_lock(script->caller.arena);
    for (size_t i = 0; i < steps; i++) {
        step(script);
        check(script->caller.arena);
        if (script->caller.quick == &script->quick) {
            const char *error = quick_audit(&script->quick, QUICK_COUNT_DEFAULT);
            assert_string_equal(error != NULL ? error : "", "");
        }
        if (random_below(&script->random, 3000) == 0) {
            release_all(script);
            if (script->caller.quick == &script->quick) {
                quick_open(&script->quick, QUICK_COUNT_DEFAULT, QUICK_MAX_BYTES);
            }
            check(script->caller.arena);
        }
    }
    release_all(script);
    check(script->caller.arena);
    arena_unlock(script->caller.arena);
}

static struct script script;

static void test_small_in_main(void **state) {
    (void)state;
    begin(&script, "test_small_in_main", &main_arena, 0);
    script.limit_bytes = 1200;
    play(&script, random_steps(6000));
}

static void test_quick_in_main(void **state) {
    (void)state;
    begin(&script, "test_quick_in_main", &main_arena, QUICK_COUNT_DEFAULT);
    script.limit_bytes = 3000;
    play(&script, random_steps(6000));
}

static void test_any_in_main(void **state) {
    (void)state;
    begin(&script, "test_any_in_main", &main_arena, QUICK_COUNT_DEFAULT);
    script.limit_bytes = 400000;
    play(&script, random_steps(6000));
}

static void test_small_in_heap(void **state) {
    (void)state;
    begin(&script, "test_small_in_heap", new_arena(), 0);
    script.limit_bytes = 1200;
    play(&script, random_steps(6000));
    arena_detach(script.caller.arena);
}

static void test_any_in_heap(void **state) {
    (void)state;
    begin(&script, "test_any_in_heap", new_arena(), QUICK_COUNT_DEFAULT);
    script.limit_bytes = 300000;
    play(&script, random_steps(6000));
    arena_detach(script.caller.arena);
}

/* Without mappings large blocks come from heaps: chains of heaps open, close and go away. */
static void test_large_in_heaps(void **state) {
    (void)state;
    size_t allowed = params.mmap_max;
    params.mmap_max = 0;
    begin(&script, "test_large_in_heaps", new_arena(), QUICK_COUNT_DEFAULT);
    script.limit_bytes = HEAP_TEST_BYTES;
    play(&script, random_steps(500));
    arena_detach(script.caller.arena);
    params.mmap_max = allowed;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_in_main), cmocka_unit_test(test_quick_in_main),
        cmocka_unit_test(test_any_in_main),   cmocka_unit_test(test_small_in_heap),
        cmocka_unit_test(test_any_in_heap),   cmocka_unit_test(test_large_in_heaps),
    };
    if (thread_init() != 0) {
        return 1;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
