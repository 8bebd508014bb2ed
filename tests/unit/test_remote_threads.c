/* test_remote_threads.c - frees across threads: what a batch may hold, what happens to it when its
 * receiver ends, states that serve again, short lives, and fork among running threads.
 * Layer: tests (includes thread and below).
 *
 * ARENITE_TEST_LIVES sets how many threads live shortly. */
#include "arenite/arenite.h"
#include "child.h"
#include "support.h"
#include "support_slabs.h"
#include "test_random.h"
#include "thread/operation.h"
#include "thread/remote.h"
#include "thread/slabs.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY 1000

/* ---- batches: handles, one kernel thread ----------------------------------------------------- */

static struct thread *handle(void) {
    struct thread *thread = thread_create();
    assert_non_null(thread);
    struct thread *former = thread_switch(thread);
    arenite_free(arenite_malloc(1));
    thread_switch(former);
    return thread;
}

static size_t outgoing_bytes(const struct thread *thread, const struct thread *owner) {
    size_t bytes = 0;
    for (size_t way = 0; way < OUTGOING_WAYS; way++) {
        bytes +=
            owner == NULL || thread->outgoing[way].owner == owner ? thread->outgoing[way].bytes : 0;
    }
    return bytes;
}

/* Sent when 16 KiB are together, not before, by a thread that does not use the class itself. */
static void test_batch_bound(void **state) {
    (void)state;
    struct thread *self = thread_own;
    struct thread *owner = handle();
    for (size_t bytes = 32; bytes <= 512; bytes *= 4) {
        void *blocks[MANY + 100];
        size_t count = REMOTE_BATCH_BYTES / bytes + 3;
        thread_switch(owner);
        struct operation operation;
        operation_enter(&operation);
        remote_collect(owner);
        operation_leave(&operation);
        for (size_t i = 0; i < count; i++) {
            blocks[i] = arenite_malloc(bytes);
        }
        thread_switch(self);
        for (size_t i = 0; i < count; i++) {
            arenite_free(blocks[i]);
            bool is_sent = (i + 1) * bytes >= REMOTE_BATCH_BYTES;
            assert_true((slabs_inbox_length(owner) != 0) == is_sent);
            assert_true(outgoing_bytes(self, owner) < REMOTE_BATCH_BYTES);
        }
        operation_enter(&operation);
        remote_flush(self);
        operation_leave(&operation);
        assert_int_equal(slabs_inbox_length(owner), count);
        assert_int_equal(outgoing_bytes(self, NULL), 0);
        slabs_expect_sound();
    }
    thread_switch(owner);
    struct operation operation;
    operation_enter(&operation);
    assert_true(remote_collect(owner));
    assert_false(remote_collect(owner));
    operation_leave(&operation);
    thread_switch(self);
    thread_detach(owner);
    slabs_expect_sound();
}

/* Two owners that want the same place in turn: each time the other's batch goes out. */
static void test_conflict(void **state) {
    (void)state;
    enum { OWNERS = OUTGOING_WAYS + 1, EACH = 40 };
    struct thread *self = thread_own;
    struct thread *owners[OWNERS];
    void *blocks[OWNERS][EACH];
    for (size_t k = 0; k < OWNERS; k++) {
        owners[k] = handle();
        thread_switch(owners[k]);
        for (size_t i = 0; i < EACH; i++) {
            blocks[k][i] = arenite_malloc(64);
        }
        thread_switch(self);
    }
    for (size_t i = 0; i < EACH; i++) {
        for (size_t k = 0; k < OWNERS; k++) {
            arenite_free(blocks[k][i]);
        }
    }
    size_t known = outgoing_bytes(self, NULL) / 64;
    for (size_t k = 0; k < OWNERS; k++) {
        known += slabs_inbox_length(owners[k]);
    }
    assert_int_equal(known, OWNERS * EACH);
    for (size_t k = 0; k < OWNERS; k++) {
        thread_detach(owners[k]);
    }
    struct operation operation;
    operation_enter(&operation);
    remote_flush(self);
    operation_leave(&operation);
    slabs_expect_sound();
}

