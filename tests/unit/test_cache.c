/* test_cache.c - threads' caches of free slots: what they hand out, how many they hold, when they
 * send slots home, what they notice.
 * Layer: tests (includes thread and below). */
#include "arenite/arenite.h"
#include "support.h"
#include "support_slabs.h"
#include "test_child.h"
#include "test_random.h"
#include "thread/slabs.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES 64
#define CLASS (BYTES / SLAB_STEP_BYTES)
#define MANY 3000

static void *blocks[MANY];

static const struct slot_list *cache(void) {
    return &thread_own->caches[CLASS];
}

static void take_of(size_t bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        blocks[i] = arenite_malloc(bytes);
        assert_non_null(blocks[i]);
    }
}

static void take(size_t count) {
    take_of(BYTES, count);
}

static void give(size_t count) {
    for (size_t i = 0; i < count; i++) {
        arenite_free(blocks[i]);
    }
}

static int begin(void **state) {
    (void)state;
    arenite_free(arenite_malloc(1));
    slabs_send_home();
    return 0;
}

static int end(void **state) {
    (void)state;
    return slabs_recount(NULL) == NULL ? 0 : -1;
}

static void test_newest_first(void **state) {
    (void)state;
    take(4);
    give(4);
    for (size_t i = 4; i-- != 0;) {
        assert_ptr_equal(arenite_malloc(BYTES), blocks[i]);
    }
    slabs_expect_sound();
    give(4);
}

/* Blocks that are replaced in full slabs come and go without a slab being looked at. */
static void test_replaced_in_full_slabs(void **state) {
    (void)state;
    struct random_source random = random_start("test_replaced_in_full_slabs");
    take(MANY);
    for (size_t i = 0; i < 1000; i++) {
        size_t victim = random_below(&random, MANY);
        void *old = blocks[victim];
        const struct slab *slab = slab_at(old);
        bool was_full = slab->state == SLAB_FULL;
        uint32_t live = slab_live(slab);
        arenite_free(old);
        blocks[victim] = arenite_malloc(BYTES);
        if (was_full) {
            assert_ptr_equal(blocks[victim], old);
            assert_true(slab->state == SLAB_FULL && slab_live(slab) == live);
        }
    }
    give(MANY);
}

/* What is freed into a partly used slab does not go through the cache. */
static void test_straight_home(void **state) {
    (void)state;
    take_of(80, MANY);
    struct slab *slab = slab_at(blocks[0]);
    const struct slot_list *its_cache = &thread_own->caches[slab->class_index];
    size_t i = 0;
    for (; slab_at(blocks[i]) == slab && slab->state != SLAB_PARTIAL; i++) {
        arenite_free(blocks[i]);
        blocks[i] = NULL;
    }
    assert_int_equal(slab->state, SLAB_PARTIAL);
    assert_ptr_equal(slab_at(blocks[i]), slab);
    size_t cached = cache_count(its_cache);
    uint32_t live = slab_live(slab);
    arenite_free(blocks[i]);
    blocks[i] = NULL;
    assert_int_equal(slab_live(slab), live - 1);
    assert_int_equal(cache_count(its_cache), cached);
    give(MANY);
}

/* A burst that comes again and again is held after some rounds; a great fall ends that. */
static void test_limit_is_learnt(void **state) {
    (void)state;
    enum { BURST = 200 };
    void *kept = arenite_malloc(BYTES);
    for (size_t round = 0; round < 12; round++) {
        take(BURST);
        give(BURST);
    }
    assert_true(cache_count(cache()) >= BURST);
    slabs_expect_sound();
    void **more = malloc(100000 * sizeof *more);
    for (size_t i = 0; i < 100000; i++) {
        more[i] = arenite_malloc(BYTES);
    }
    for (size_t i = 0; i < 100000; i += 101) { /* first a few of every slab, then all */
        arenite_free(more[i]);
        more[i] = NULL;
    }
    for (size_t i = 0; i < 100000; i++) {
        arenite_free(more[i]);
    }
    free(more);
    assert_true(cache_count(cache()) * BYTES <= (size_t)64 * 1024);
    slabs_expect_sound();
    arenite_free(kept);
}

