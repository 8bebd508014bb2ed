/* growth.c - an arena grows, and one call of those it takes fails: what was taken already goes
 * back, and the heaps stay sound.
 * Layer: tests (includes api, chunk, thread and model). */
#include "api/start.h"
#include "bed.h"
#include "chunk/chunk.h"
#include "chunk/main_arena.h"
#include "thread/thread.h"

#include <errno.h>
#include <stdio.h>

static void expect_sound(void) {
    const char *broken = arenite_audit();
    if (broken != NULL) {
        fprintf(stderr, "%s\n", broken);
    }
    TEST_CHECK(broken == NULL && os_model_audit() == NULL);
}

static void fail(enum os_model_rule rule, unsigned calls) {
    const struct os_model_failures failures = {rule, calls, 1, ENOMEM};
    os_model_fail(&failures);
}

/* The break moves, but the page map cannot learn of it. */
static void no_record_of_the_break(struct bed *bed) {
    (void)bed;
    fail(FAIL_FROM, OS_MODEL_MAP);
    TEST_CHECK(malloc(100) == NULL);
    TEST_CHECK(os_model_usage().heap_bytes == 0 && main_arena.system_bytes == 0);
    fail(FAIL_NEVER, 0);
    TEST_CHECK(malloc(100) != NULL);
    TEST_CHECK(os_model_usage().heap_bytes == main_arena.system_bytes);
    expect_sound();
}

/* The break refuses, and a mapping stands in, which cannot be recorded either. */
static void no_record_of_a_mapping(struct bed *bed) {
    (void)bed;
    void *first = malloc(100);
    uint64_t pages = os_model_usage().mapped_pages;
    const struct os_model_failures failures = {FAIL_EVERY, OS_MODEL_BREAK | OS_MODEL_MAP, 1,
                                               ENOMEM};
    os_model_fail(&failures);
    for (size_t i = 0; i < 100; i++) {
        TEST_CHECK(malloc(100000) != NULL || i > 0);
    }
    TEST_CHECK(os_model_usage().mapped_pages == pages);
    fail(FAIL_NEVER, 0);
    TEST_CHECK(malloc(100000) != NULL);
    free(first);
    expect_sound();
}

/* The break refuses, so the heap goes on in a mapping, of which malloc_trim gives back the end. */
static void mapped_top_goes_back(struct bed *bed) {
    (void)bed;
    void *blocks[10];
    fail(FAIL_FROM, OS_MODEL_BREAK);
    for (size_t i = 0; i < 10; i++) {
        blocks[i] = malloc(100000);
        TEST_CHECK(blocks[i] != NULL);
        test_pattern_fill(blocks[i], 100000, i);
    }
    uint64_t full = os_model_usage().resident_pages;
    for (size_t i = 1; i < 10; i++) {
        free(blocks[i]);
    }
    TEST_CHECK(malloc_trim(0) == 1 && os_model_usage().resident_pages < full - 200);
    TEST_CHECK(malloc_trim(0) == 0 && test_pattern_holds(blocks[0], 100000, 0));
    unsigned char *zeroed = calloc(1, 200000);
    TEST_CHECK(zeroed[0] == 0 && zeroed[100000] == 0 && zeroed[199999] == 0);
    expect_sound();
}

/* A thread's heap cannot be extended, so another one is opened, at the moment when 48 bytes are
 * left in the old one: too many for its fence, too few for a free chunk before it. */
static void fence_of_three_headers(struct bed *bed) {
    (void)bed;
    start_ensure();
    thread_switch(thread_create());
    TEST_CHECK(malloc(10) != NULL);
    thread_switch(thread_create());
    TEST_CHECK(malloc(10) != NULL && thread_own->arena != &main_arena);
    struct chunk *top = thread_own->arena->top;
    const struct heap *heap = thread_own->arena->heap;
    size_t taken = chunk_bytes(top) - 3 * CHUNK_HEADER_BYTES;
    TEST_CHECK(malloc(taken - SIZE_BYTES) == chunk_memory(top));
    fail(FAIL_NTH, OS_MODEL_COMMIT);
    TEST_CHECK(malloc(1000) != NULL && thread_own->arena->heap != heap);
    expect_sound();
}

int main(void) {
    struct bed bed = {.profile = PROFILE_PTMALLOC, .seed = bed_begin("growth")};
    bed_run(&bed, no_record_of_the_break);
    bed_run(&bed, no_record_of_a_mapping);
    bed_run(&bed, fence_of_three_headers);
    bed.profile = PROFILE_DEFAULT;
    bed_run(&bed, mapped_top_goes_back);
    return 0;
}