static void fill_blocks(struct thread *owner, void **blocks) {
    struct thread *former = thread_switch(owner);
    for (size_t i = 0; i < MANY; i++) {
        blocks[i] = arenite_malloc(100);
    }
    thread_switch(former);
}

/* A batch is under way when its owner ends; the slabs lie in the depot, or belong to an heir, or
 * the very state serves somebody else. */
static void test_owner_ends(void **state) {
    (void)state;
    struct thread *self = thread_own;
    for (int kind = 0; kind < 3; kind++) {
        static void *blocks[MANY];
        struct slab_count before;
        assert_null(slabs_recount(&before));
        struct thread *owner = handle();
        fill_blocks(owner, blocks);
        for (size_t i = 0; i < MANY; i += 2) {
            arenite_free(blocks[i]);
        }
        thread_detach(owner);
        struct thread *heir = kind == 0 ? NULL : handle();
        assert_true(kind == 0 || heir == owner);
        if (kind == 2) {
            thread_switch(heir);
            arenite_free(arenite_malloc(100));
            thread_switch(self);
        }
        for (size_t i = 1; i < MANY; i += 2) {
            arenite_free(blocks[i]);
        }
        struct operation operation;
        operation_enter(&operation);
        remote_flush(self);
        operation_leave(&operation);
        if (heir != NULL) {
            thread_detach(heir);
        }
        struct slab_count after;
        assert_null(slabs_recount(&after));
        assert_int_equal(after.live, before.live);
    }
}

/* A handler in a slow operation frees a slot of the depot, or of a thread that has ended. */
static void test_handler_frees_into_depot(void **state) {
    (void)state;
    static void *blocks[MANY];
    struct thread *owner = handle();
    fill_blocks(owner, blocks);
    thread_detach(owner);
    struct slab_count before;
    assert_null(slabs_recount(&before));
    depot_lock();
    struct operation operation;
    operation_enter(&operation); /* the flow that is interrupted */
    for (size_t i = 0; i < MANY; i++) {
        arenite_free(blocks[i]);
    }
    operation_leave(&operation);
    depot_unlock();
    operation_enter(&operation);
    remote_collect(thread_own);
    operation_leave(&operation);
    struct slab_count after;
    assert_null(slabs_recount(&after));
    assert_int_equal(after.live, before.live - MANY);
}

/* ---- short lives ----------------------------------------------------------------------------- */

struct baton {
    unsigned char *block;
    size_t bytes;
};

static void *run_with(void *argument) {
    struct baton *baton = argument;
    unsigned char *fresh = arenite_malloc(baton->bytes);
    bool sound = test_pattern_holds(baton->block, baton->bytes, baton->bytes);
    arenite_free(baton->block);
    test_pattern_fill(fresh, baton->bytes, baton->bytes);
    for (size_t i = 1; i < 20; i++) {
        arenite_free(arenite_malloc(i * 48));
    }
    baton->block = fresh;
    return sound ? argument : NULL;
}

/* Neither states nor slabs grow with the number of threads that have lived. */
static void test_short_lives(void **state) {
    (void)state;
    struct baton baton = {arenite_malloc(200), 200};
    test_pattern_fill(baton.block, 200, 200);
    size_t most = 0;
    for (size_t life = test_knob("ARENITE_TEST_LIVES", 2000); life > 0; life--) {
        pthread_t thread;
        void *result;
        assert_int_equal(pthread_create(&thread, NULL, run_with, &baton), 0);
        assert_int_equal(pthread_join(thread, &result), 0);
        assert_ptr_equal(result, &baton);
        struct slab_count count;
        if (life % 100 == 0) {
            assert_null(slabs_recount(&count));
            most = most == 0 ? count.slabs + 25 : most;
            assert_true(count.slabs <= most);
        }
    }
    arenite_free(baton.block);
    slabs_expect_sound();
}

