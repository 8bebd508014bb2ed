/* test_traffic_threads.c - content-checked random traffic of many threads, with hand-over between
 * them and threads that come and go. Runs under ThreadSanitizer too.
 * Layer: tests (includes the public interface; audits of thread and below).
 *
 * ARENITE_TEST_ROUNDS sets how long it runs, ARENITE_TEST_MAX_THREADS how wide. */
#include "arenite/arenite.h"
#include "chunk/params.h"
#include "glibc_profile.h"
#include "support.h"
#include "support_recount.h"
#include "support_slabs.h"
#include "test_random.h"
#include "thread/thread.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MAX_THREADS 16
#define SLOTS 200
#define POSTS 64

struct holding {
    unsigned char *memory;
    size_t bytes;
    uint64_t tag;
};

/* Where blocks change hands: any thread leaves some, any thread takes them. */
struct post {
    pthread_mutex_t lock;
    struct holding blocks[POSTS];
    size_t count;
};

struct worker {
    struct random_source random;
    struct holding slots[SLOTS];
    size_t steps;
    size_t limit_bytes;
    uint64_t tags;
    size_t faults; /* blocks whose content had changed */
};

static struct post post = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct worker workers[MAX_THREADS];

static void verify(struct worker *worker, const struct holding *block) {
    worker->faults += !test_pattern_holds(block->memory, block->bytes, block->tag);
}

static void fill(struct worker *worker, struct holding *block, size_t bytes) {
    block->bytes = bytes;
    block->tag = ++worker->tags;
    test_pattern_fill(block->memory, bytes, block->tag);
}

static size_t random_bytes(struct worker *worker) {
    return (size_t)random_magnitude(&worker->random) % worker->limit_bytes;
}

static void acquire(struct worker *worker, struct holding *block) {
    size_t bytes = random_bytes(worker);
    size_t kind = random_below(&worker->random, 10);
    if (kind == 0) {
        size_t alignment = (size_t)16 << random_below(&worker->random, 9);
        block->memory = arenite_memalign(alignment, bytes);
        worker->faults += (uintptr_t)block->memory % alignment != 0;
    } else if (kind == 1) {
        block->memory = arenite_calloc(1, bytes);
        for (size_t i = 0; block->memory != NULL && i < bytes; i++) {
            worker->faults += block->memory[i] != 0;
        }
    } else {
        block->memory = arenite_malloc(bytes);
    }
    if (block->memory != NULL) {
        fill(worker, block, bytes);
    }
}

static void change(struct worker *worker, struct holding *block) {
    verify(worker, block);
    size_t bytes = 1 + random_bytes(worker);
    unsigned char *memory = arenite_realloc(block->memory, bytes);
    if (memory == NULL) {
        return;
    }
    size_t kept = bytes < block->bytes ? bytes : block->bytes;
    block->memory = memory;
    worker->faults += !test_pattern_holds(memory, kept, block->tag);
    fill(worker, block, bytes);
}

static void release(struct worker *worker, struct holding *block) {
    verify(worker, block);
    arenite_free(block->memory);
    block->memory = NULL;
}

/* Swaps a block of ours with one from the post: it will be checked and freed elsewhere. */
static void hand_over(struct worker *worker, struct holding *block) {
    struct holding other = {NULL, 0, 0};
    pthread_mutex_lock(&post.lock);
    size_t place = random_below(&worker->random, POSTS);
    other = post.blocks[place];
    post.blocks[place] = *block;
    pthread_mutex_unlock(&post.lock);
    *block = other;
}

static void step(struct worker *worker) {
    struct holding *block = &worker->slots[random_below(&worker->random, SLOTS)];
    size_t kind = random_below(&worker->random, 100);
    if (kind < 15) {
        hand_over(worker, block);
    } else if (block->memory == NULL) {
        acquire(worker, block);
    } else if (kind < 75) {
        release(worker, block);
    } else {
        change(worker, block);
    }
}

static void *work(void *argument) {
    struct worker *worker = argument;
    for (size_t i = 0; i < worker->steps; i++) {
        step(worker);
    }
    for (size_t i = 0; i < SLOTS; i++) {
        if (worker->slots[i].memory != NULL) {
            release(worker, &worker->slots[i]);
        }
    }
    return NULL;
}

