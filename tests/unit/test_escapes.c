/* test_escapes.c - signal handlers that never return: from every instruction of a slow operation
 * one leaves it by siglongjmp. The thread then goes on with a heap that is whole: every audit
 * holds, every block keeps its contents, and what is lost is bounded and counted.
 * Layer: tests (includes api and below).
 *
 * Each call is brought to its slow path and left after so many instructions, from the first to the
 * last; ARENITE_TEST_STRIDE=1 leaves it at every one, the usual run at one in some, by chance from
 * a seed, and not beyond the first ARENITE_TEST_INSTRUCTIONS: each step costs a signal. */
#include "api/names.h"
#include "arenite/arenite.h"
#include "chunk/params.h"
#include "held.h"
#include "single_step.h"
#include "support.h"
#include "test_child.h"
#include "test_random.h"
#include "thread/operation.h"
#include "thread/recover.h"

#include <malloc.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_LARGE_FRAMES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_LARGE_FRAMES 1
#endif
#endif

/* Under the address checker frames are so large that later calls may all come from below the one
 * that was left: nobody notices, and the locks stay taken. */
#if CAN_SINGLE_STEP && !defined(HAS_LARGE_FRAMES)

#define KEPT 40
#define SPARE 600
/* What may be kept in lists at one moment and not at another. */
#define SLACK_BYTES ((size_t)4 << 20)

static struct random_source chance;
static struct held kept[KEPT]; /* live through everything */
static void *spare[SPARE];     /* what a case needs to come to its slow path */
static size_t spares;
static void *volatile subject; /* of the call that is left */
static size_t escapes;

static sigjmp_buf outside;
static volatile size_t escape_at, steps;

/* ---- leaving a call -------------------------------------------------------------------------- */

static void on_step(int number) {
    (void)number;
    if (thread_operation != NULL && steps++ == escape_at) {
        siglongjmp(outside, 1);
    }
}

/* False when the call ended before. */
static bool is_left(void (*call)(size_t bytes), size_t bytes, size_t at) {
    escape_at = at;
    steps = 0;
    if (sigsetjmp(outside, 1) != 0) {
        return true;
    }
    single_step_begin();
    call(bytes);
    single_step_end();
    return false;
}

/* ---- what must hold afterwards --------------------------------------------------------------- */

static void keep_all(void) {
    static const size_t sizes[] = {24, 100, 900, 5000, 20000, 50000, 200000, 3000000};
    for (size_t i = 0; i < KEPT; i++) {
        kept[i] = (struct held){NULL, sizes[i % 8] + i, i};
        kept[i].memory = arenite_malloc(kept[i].bytes);
        CHILD_EXPECT(kept[i].memory != NULL);
        held_fill(&kept[i]);
    }
}

static void expect_kept(void) {
    for (size_t i = 0; i < KEPT; i++) {
        CHILD_EXPECT(held_is_intact(&kept[i]));
    }
}

/* Replaces some of the kept blocks, by malloc and realloc; they share no byte. */
static void use_heap(void) {
    for (size_t i = 0; i < KEPT; i++) {
        if (random_below(&chance, 4) != 0) {
            continue;
        }
        struct held *held = &kept[i];
        if (random_below(&chance, 2) == 0) {
            arenite_free(held->memory);
            held->memory = arenite_malloc(held->bytes);
        } else {
            unsigned char *moved = arenite_realloc(held->memory, held->bytes * 2);
            CHILD_EXPECT(moved != NULL);
            held->memory = moved;
            CHILD_EXPECT(held_begins(held, held->bytes));
            held->memory = arenite_realloc(moved, held->bytes);
        }
        CHILD_EXPECT(held->memory != NULL);
        held_fill(held);
    }
    CHILD_EXPECT(!held_overlap(kept, KEPT));
}

static void expect_sound(const char *name, size_t at) {
    const char *error = arenite_audit();
    if (error != NULL) {
        fprintf(stderr, "%s, left after %zu instructions: %s\n", name, at, error);
        fflush(stderr);
        abort();
    }
}

static size_t in_use_bytes(void) {
    struct mallinfo2 info = arenite_mallinfo2();
    return info.uordblks + info.hblkhd;
}

/* ---- ways to slow paths ---------------------------------------------------------------------- */

static void give_back_spares(void) {
    while (spares > 0) {
        arenite_free(spare[--spares]);
    }
}

