/* test_slab_misuse.c - misused pointers into slabs: each dies with one line that names it, and what
 * only looks like misuse does not.
 * Layer: tests (includes thread and below). */
#include "arenite/arenite.h"
#include "child.h"
#include "slab/depot.h"
#include "support_slabs.h"
#include "thread/cache.h"
#include "thread/operation.h"
#include "thread/remote.h"
#include "thread/slabs.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void dies(void (*action)(void *), void *pointer) {
    struct child child;
    test_run_child(&child, action, pointer);
    assert_true(test_child_aborted_over(&child, pointer));
    assert_ptr_equal(strchr(child.said, '\n'), child.said + strlen(child.said) - 1);
}

static void lives(void (*action)(void *), void *pointer) {
    struct child child;
    test_run_child(&child, action, pointer);
    assert_true(test_child_passed(&child));
}

static void free_in_child(void *pointer) {
    arenite_free(pointer);
}

static void in_thread(void *(*body)(void *), void *argument) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, argument) != 0 || pthread_join(thread, NULL) != 0) {
        _exit(9);
    }
}

static void *free_it(void *pointer) {
    arenite_free(pointer);
    return NULL;
}

static void *free_and_send(void *pointer) {
    arenite_free(pointer);
    struct operation operation;
    operation_enter(&operation);
    remote_flush(thread_own);
    operation_leave(&operation);
    return NULL;
}

/* ---- double frees ---------------------------------------------------------------------------- */

static void twice(void *pointer) {
    arenite_free(pointer);
    arenite_free(pointer);
}

static void twice_with_others_between(void *pointer) {
    void *more[100];
    for (size_t i = 0; i < 100; i++) {
        more[i] = arenite_malloc(48);
    }
    arenite_free(pointer);
    for (size_t i = 0; i < 100; i++) {
        arenite_free(more[i]);
    }
    arenite_free(pointer);
}

static void twice_other_thread_second(void *pointer) {
    arenite_free(pointer);
    in_thread(free_it, pointer);
}

/* The other thread has sent it, or ended and thereby sent it; it waits in our inbox. */
static void twice_while_in_inbox(void *pointer) {
    in_thread(free_it, pointer);
    arenite_free(pointer);
}

static void *free_twice(void *pointer) {
    arenite_free(pointer);
    arenite_free(pointer);
    return NULL;
}

/* In the other thread's own batch. */
static void twice_in_other_thread(void *pointer) {
    in_thread(free_twice, pointer);
}

static void *free_twice_sent(void *pointer) {
    free_and_send(pointer);
    arenite_free(pointer);
    return NULL;
}

static void twice_in_other_thread_sent(void *pointer) {
    in_thread(free_twice_sent, pointer);
}

static void twice_then_collected(void *pointer) {
    in_thread(free_it, pointer);
    struct operation operation;
    operation_enter(&operation);
    remote_collect(thread_own);
    operation_leave(&operation);
    arenite_free(pointer);
}

static void realloc_freed(void *pointer) {
    arenite_free(pointer);
    arenite_free(arenite_realloc(pointer, 20));
}

static void realloc_in_inbox(void *pointer) {
    in_thread(free_it, pointer);
    arenite_free(arenite_realloc(pointer, 500));
}

static void test_double_free(void **state) {
    (void)state;
    static void (*const actions[])(void *) = {
        twice,
        twice_with_others_between,
        twice_other_thread_second,
        twice_while_in_inbox,
        twice_in_other_thread,
        twice_in_other_thread_sent,
        twice_then_collected,
        realloc_freed,
        realloc_in_inbox,
    };
    static const size_t sizes[] = {1, 16, 17, 48, 100, 512, 1000, 1024};
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++) {
        for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
            void *pointer = arenite_malloc(sizes[k]);
            assert_int_equal(thread_find_block(pointer).kind, BLOCK_SLOT);
            dies(actions[i], pointer);
            lives(free_in_child, pointer);
            arenite_free(pointer);
        }
    }
}

/* ---- blocks of a thread that is gone --------------------------------------------------------- */

struct gift {
    void *blocks[300];
};

static void *give_blocks(void *argument) {
    struct gift *gift = argument;
    for (size_t i = 0; i < 300; i++) {
        gift->blocks[i] = arenite_malloc(200);
    }
    return NULL;
}

static void twice_after_owner(void *pointer) {
    arenite_free(pointer);
    struct operation operation;
    operation_enter(&operation);
    remote_flush(thread_own);
    operation_leave(&operation);
    arenite_free(pointer);
}

static void test_owner_is_gone(void **state) {
    (void)state;
    struct gift gift;
    in_thread(give_blocks, &gift);
    assert_ptr_equal(slab_at(gift.blocks[7])->owner, depot_owner);
    dies(twice, gift.blocks[7]);
    dies(twice_after_owner, gift.blocks[7]);
    dies(twice_in_other_thread, gift.blocks[7]);
    for (size_t i = 0; i < 300; i++) {
        arenite_free(gift.blocks[i]);
    }
}

/* ---- addresses that are no block ------------------------------------------------------------- */

static void realloc_in_child(void *pointer) {
    arenite_free(arenite_realloc(pointer, 64));
}

static void free_in_other_thread(void *pointer) {
    in_thread(free_it, pointer);
}

