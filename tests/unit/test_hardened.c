/* test_hardened.c - profile=hardened: what every block is like, and that each wrong use ends in a
 * line which names the block and who allocated and freed it.
 * Layer: tests (includes hardened and below). */
#include "arenite/arenite.h"
#include "child.h"
#include "chunk/params.h"
#include "hardened/block.h"
#include "hardened/canary.h"
#include "hardened/site.h"
#include "hardened/zero.h"
#include "slab/depot.h"
#include "test_random.h"
#include "thread/operation.h"

#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Enough frees and allocations for a block to leave quarantine and come again. */
#define TURNS ((size_t)8 * QUARANTINE_PLACES)

static void expect_sound(void) {
    const char *error = arenite_audit();
    if (error != NULL) {
        fail_msg("%s", error);
    }
}

/* ---- canaries -------------------------------------------------------------------------------- */

/* All requests of all slots up to 128 bytes, and each byte that is no part of the request. */
static void test_each_byte_of_a_canary(void **state) {
    (void)state;
    _Alignas(16) char slot[128];
    for (size_t slot_bytes = 32; slot_bytes <= sizeof slot; slot_bytes += 16) {
        for (size_t request = slot_bytes - CANARY_MOST_BYTES; request + 8 <= slot_bytes;
             request++) {
            canary_write(slot, request, slot_bytes);
            assert_true(canary_is_whole(slot, request, slot_bytes));
            for (size_t at = request; at < slot_bytes; at++) {
                slot[at] ^= 1;
                assert_false(canary_is_whole(slot, request, slot_bytes));
                slot[at] ^= 1;
                assert_true((unsigned char)slot[at] >= 0x80);
            }
        }
    }
}

/* ---- what blocks are like -------------------------------------------------------------------- */

#define BLOCKS 300

struct held {
    unsigned char *memory;
    size_t bytes;
    unsigned char byte;
};

static void *get_block(struct random_source *random, size_t bytes) {
    switch (random_below(random, 4)) {
    case 0:
        return arenite_calloc(1, bytes);
    case 1:
        return arenite_aligned_alloc((size_t)16 << random_below(random, 8), bytes);
    default:
        return arenite_malloc(bytes);
    }
}

static size_t some_bytes(struct random_source *random) {
    size_t most = (size_t)1 << random_below(random, 19);
    return random_below(random, most + 1);
}

static void check_held(const struct held *held) {
    for (size_t i = 0; i < held->bytes; i++) {
        assert_int_equal(held->memory[i], held->byte);
    }
}

static void fill(struct held *held, struct random_source *random) {
    held->byte = (unsigned char)random_bits(random);
    memset(held->memory, held->byte, held->bytes);
}

/* Of slots: all zeros, whoever asked. */
static void check_fresh(const struct held *held) {
    const struct slab *slab = slab_at(held->memory);
    assert_non_null(held->memory);
    if (slab == NULL) {
        return;
    }
    assert_int_equal(arenite_malloc_usable_size(held->memory), held->bytes);
    for (size_t i = 0; i < held->bytes; i++) {
        assert_int_equal(held->memory[i], 0);
    }
}

static void take(struct held *held, struct random_source *random) {
    held->bytes = some_bytes(random);
    held->memory = get_block(random, held->bytes);
    check_fresh(held);
    fill(held, random);
}

static void resize(struct held *held, struct random_source *random) {
    bool was_slot = slab_at(held->memory) != NULL;
    size_t bytes = 1 + some_bytes(random), kept = bytes < held->bytes ? bytes : held->bytes;
    unsigned char *before = held->memory;
    held->memory = arenite_realloc(held->memory, bytes);
    assert_true(held->memory != before || !was_slot);
    held->bytes = kept;
    check_held(held);
    held->bytes = bytes;
    fill(held, random);
}

static void test_traffic(void **state) {
    (void)state;
    struct random_source random = random_start("hardened traffic");
    static struct held held[BLOCKS];
    for (size_t step = 0; step < random_steps(20000); step++) {
        struct held *one = &held[random_below(&random, BLOCKS)];
        if (one->memory == NULL) {
            take(one, &random);
        } else if (random_below(&random, 4) == 0) {
            resize(one, &random);
        } else {
            check_held(one);
            arenite_free(one->memory);
            one->memory = NULL;
        }
        if (step % 2000 == 0) {
            expect_sound();
        }
    }
    for (size_t i = 0; i < BLOCKS; i++) {
        arenite_free(held[i].memory);
        held[i].memory = NULL;
    }
    expect_sound();
}