static void take_spares(size_t bytes, size_t count) {
    while (spares < count) {
        spare[spares++] = arenite_malloc(bytes);
    }
}

static bool cache_is_empty(size_t bytes) {
    return slot_list_is_empty(&thread_own->caches[class_of(bytes)]);
}

static void empty_cache(size_t bytes) {
    while (params.slabs && !cache_is_empty(bytes) && spares < SPARE) {
        spare[spares++] = arenite_malloc(bytes);
    }
}

static void nothing(size_t bytes) {
    (void)bytes;
}

static void trim_first(size_t bytes) {
    (void)bytes;
    (void)arenite_malloc_trim(0);
}

static void have_subject(size_t bytes) {
    subject = arenite_malloc(bytes);
    CHILD_EXPECT(subject != NULL);
}

static void have_subject_then_trim(size_t bytes) {
    have_subject(bytes);
    (void)arenite_malloc_trim(0);
}

/* The next free finds the cache full. */
static void fill_cache(size_t bytes) {
    take_spares(bytes, SPARE);
    have_subject(bytes);
    while (params.slabs && thread_own->caches[class_of(bytes)].until > 1 && spares > 0) {
        arenite_free(spare[--spares]);
    }
}

static void have_spares(size_t bytes) {
    take_spares(bytes, 100);
}

static void *allocate_subject(void *bytes) {
    subject = arenite_malloc(*(size_t *)bytes);
    return NULL;
}

static void have_orphan(size_t bytes) {
    pthread_t thread;
    CHILD_EXPECT(pthread_create(&thread, NULL, allocate_subject, &bytes) == 0);
    CHILD_EXPECT(pthread_join(thread, NULL) == 0);
}

/* ---- calls ----------------------------------------------------------------------------------- */

static void call_malloc(size_t bytes) {
    subject = arenite_malloc(bytes);
}

static void call_calloc(size_t bytes) {
    subject = arenite_calloc(1, bytes);
}

static void call_memalign(size_t bytes) {
    subject = arenite_memalign(1024, bytes);
}

static void call_free(size_t bytes) {
    (void)bytes;
    arenite_free(subject);
    subject = NULL;
}

static void call_grow(size_t bytes) {
    subject = arenite_realloc(subject, bytes * 2);
}

static void call_shrink(size_t bytes) {
    subject = arenite_realloc(subject, bytes / 3);
}

static void call_free_spares(size_t bytes) {
    (void)bytes;
    while (spares > 0) {
        arenite_free(spare[--spares]);
    }
}

static void call_trim(size_t bytes) {
    (void)bytes;
    (void)arenite_malloc_trim(0);
}

static void call_mallinfo(size_t bytes) {
    (void)bytes;
    (void)arenite_mallinfo2();
}

static const struct scene {
    const char *name;
    void (*prepare)(size_t bytes);
    void (*call)(size_t bytes);
    size_t bytes;
    size_t stride; /* in the usual run */
} scenes[] = {
    {"malloc, cache empty", empty_cache, call_malloc, 100, 15},
    {"malloc, no slab", trim_first, call_malloc, 100, 100},
    {"malloc, no slab", trim_first, call_malloc, 9000, 100},
    {"malloc, medium", trim_first, call_malloc, 50000, 50},
    {"malloc, medium from a list", have_subject, call_malloc, 41000, 15},
    {"malloc, large", nothing, call_malloc, 300000, 50},
    {"malloc, very large", nothing, call_malloc, (size_t)40 << 20, 100},
    {"calloc", empty_cache, call_calloc, 1000, 15},
    {"calloc, large", trim_first, call_calloc, 300000, 50},
    {"memalign", empty_cache, call_memalign, 1000, 15},
    {"memalign, medium", trim_first, call_memalign, 60000, 50},
    {"free, cache full", fill_cache, call_free, 100, 100},
    {"free, cache full", fill_cache, call_free, 3000, 60},
    {"free, medium", have_subject_then_trim, call_free, 50000, 50},
    {"free, more than is kept", have_subject_then_trim, call_free, 2000000, 70},
    {"free, large", have_subject, call_free, 300000, 50},
    {"free, many", have_spares, call_free_spares, 9000, 900},
    {"free, of an ended thread", have_orphan, call_free, 1000, 70},
    {"free, of an ended thread, medium", have_orphan, call_free, 70000, 70},
    {"realloc, slot", have_subject, call_grow, 1000, 50},
    {"realloc, medium grows", have_subject, call_grow, 50000, 70},
    {"realloc, medium shrinks", have_subject, call_shrink, 200000, 70},
    {"realloc, large grows", have_subject, call_grow, 300000, 70},
    {"malloc_trim", have_spares, call_trim, 2000, 1200},
    {"mallinfo2", nothing, call_mallinfo, 0, 1200},
};
#define SCENES (sizeof scenes / sizeof scenes[0])