static void test_no_block(void **state) {
    (void)state;
    static const size_t sizes[] = {16, 48, 112, 512, 1008};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *block = arenite_malloc(sizes[i]);
        struct slab *slab = slab_at(block);
        char *wrong[] = {
            block + 1,
            block + 8,
            block + 15,
            block - 1,
            sizes[i] > 16 ? block + 16 : block + 4,
            (char *)slab->start,
            (char *)slab->start + slab->span_bytes - 1,
            (char *)slab->origin - slab->slot_bytes,
            (char *)slab->origin + slab_carved_bytes(slab),
            (char *)((uintptr_t)block | (uintptr_t)1 << (sizeof(uintptr_t) * 8 - 1)),
        };
        for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
            if (wrong[k] != block) {
                dies(free_in_child, wrong[k]);
                dies(realloc_in_child, wrong[k]);
                dies(free_in_other_thread, wrong[k]);
            }
        }
        arenite_free(block);
    }
}

/* ---- damaged lists --------------------------------------------------------------------------- */

static void use_class(void *pointer) {
    size_t bytes = slab_at(pointer)->slot_bytes;
    for (size_t i = 0; i < 70000 / bytes; i++) {
        memset(arenite_malloc(bytes), 1, bytes);
    }
}

static void overwrite_and_use(void *pointer) {
    size_t bytes = slab_at(pointer)->slot_bytes;
    arenite_free(pointer);
    memset(pointer, 'x', bytes);
    use_class(pointer);
}

static void *free_then_overwrite(void *pointer) {
    arenite_free(pointer);
    memset(pointer, 'x', 16);
    return NULL;
}

/* Another thread's use after free, while the block is on its way to us. */
static void overwrite_travelling(void *pointer) {
    in_thread(free_then_overwrite, pointer);
    use_class(pointer);
}

/* The upper half of a link alone: it leads to where nothing is. */
static void mislead_and_flush(void *pointer) {
    arenite_free(pointer);
    memset((char *)pointer + sizeof(struct slot) - 4, 'x', 4);
    struct operation operation;
    operation_enter(&operation);
    caches_flush(thread_own);
    operation_leave(&operation);
}

static void test_misled(void **state) {
    (void)state;
    void *block = arenite_malloc(80);
    if (sizeof(void *) == sizeof(uint64_t)) {
        dies(mislead_and_flush, block);
    }
    arenite_free(block);
}

static void expect_damage_at(void *pointer) {
    size_t budget = 1000;
    struct operation operation;
    operation_enter(&operation);
    const void *damage = slabs_find_damage(thread_own, &budget);
    operation_leave(&operation);
    _exit(damage == pointer ? 0 : 3);
}

static void mislead_and_look(void *pointer) {
    arenite_free(pointer);
    memset((char *)pointer + sizeof(struct slot) - 4, 'x', 4);
    expect_damage_at(pointer);
}

/* Behind the last carved slot, which a large slot's overflow hits. */
static void overflow_and_look(void *pointer) {
    struct slab *slab = slab_at(pointer);
    char *behind = (char *)slab->origin + slab_carved_bytes(slab);
    behind[7] = 1;
    expect_damage_at(behind);
}

static void test_last_look(void **state) {
    (void)state;
    void *small = arenite_malloc(80), *large = arenite_malloc(20000);
    if (sizeof(void *) == sizeof(uint64_t)) {
        lives(mislead_and_look, small);
    }
    lives(overflow_and_look, large);
    arenite_free(large);
    arenite_free(small);
}

static void test_damage(void **state) {
    (void)state;
    static const size_t sizes[] = {16, 48, 500, 1024};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        void *block = arenite_malloc(sizes[i]);
        dies(overwrite_and_use, block);
        dies(overwrite_travelling, block);
        arenite_free(block);
    }
}

/* ---- what only looks like misuse ------------------------------------------------------------- */

static void imitate_listed(void *pointer) {
    struct slab *slab = slab_at(pointer);
    struct slot *slot = pointer;
    void *neighbour = arenite_malloc(slab->slot_bytes);
    arenite_free(neighbour);
    slot_set_next(slot, neighbour, 0);
    arenite_free(pointer);
    slabs_expect_sound();
    void *again = arenite_malloc(slab->slot_bytes);
    if (again != pointer) {
        _exit(3);
    }
    slot_set_next(slot, &slot_end, 0);
    void *moved = arenite_realloc(pointer, 10);
    arenite_free(moved);
    slabs_expect_sound();
}

/* A live block whose bytes are exactly a free slot's: its owner frees and resizes it. */
static void test_imitation(void **state) {
    (void)state;
    for (size_t bytes = 16; bytes <= 1024; bytes += 112) {
        void *block = arenite_malloc(bytes);
        lives(imitate_listed, block);
        arenite_free(block);
    }
}

/* Handed out again, a block carries no trace that would be taken for a free one's. */
static void test_no_trace(void **state) {
    (void)state;
    for (size_t round = 0; round < 3; round++) {
        void *blocks[200];
        for (size_t i = 0; i < 200; i++) {
            blocks[i] = arenite_malloc(32);
            assert_false(slot_looks_free(blocks[i]));
        }
        for (size_t i = 0; i < 200; i++) {
            arenite_free(blocks[(i * 7) % 200]);
        }
    }
    slabs_expect_sound();
}

static int begin(void **state) {
    (void)state;
    setvbuf(stdout, NULL, _IONBF, 0); /* what a child inherits it must not print again */
    arenite_free(arenite_malloc(1));
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_double_free), cmocka_unit_test(test_owner_is_gone),
        cmocka_unit_test(test_no_block),    cmocka_unit_test(test_damage),
        cmocka_unit_test(test_imitation),   cmocka_unit_test(test_no_trace),
        cmocka_unit_test(test_misled),      cmocka_unit_test(test_last_look),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