/* However many classes are wanted again and again, all limits together stay below a share. */
static void test_limits_are_bounded(void **state) {
    (void)state;
    struct random_source random = random_start("test_limits_are_bounded");
    for (size_t i = 0; i < 16; i++) { /* so that a share is soon used up */
        thread_switch(thread_create());
    }
    size_t share_bytes = ((size_t)8 << 20) / (thread_count() + 1);
    take(MANY);
    size_t most_bytes = 0;
    for (size_t i = 0; i < 300000; i++) {
        size_t victim = random_below(&random, MANY);
        arenite_free(blocks[victim]);
        blocks[victim] = arenite_malloc(1024 + random_below(&random, 31 * 1024));
        size_t raised_bytes = thread_own->raised_bytes;
        most_bytes = raised_bytes > most_bytes ? raised_bytes : most_bytes;
    }
    give(MANY);
    assert_in_range(most_bytes, share_bytes / 2, share_bytes);
    slabs_expect_sound();
}

/* When nothing of the class is in use any more, its one slab is empty, however many there were. */
static void test_unused(void **state) {
    (void)state;
    for (size_t count = 30; count < 300; count += 7) {
        thread_switch(thread_create());
        take_of(208, count);
        struct slab *slab = slab_at(blocks[0]);
        assert_ptr_equal(slab_at(blocks[count - 1]), slab);
        give(count);
        assert_true(slab->state == SLAB_UNUSED || slab_live(slab) == 0);
        slabs_expect_sound();
        struct thread *mine = thread_own;
        thread_switch(&thread_none);
        thread_detach(mine);
    }
}

/* A cache that nobody uses is emptied while others are used. */
static void test_long_unused(void **state) {
    (void)state;
    void *keeps = arenite_malloc(BYTES), *slab_in_use = arenite_malloc(BYTES);
    arenite_free(keeps);
    assert_true(cache_count(cache()) > 0);
    static void *others[40000];
    for (size_t i = 0; i < 40000; i++) {
        others[i] = arenite_malloc(512);
    }
    assert_int_equal(cache_count(cache()), 0);
    for (size_t i = 0; i < 40000; i++) {
        arenite_free(others[i]);
    }
    arenite_free(slab_in_use);
    slabs_expect_sound();
}

static void overwrite_cached(void) {
    void *block = arenite_malloc(BYTES);
    arenite_free(block);
    memset(block, 'A', 8);
    (void)arenite_malloc(BYTES);
}

static void overwrite_deeper(void) {
    take(60);
    give(60);
    memset(blocks[59 - 5], 'A', 8);
    take(60);
}

static void overwrite_before_flush(void) {
    take(MANY);
    arenite_free(blocks[0]);
    memset(blocks[0], 'A', 8);
    for (size_t i = 1; i < MANY; i++) {
        arenite_free(blocks[i]);
    }
}

/* Handing out does not look at the tag; going home does. */
static void overwrite_tag(void) {
    take(3);
    give(3);
    memset((char *)blocks[1] + 4, 'A', 4);
    slabs_send_home();
}

static void free_cached_again(void) {
    take(3);
    give(3);
    arenite_free(blocks[0]);
}

static void test_misuse(void **state) {
    (void)state;
    static void (*const misuses[])(void) = {overwrite_cached, overwrite_deeper,
                                            overwrite_before_flush, overwrite_tag,
                                            free_cached_again};
    for (size_t i = 0; i < sizeof misuses / sizeof misuses[0]; i++) {
        struct child_result child = child_run(misuses[i]);
        assert_int_equal(child.signal, SIGABRT);
        assert_int_equal(strncmp(child.text, "arenite: ", strlen("arenite: ")), 0);
    }
}