static void empty_post(void) {
    for (size_t i = 0; i < POSTS; i++) {
        if (post.blocks[i].memory != NULL) {
            verify(&workers[0], &post.blocks[i]);
            arenite_free(post.blocks[i].memory);
            post.blocks[i].memory = NULL;
        }
    }
}

static void audit(void) {
    const char *error = recount_all();
    error = error != NULL ? error : slabs_recount(NULL);
    if (error != NULL) {
        fail_msg("%s", error);
    }
}

static void run_round(struct random_source *random, size_t threads, size_t steps, size_t limit) {
    pthread_t handles[MAX_THREADS];
    for (size_t i = 0; i < threads; i++) {
        memset(&workers[i], 0, sizeof workers[i]);
        workers[i].random.state = random_bits(random);
        workers[i].steps = steps / 2 + random_below(random, steps);
        workers[i].limit_bytes = limit;
        workers[i].tags = (uint64_t)i << 32;
        assert_int_equal(pthread_create(&handles[i], NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < threads; i++) {
        assert_int_equal(pthread_join(handles[i], NULL), 0);
    }
    for (size_t i = 0; i < threads; i++) {
        assert_int_equal(workers[i].faults, 0);
    }
    audit();
}

/* Threads end after each round, arenas are handed on to those of the next. */
static void test_rounds(void **state) {
    (void)state;
    static const size_t limits[] = {600, 3000, 40000, 300000};
    struct random_source random = random_start("test_rounds");
    size_t widest = test_knob("ARENITE_TEST_MAX_THREADS", MAX_THREADS);
    widest = widest < 1 || widest > MAX_THREADS ? MAX_THREADS : widest;
    for (size_t rounds = test_knob("ARENITE_TEST_ROUNDS", 12); rounds > 0; rounds--) {
        size_t threads = 1 + random_below(&random, widest);
        size_t limit = limits[rounds % 4];
        size_t steps = limit > 10000 ? 1500 : 6000;
        run_round(&random, threads, steps, limit);
    }
    empty_post();
    assert_int_equal(workers[0].faults, 0);
    audit();
}

/* ---- churn: many short lives ----------------------------------------------------------------- */

static void *short_life(void *argument) {
    struct holding *block = argument;
    unsigned char *own = arenite_malloc(block->bytes);
    bool sound = own != NULL && test_pattern_holds(block->memory, block->bytes, block->tag);
    if (sound) {
        test_pattern_fill(own, block->bytes, block->tag + 1);
        arenite_free(block->memory);
        block->memory = own;
        block->tag++;
    }
    return sound ? argument : NULL;
}

/* One block is copied and passed on by a row of threads, two at a time. */
static void test_churn(void **state) {
    (void)state;
    struct holding blocks[2];
    for (size_t i = 0; i < 2; i++) {
        blocks[i] = (struct holding){arenite_malloc(100 + i * 5000), 100 + i * 5000, i << 20};
        test_pattern_fill(blocks[i].memory, blocks[i].bytes, blocks[i].tag);
    }
    size_t arenas = 0;
    for (size_t life = test_knob("ARENITE_TEST_LIVES", 300); life > 0; life--) {
        pthread_t handles[2];
        void *result;
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(pthread_create(&handles[i], NULL, short_life, &blocks[i]), 0);
        }
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(pthread_join(handles[i], &result), 0);
            assert_ptr_equal(result, &blocks[i]);
        }
        arenas = arenas == 0 ? arena_count() + 2 : arenas;
        assert_true(arena_count() <= arenas);
    }
    arenite_free(blocks[0].memory);
    arenite_free(blocks[1].memory);
    audit();
}

/* ---- everybody in one arena ------------------------------------------------------------------ */

static void test_one_arena(void **state) {
    (void)state;
    struct random_source random = random_start("test_one_arena");
    size_t saved = params.arena_max;
    params.arena_max = 1;
    for (size_t rounds = 1 + test_knob("ARENITE_TEST_ROUNDS", 12) / 8; rounds > 0; rounds--) {
        run_round(&random, 8, 4000, 5000);
    }
    params.arena_max = saved;
    empty_post();
    audit();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounds),
        cmocka_unit_test(test_churn),
        cmocka_unit_test(test_one_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