/* ---- blocks of no bytes ---------------------------------------------------------------------- */

static void read_it(void *block) {
    signal(SIGSEGV, SIG_DFL); /* cmocka has a handler */
    _exit(*(volatile char *)block);
}

static void test_no_bytes(void **state) {
    (void)state;
    struct child child;
    char *one = arenite_malloc(0), *other = arenite_calloc(0, 8);
    char *aligned = arenite_aligned_alloc(4096, 0);
    assert_true(one != other && zero_owns(slab_at(one)) && zero_owns(slab_at(other)));
    assert_true(zero_owns(slab_at(aligned)) && (uintptr_t)aligned % 4096 == 0);
    assert_int_equal(arenite_malloc_usable_size(one), 0);
    test_run_child(&child, read_it, one);
    assert_true(WIFSIGNALED(child.status) && WTERMSIG(child.status) == SIGSEGV);
    char *grown = arenite_realloc(one, 10);
    memset(grown, 1, 10);
    arenite_free(grown);
    arenite_free(other);
    arenite_free(aligned);
    expect_sound();
}

/* When no address is left, slots serve. */
static void test_all_addresses(void **state) {
    (void)state;
    static void *blocks[UINT16_MAX + 1];
    size_t trapping = 0;
    for (size_t i = 0; i <= UINT16_MAX; i++) {
        blocks[i] = arenite_malloc(0);
        trapping += zero_owns(slab_at(blocks[i]));
    }
    assert_int_equal(trapping, UINT16_MAX);
    for (size_t i = 0; i <= UINT16_MAX; i++) {
        arenite_free(blocks[i]);
    }
    expect_sound();
    void *again = arenite_malloc(0);
    assert_true(zero_owns(slab_at(again)));
    arenite_free(again);
}

/* ---- misuse ---------------------------------------------------------------------------------- */

/* One line about the block, with both sites where there are two. */
static void dies(void (*action)(void *), void *block, bool was_freed) {
    struct child child;
    test_run_child(&child, action, block);
    if (!test_child_aborted_over(&child, block) || strstr(child.said, ", allocated at ") == NULL ||
        (strstr(child.said, ", freed at ") != NULL) != was_freed) {
        fail_msg("status %#x, said: %s", (unsigned)child.status, child.said);
    }
}

static void turn_over(size_t bytes) {
    for (size_t i = 0; i < TURNS; i++) {
        arenite_free(arenite_malloc(bytes));
    }
}

static size_t block_bytes; /* of the block that children get */
static size_t place;       /* where they write */

static void free_twice(void *block) {
    arenite_free(block);
    arenite_free(block);
}

static void free_later(void *block) {
    arenite_free(block);
    for (size_t i = 0; i < place; i++) {
        void *other = arenite_malloc(block_bytes + 100); /* pushes it out, does not get it */
        arenite_free(other);
    }
    arenite_free(block);
}

static void *free_it(void *block) {
    arenite_free(block);
    return NULL;
}

static void free_by_another(void *block) {
    pthread_t thread;
    arenite_free(block);
    if (pthread_create(&thread, NULL, free_it, block) == 0) {
        pthread_join(thread, NULL);
    }
}

static void free_trimmed(void *block) {
    arenite_free(block);
    arenite_malloc_trim(0);
    arenite_free(block);
}

static void realloc_freed(void *block) {
    arenite_free(block);
    arenite_realloc(block, 10);
}

static void write_and_free(void *block) {
    *(char *)((uintptr_t)block + place) ^= 0x20; /* perhaps in front of it */
    arenite_free(block);
}

static void write_freed(void *block) {
    arenite_free(block);
    ((char *)block)[place] = 1;
    turn_over(block_bytes);
}

static const size_t sizes[] = {1, 24, 100, 1000, 5000, 30000};
#define SIZES (sizeof sizes / sizeof sizes[0])

/* Between neighbours in use. */
static char *get_middle(size_t bytes) {
    block_bytes = bytes;
    char *blocks[9];
    for (size_t i = 0; i < 9; i++) {
        blocks[i] = arenite_malloc(bytes);
    }
    return blocks[4];
}

static void test_double_frees(void **state) {
    (void)state;
    for (size_t i = 0; i < SIZES; i++) {
        char *block = get_middle(sizes[i]);
        dies(free_twice, block, true);
        dies(free_by_another, block, true);
        dies(realloc_freed, block, true);
        for (place = 1; place < TURNS; place *= 3) {
            dies(free_later, block, true);
        }
    }
    char *nothing = arenite_malloc(0);
    dies(free_twice, nothing, true);
    dies(free_trimmed, nothing, true);
    dies(free_trimmed, get_middle(24), true);
}