/* Escapes after which every later call came from below the frame that was left: the heap is sound
 * all the same, the thread is served slowly. How frames lie is the compiler's choice. */
static size_t unnoticed;

/* One call, left after so many instructions; false when it ended before. */
static bool leave_once(const struct scene *scene, size_t at) {
    subject = NULL;
    scene->prepare(scene->bytes);
    bool left = is_left(scene->call, scene->bytes, at);
    if (left) {
        escapes++;
        use_heap(); /* what the call was about is lost: nobody knows how far it came */
    } else {
        arenite_free(subject);
    }
    give_back_spares();
    expect_kept();
    expect_sound(scene->name, at);
    unnoticed += thread_operation != NULL;
    return left;
}

static void leave_everywhere(const struct scene *scene) {
    size_t stride = test_knob("ARENITE_TEST_STRIDE", scene->stride);
    size_t most = test_knob("ARENITE_TEST_INSTRUCTIONS", 2500);
    size_t before = escapes, at = random_below(&chance, stride);
    while (at < most && leave_once(scene, at)) {
        at += stride == 1 ? 1 : 1 + random_below(&chance, 2 * stride);
    }
    printf("%s, %zu bytes: left at %zu of %zu instructions\n", scene->name, scene->bytes,
           escapes - before, at);
    fflush(stdout);
}

/* Each time the block in flight, perhaps while it is in two places, or a slab. */
static size_t most_lost(const struct scene *scene, size_t times) {
    return times * (3 * scene->bytes + ((size_t)64 << 10));
}

static void run_scenes(void) {
    struct sigaction on_trap = {.sa_handler = on_step};
    size_t most = SLACK_BYTES;
    CHILD_EXPECT(sigaction(SIGTRAP, &on_trap, NULL) == 0);
    keep_all();
    size_t before_bytes = in_use_bytes();
    for (size_t i = 0; i < SCENES; i++) {
        size_t before = escapes;
        leave_everywhere(&scenes[i]);
        most += most_lost(&scenes[i], escapes - before);
    }
    size_t now_bytes = in_use_bytes();
    size_t lost = now_bytes > before_bytes ? now_bytes - before_bytes : 0;
    printf("%zu escapes: %zu bytes lost, %zu arenas of %zu bytes set aside\n", escapes, lost,
           thread_losses.arenas, thread_losses.arena_bytes);
    CHILD_EXPECT(unnoticed * 20 <= escapes);
    fflush(stdout);
    CHILD_EXPECT(thread_losses.operations >= escapes);
    CHILD_EXPECT(lost <= most + thread_losses.arena_bytes);
}

static void *run_scenes_in_thread(void *unused) {
    run_scenes();
    return unused;
}

static void child_in_first_thread(void) {
    run_scenes();
}

static void child_in_other_thread(void) {
    pthread_t thread;
    CHILD_EXPECT(pthread_create(&thread, NULL, run_scenes_in_thread, NULL) == 0);
    CHILD_EXPECT(pthread_join(thread, NULL) == 0);
    expect_sound("the thread's end", 0);
}

static void child_ptmalloc(void) {
    params_use_profile(PROFILE_PTMALLOC);
    run_scenes();
}

static void test_first_thread(void **state) {
    (void)state;
    chance = random_start("test_first_thread");
    assert_child_passes(child_in_first_thread);
}

static void test_other_thread(void **state) {
    (void)state;
    chance = random_start("test_other_thread");
    assert_child_passes(child_in_other_thread);
}

static void test_ptmalloc(void **state) {
    (void)state;
    chance = random_start("test_ptmalloc");
    assert_child_passes(child_ptmalloc);
}

int main(void) {
    setenv("ARENITE_TEST_SEED", "1", 0); /* the same instructions in every run */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_thread),
        cmocka_unit_test(test_other_thread),
        cmocka_unit_test(test_ptmalloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void) {
    test_skip("there is no single-stepping here, or frames are too large");
}

#endif