/* Slots of another's slab stay with a thread that uses their class, and go home with its own. */
static void test_foreign(void **state) {
    (void)state;
    struct thread *owner = thread_create(), *user = thread_create();
    thread_switch(owner);
    take_of(1500, 8);
    const struct slab *slab = slab_at(blocks[0]);
    thread_switch(user);
    arenite_free(blocks[0]);
    assert_true(slot_is_travelling(blocks[0])); /* it does not use the class yet */
    void *own = arenite_malloc(1500);
    arenite_free(blocks[1]);
    assert_false(slot_is_travelling(blocks[1]));
    assert_ptr_equal(arenite_malloc(1500), blocks[1]);
    assert_ptr_equal(slab->owner, owner);
    for (size_t i = 1; i < 4; i++) {
        arenite_free(blocks[i]);
    }
    arenite_free(own);
    slabs_expect_sound();
    slabs_send_home();
    assert_true(slot_is_travelling(blocks[2]));
    thread_switch(owner);
    for (size_t i = 4; i < 8; i++) {
        arenite_free(blocks[i]);
    }
    thread_switch(&thread_none);
    thread_detach(user);
    thread_detach(owner);
    slabs_expect_sound();
}

/* The block lies in another thread's cache when its slab's owner frees it once more. */
static void free_again_after_another(void) {
    void *block = arenite_malloc(1500);
    struct thread *self = thread_switch(thread_create());
    (void)arenite_malloc(1500);
    arenite_free(block);
    thread_switch(self);
    arenite_free(block);
}

static void test_foreign_misuse(void **state) {
    (void)state;
    struct child_result child = child_run(free_again_after_another);
    assert_int_equal(child.signal, SIGABRT);
    assert_non_null(strstr(child.text, "double free"));
}

static void *use_and_end(void *unused) {
    (void)unused;
    void *left = arenite_malloc(BYTES);
    for (size_t i = 0; i < 50; i++) {
        arenite_free(arenite_malloc(16 * i));
    }
    return left;
}

/* A thread that ends takes nothing with it. */
static void test_end(void **state) {
    (void)state;
    pthread_t thread;
    void *left;
    assert_int_equal(pthread_create(&thread, NULL, use_and_end, NULL), 0);
    pthread_join(thread, &left);
    assert_true(slab_at(left)->owner == depot_owner);
    assert_int_equal(slab_live(slab_at(left)), 1);
    arenite_free(left);
    slabs_expect_sound();
}

static void test_random(void **state) {
    (void)state;
    struct random_source random = random_start("test_random");
    memset(blocks, 0, sizeof blocks);
    for (size_t i = 0; i < test_knob("ARENITE_TEST_ROUNDS", 30000); i++) {
        void **block = &blocks[random_below(&random, MANY)];
        arenite_free(*block);
        size_t bytes = random_below(&random, random_below(&random, 20) != 0 ? 1200 : 33000);
        *block = random_below(&random, 3) != 0 ? arenite_malloc(bytes) : NULL;
        if (i % 1000 == 0) {
            slabs_expect_sound();
        }
    }
    give(MANY);
    slabs_expect_sound();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_newest_first, begin, end),
        cmocka_unit_test_setup_teardown(test_replaced_in_full_slabs, begin, end),
        cmocka_unit_test_setup_teardown(test_straight_home, begin, end),
        cmocka_unit_test_setup_teardown(test_limit_is_learnt, begin, end),
        cmocka_unit_test_setup_teardown(test_limits_are_bounded, begin, end),
        cmocka_unit_test_setup_teardown(test_unused, begin, end),
        cmocka_unit_test_setup_teardown(test_long_unused, begin, end),
        cmocka_unit_test_setup_teardown(test_misuse, begin, end),
        cmocka_unit_test_setup_teardown(test_foreign, begin, end),
        cmocka_unit_test_setup_teardown(test_foreign_misuse, begin, end),
        cmocka_unit_test_setup_teardown(test_end, begin, end),
        cmocka_unit_test_setup_teardown(test_random, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