/* The bytes behind the block are its canary, those in front the one of the block before. */
static void test_writes_beside(void **state) {
    (void)state;
    for (size_t i = 0; i < SIZES; i++) {
        char *block = get_middle(sizes[i]);
        for (size_t distance = 0; distance < 8; distance++) {
            place = sizes[i] + distance;
            dies(write_and_free, block, false);
            place = (size_t)-1 - distance;
            dies(write_and_free, block, false);
        }
    }
}

static void test_writes_after_free(void **state) {
    (void)state;
    for (size_t i = 0; i < SIZES; i++) {
        char *block = get_middle(sizes[i]);
        size_t step = sizes[i] / 16 + 1;
        for (place = 0; place < sizes[i]; place += step) {
            dies(write_freed, block, true);
        }
    }
}

static void test_other_family(void **state) {
    (void)state;
    void *block = hardened_malloc(100, ORIGIN_NEW_ARRAY, NULL);
    assert_int_equal(hardened_free(block, ORIGIN_MALLOC, NULL), HARDENED_OTHER_ORIGIN);
    assert_int_equal(hardened_free(block, ORIGIN_NEW, NULL), HARDENED_OTHER_ORIGIN);
    assert_int_equal(hardened_free(block, ORIGIN_NEW_ARRAY, NULL), HARDENED_FREED);
    assert_int_equal(hardened_free(block, ORIGIN_NEW_ARRAY, NULL), HARDENED_UNKNOWN);
    void *unknown = hardened_malloc(100, ORIGIN_ANY, NULL);
    assert_int_equal(hardened_free(unknown, ORIGIN_NEW, NULL), HARDENED_FREED);
}

/* ---- quarantine ------------------------------------------------------------------------------ */

/* What is in it is free to the figures, and goes home when asked for. */
static void test_quarantine(void **state) {
    (void)state;
    void *blocks[100];
    arenite_malloc_trim(0);
    assert_int_equal(quarantine_count_of(thread_own), 0);
    size_t used = arenite_mallinfo2().uordblks;
    for (size_t i = 0; i < 100; i++) {
        blocks[i] = arenite_malloc(200);
    }
    for (size_t i = 0; i < 100; i++) {
        arenite_free(blocks[i]);
    }
    assert_int_equal(quarantine_count_of(thread_own), 100);
    assert_int_equal(quarantine_bytes_of(thread_own), 100 * 208);
    assert_int_equal(arenite_mallinfo2().uordblks, used);
    expect_sound();
    arenite_malloc_trim(0);
    assert_int_equal(quarantine_bytes_of(thread_own), 0);
    expect_sound();
}

/* Blocks come again in another order than they went. */
static void test_order(void **state) {
    (void)state;
    void *last = NULL;
    size_t same = 0;
    for (size_t i = 0; i < 1000; i++) {
        void *block = arenite_malloc(48);
        same += block == last;
        arenite_free(block);
        last = block;
    }
    assert_true(same < 100);
}

/* ---- sites ----------------------------------------------------------------------------------- */

static void test_sites(void **state) {
    (void)state;
    size_t known = 0;
    assert_int_equal(site_of(NULL), 0);
    assert_null(site_address(0));
    assert_null(site_address(UINT32_MAX));
    for (uintptr_t at = 0x1000; at < 0x1000 + SITE_PLACES / 2 * 16; at += 16) {
        uint32_t site = site_of((const void *)at);
        assert_true(site == 0 || site_address(site) == (const void *)at);
        assert_int_equal(site_of((const void *)at), site);
        known += site != 0;
    }
    assert_true(known > SITE_PLACES / 4);
}

static int begin(void **state) {
    (void)state;
    setvbuf(stdout, NULL, _IONBF, 0); /* what a child inherits it must not print again */
    arenite_free(arenite_malloc(1));
    return params.hardened ? 0 : -1;
}

int main(void) {
    setenv("ARENITE_OPTIONS", "profile=hardened", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_byte_of_a_canary),
        cmocka_unit_test(test_traffic),
        cmocka_unit_test(test_no_bytes),
        cmocka_unit_test(test_all_addresses),
        cmocka_unit_test(test_double_frees),
        cmocka_unit_test(test_writes_beside),
        cmocka_unit_test(test_writes_after_free),
        cmocka_unit_test(test_other_family),
        cmocka_unit_test(test_quarantine),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_sites),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