/* ---- fork ------------------------------------------------------------------------------------ */

#define FORKERS 3
#define SHARED 200

static void *shared[FORKERS][SHARED];
static uint32_t stop;

/* Blocks of a stable part are the child's to free; the rest changes all the time. */
static void *keep_busy(void *argument) {
    void **mine = argument;
    void *blocks[100] = {NULL};
    struct random_source random = {(uintptr_t)argument};
    for (size_t i = 0; i < SHARED; i++) {
        void *block = arenite_malloc(1 + i * 5);
        test_pattern_fill(block, 1 + i * 5, i);
        __atomic_store_n(&mine[i], block, __ATOMIC_RELEASE);
    }
    while (__atomic_load_n(&stop, __ATOMIC_RELAXED) == 0) {
        size_t i = random_below(&random, 100);
        arenite_free(blocks[i]);
        blocks[i] = arenite_malloc(random_below(&random, 1000));
    }
    for (size_t i = 0; i < 100; i++) {
        arenite_free(blocks[i]);
    }
    return NULL;
}

static void live_in_child(void *unused) {
    (void)unused;
    for (size_t k = 0; k < FORKERS; k++) {
        for (size_t i = 0; i < SHARED; i++) {
            if (!test_pattern_holds(shared[k][i], 1 + i * 5, i)) {
                _exit(3);
            }
            arenite_free(shared[k][i]);
        }
    }
    void *blocks[MANY];
    for (size_t i = 0; i < MANY; i++) {
        blocks[i] = arenite_malloc(i);
        memset(blocks[i], 1, i);
    }
    for (size_t i = 0; i < MANY; i++) {
        arenite_free(blocks[i]);
    }
    pthread_t thread;
    struct baton baton = {arenite_malloc(64), 64};
    test_pattern_fill(baton.block, 64, 64);
    if (pthread_create(&thread, NULL, run_with, &baton) != 0 || pthread_join(thread, NULL) != 0) {
        _exit(4);
    }
    struct operation operation;
    operation_enter(&operation);
    remote_flush(thread_own);
    operation_leave(&operation);
    const char *error = slabs_recount(NULL);
    if (error != NULL) {
        _exit((int)write(STDERR_FILENO, error, strlen(error)) != 0 ? 5 : 6);
    }
}

static void wait_for_blocks(void) {
    for (size_t k = 0; k < FORKERS; k++) {
        while (__atomic_load_n(&shared[k][SHARED - 1], __ATOMIC_ACQUIRE) == NULL) {
            usleep(100);
        }
    }
}

static void test_fork(void **state) {
    (void)state;
#if defined(HAS_THREAD_SANITIZER)
    skip(); /* it refuses threads in the child of a process that had some */
#endif
    pthread_t threads[FORKERS];
    for (size_t k = 0; k < FORKERS; k++) {
        assert_int_equal(pthread_create(&threads[k], NULL, keep_busy, shared[k]), 0);
    }
    wait_for_blocks();
    for (size_t rounds = test_knob("ARENITE_TEST_ROUNDS", 40); rounds > 0; rounds--) {
        struct child child;
        test_run_child(&child, live_in_child, NULL);
        assert_true(test_child_passed(&child));
    }
    __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
    for (size_t k = 0; k < FORKERS; k++) {
        assert_int_equal(pthread_join(threads[k], NULL), 0);
        for (size_t i = 0; i < SHARED; i++) {
            arenite_free(shared[k][i]);
        }
    }
    slabs_expect_sound();
}

static int begin(void **state) {
    (void)state;
    arenite_free(arenite_malloc(1));
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_bound), cmocka_unit_test(test_conflict),
        cmocka_unit_test(test_owner_ends),  cmocka_unit_test(test_handler_frees_into_depot),
        cmocka_unit_test(test_short_lives), cmocka_unit_test(test_fork),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
