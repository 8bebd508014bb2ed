/* test_thread.c - states of threads as handles: determinism, re-entrance, the end, damage.
 * Layer: tests (includes api and below). */
#include "arenite/arenite.h"
#include "chunk/heap.h"
#include "chunk/params.h"
#include "glibc_profile.h"
#include "support.h"
#include "support_recount.h"
#include "test_child.h"
#include "test_random.h"
#include "thread/operation.h"
#include "thread/thread.h"

#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/time.h>

#include <cmocka.h>

static void audit(void) {
    const char *error = recount_all();
    if (error != NULL) {
        fail_msg("%s", error);
    }
}

/* ---- handles --------------------------------------------------------------------------------- */

#define HANDLES 3
#define SLOTS 100
#define RECORDED 4000
#define SIGNALS_LEAST 100

/* Acts as several threads in turn; writes down where each block lies in its heap. */
static void play_script(uint64_t seed, uintptr_t *places) {
    struct thread *handles[HANDLES];
    void *slots[SLOTS] = {NULL};
    struct random_source random = {seed};
    struct thread *own = thread_own;
    for (size_t i = 0; i < HANDLES; i++) {
        handles[i] = thread_create();
        CHILD_EXPECT(handles[i] != NULL);
    }
    for (size_t i = 0; i < RECORDED; i++) {
        thread_switch(handles[random_below(&random, HANDLES)]);
        size_t slot = random_below(&random, SLOTS);
        arenite_free(slots[slot]);
        slots[slot] = arenite_malloc(random_below(&random, 3000));
        places[i] = (uintptr_t)slots[slot] % HEAP_MAX_BYTES;
    }
    for (size_t i = 0; i < SLOTS; i++) {
        arenite_free(slots[i]);
    }
    for (size_t i = 0; i < HANDLES; i++) {
        thread_switch(handles[i]);
        thread_detach(handles[i]);
    }
    thread_switch(own);
    CHILD_EXPECT(recount_all() == NULL);
}

static int script_output;

static void script_in_child(void) {
    static uintptr_t places[RECORDED];
    arenite_free(arenite_malloc(10)); /* main goes to this thread */
    play_script(77, places);
    CHILD_EXPECT(write(script_output, places, sizeof places) == (ssize_t)sizeof places);
}

static void run_script(uintptr_t *places) {
    FILE *file = tmpfile();
    assert_non_null(file);
    script_output = fileno(file);
    assert_child_passes(script_in_child);
    rewind(file);
    assert_int_equal(fread(places, sizeof *places, RECORDED, file), RECORDED);
    fclose(file);
}

static void test_same_script_same_places(void **state) {
    (void)state;
    static uintptr_t first[RECORDED];
    static uintptr_t second[RECORDED];
    run_script(first);
    run_script(second);
    assert_memory_equal(first, second, sizeof first);
}

static void test_switch(void **state) {
    (void)state;
    arenite_free(arenite_malloc(1));
    struct thread *own = thread_own;
    struct thread *other = thread_create();
    assert_non_null(other);
    assert_ptr_equal(thread_switch(other), own);
    void *theirs = arenite_malloc(100);
    assert_ptr_equal(thread_find_block(theirs).heap->arena, other->arena);
    arenite_free(theirs);
    assert_ptr_equal(arenite_malloc(100), theirs); /* from its quick list */
    assert_ptr_equal(thread_switch(own), other);
    assert_ptr_not_equal(arenite_malloc(100), theirs);
    arenite_free(theirs); /* into our list now */
    thread_detach(other);
    assert_ptr_equal(thread_current, own);
    assert_ptr_equal(thread_create(), other);
    thread_switch(other);
    thread_switch(own);
    thread_detach(other);
    audit();
}

/* ---- re-entrance ----------------------------------------------------------------------------- */

/* As a handler finds it that interrupted a slow operation holding its arena's lock. */
static void test_reentrance(void **state) {
    (void)state;
    void *before[3];
    for (size_t i = 0; i < 3; i++) {
        before[i] = arenite_malloc(3000 + i);
        assert_non_null(before[i]);
    }
    struct arena *arena = thread_current->arena;
    struct operation operation;
    operation_enter(&operation);
    arena_lock(arena);
    void *inside = arenite_malloc(5000);
    assert_non_null(inside);
    struct block block = thread_find_block(inside);
    assert_true(block.kind == BLOCK_MAPPED || block.heap->arena != arena);
    memset(inside, 1, 5000);
    inside = arenite_realloc(inside, 9000);
    assert_non_null(inside);
    before[0] = arenite_realloc(before[0], 20000);
    assert_non_null(before[0]);
    arenite_free(before[1]);
    arenite_free(before[2]);
    assert_non_null(arena->deferred);
    arena_unlock(arena);
    operation_leave(&operation);
    arenite_free(inside);
    arenite_free(before[0]);
    arenite_free(arenite_malloc(70000)); /* the next holder does what was deferred */
    assert_null(arena->deferred);
    audit();
}

/* Acts as a thread without quick lists from here on. */
static void without_lists(void) {
    struct thread *state = thread_create();
    size_t count = params.quick_count;
    params.quick_count = 0;
    thread_switch(state);
    params.quick_count = count;
}

/* ---- a real signal --------------------------------------------------------------------------- */

static volatile sig_atomic_t signals;
static void *volatile kept_by_handler;

static void on_alarm(int number) {
    (void)number;
    unsigned char *memory = arenite_malloc(40 + (size_t)signals % 5000);
    if (memory != NULL) {
        memory[0] = 1;
    }
    arenite_free(kept_by_handler);
    kept_by_handler = memory;
    signals++;
}

/* All operations are slow ones: the fast paths, as everywhere, must not be interrupted by a handler
 * that allocates. */
static void test_signals(void **state) {
    (void)state;
    without_lists();
    struct random_source random = random_start("test_signals");
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {{0, 200}, {0, 200}};
    void *slots[SLOTS] = {NULL};
    setitimer(ITIMER_REAL, &often, NULL);
    size_t least = random_steps(300000);
    for (size_t steps = 0; steps < least || signals < SIGNALS_LEAST; steps++) {
        size_t slot = random_below(&random, SLOTS);
        arenite_free(slots[slot]);
        slots[slot] = arenite_malloc((size_t)random_magnitude(&random) % 20000);
    }
    often = (struct itimerval){{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &often, NULL);
    for (size_t i = 0; i < SLOTS; i++) {
        arenite_free(slots[i]);
    }
    arenite_free(kept_by_handler);
    printf("%d signals\n", (int)signals);
    audit();
}

/* ---- the end of a thread --------------------------------------------------------------------- */

static pthread_key_t late_key;
static struct arena *ending_arena;
static size_t late_rounds;

/* Runs after ours at least once: what it allocates and frees then must still be served. */
static void late_destructor(void *memory) {
    void *other = arenite_malloc(200);
    arenite_free(memory);
    if (other != NULL && ++late_rounds < 3) {
        pthread_setspecific(late_key, other);
    } else {
        arenite_free(other);
    }
}

static void *ending_thread(void *unused) {
    pthread_setspecific(late_key, arenite_malloc(100));
    ending_arena = thread_current->arena;
    for (size_t bytes = 0; bytes < 1100; bytes += 10) {
        void *pair[2] = {arenite_malloc(bytes), arenite_malloc(bytes)};
        arenite_free(pair[0]);
        arenite_free(pair[1]);
    }
    return unused;
}

static void test_end(void **state) {
    (void)state;
    assert_int_equal(pthread_key_create(&late_key, late_destructor), 0);
    struct arena *free_arena = NULL;
    for (size_t i = 0; i < 5; i++) {
        pthread_t thread;
        late_rounds = 0;
        assert_int_equal(pthread_create(&thread, NULL, ending_thread, NULL), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_int_equal(late_rounds, 3);
        audit();
        assert_int_equal(ending_arena->attached_threads, 0);
        assert_true(free_arena == NULL || free_arena == ending_arena); /* used again */
        free_arena = ending_arena;
    }
    struct recount counts;
    arena_lock(free_arena);
    assert_null(recount_arena(free_arena, &counts));
    assert_int_equal(counts.used_bytes, counts.fast_bytes); /* lists were emptied */
    arena_unlock(free_arena);
}

/* ---- damage ---------------------------------------------------------------------------------- */

static volatile size_t hole = 0; /* keeps the compiler from seeing through the misuse */

static size_t *word_at(void *memory, ptrdiff_t words) {
    return (size_t *)memory + words + (ptrdiff_t)hole;
}

static void expect_death(void (*body)(void)) {
    struct child_result child = child_run(body);
    if (child.signal != SIGABRT || strncmp(child.text, "arenite: ", 9) != 0) {
        fail_msg("signal %d, status %d, text: %s", child.signal, child.exit_status, child.text);
    }
}

static void double_free_quick(void) {
    void *memory = arenite_malloc(100);
    arenite_free(memory);
    arenite_free(memory);
}

static void double_free_quick_below(void) {
    void *memory = arenite_malloc(100);
    void *other = arenite_malloc(100);
    arenite_free(memory);
    arenite_free(other);
    arenite_free(memory);
}

static void double_free_fast(void) {
    without_lists();
    void *memory = arenite_malloc(40);
    arenite_free(memory);
    arenite_free(memory);
}

static void double_free_unsorted(void) {
    void *memory = arenite_malloc(3000);
    CHILD_EXPECT(arenite_malloc(3000) != NULL);
    arenite_free(memory);
    arenite_free(memory);
}

static void double_free_top(void) {
    void *memory = arenite_malloc(3000);
    arenite_free(memory);
    arenite_free(memory);
}

static void double_free_inside_top(void) {
    void *first = arenite_malloc(3000);
    void *memory = arenite_malloc(3000);
    arenite_free(memory);
    arenite_free(first);
    arenite_free(memory);
}

static void double_free_mapped(void) {
    void *memory = arenite_malloc(1 << 20);
    arenite_free(memory);
    arenite_free(memory);
}

static void size_overwritten(void) {
    char *memory = arenite_malloc(3000);
    *word_at(memory, -1) = 0x41414141;
    arenite_free(memory);
}

static void size_too_small(void) {
    char *memory = arenite_malloc(3000);
    *word_at(memory, -1) = 8 | 1;
    arenite_free(memory);
}

static void next_size_overwritten(void) {
    char *memory = arenite_malloc(3000);
    CHILD_EXPECT(arenite_malloc(3000) != NULL);
    memset(memory, 'A', 3016);
    arenite_free(memory);
}

static void next_size_zeroed(void) {
    char *memory = arenite_malloc(3000);
    CHILD_EXPECT(arenite_malloc(3000) != NULL);
    memset(memory, 0, 3016);
    arenite_free(memory);
}

/* Links are masked with their place: of arbitrary values 15 in 16 are noticed, of these all. */
static size_t misaligned_link(const void *memory) {
    return ((uintptr_t)memory >> 12) ^ 0x41414141;
}

static void quick_link_overwritten(void) {
    void *memory = arenite_malloc(100);
    void *other = arenite_malloc(100);
    arenite_free(other);
    arenite_free(memory);
    *word_at(memory, 0) = misaligned_link(memory);
    arenite_free(arenite_malloc(100));
    CHILD_EXPECT(arenite_malloc(100) != NULL);
    CHILD_EXPECT(arenite_malloc(100) != NULL);
}

static void fast_link_overwritten(void) {
    without_lists();
    void *memory = arenite_malloc(40);
    void *other = arenite_malloc(40);
    arenite_free(other);
    arenite_free(memory);
    *word_at(memory, 0) = misaligned_link(memory);
    CHILD_EXPECT(arenite_malloc(40) != NULL);
    CHILD_EXPECT(arenite_malloc(40) != NULL);
}

/* The classic attack: links that would write where the attacker likes. */
static size_t victim[8];

static void unlink_attack(void) {
    char *memory = arenite_malloc(3000);
    char *next = arenite_malloc(3000);
    CHILD_EXPECT(arenite_malloc(3000) != NULL);
    arenite_free(memory);
    *word_at(memory, 0) = (size_t)victim;
    *word_at(memory, 1) = (size_t)(victim + 4);
    arenite_free(next);
}

static void unlink_attack_on_malloc(void) {
    char *memory = arenite_malloc(3000);
    CHILD_EXPECT(arenite_malloc(3000) != NULL);
    arenite_free(memory);
    *word_at(memory, 1) = (size_t)victim;
    CHILD_EXPECT(arenite_malloc(2000) != NULL);
}

static void size_links_overwritten(void) {
    char *large = arenite_malloc(5000);
    CHILD_EXPECT(arenite_malloc(3000) != NULL);
    arenite_free(large);
    CHILD_EXPECT(arenite_malloc(6000) != NULL); /* sorts it into its bin */
    *word_at(large, 2) = (size_t)victim;
    *word_at(large, 3) = (size_t)victim;
    CHILD_EXPECT(arenite_malloc(4000) != NULL);
}

static void free_size_overwritten(void) {
    char *memory = arenite_malloc(3000);
    CHILD_EXPECT(arenite_malloc(3000) != NULL);
    arenite_free(memory);
    *word_at(memory, -1) += 64;
    CHILD_EXPECT(arenite_malloc(3000) != NULL);
    CHILD_EXPECT(arenite_malloc(5000) != NULL);
}

static void prev_size_overwritten(void) {
    char *memory = arenite_malloc(3000);
    char *next = arenite_malloc(3000);
    CHILD_EXPECT(arenite_malloc(3000) != NULL);
    arenite_free(memory);
    *word_at(next, -2) = 64;
    arenite_free(next);
}

static void top_overwritten(void) {
    char *memory = arenite_malloc(3000);
    size_t usable = arenite_malloc_usable_size(memory);
    memset(memory, 0xff, usable + sizeof(size_t));
    CHILD_EXPECT(arenite_malloc(50000) != NULL);
}

static void mapped_header_overwritten(void) {
    char *memory = arenite_malloc(1 << 20);
    *word_at(memory, -1) += 4096;
    arenite_free(memory);
}

static void free_inside(void) {
    char *memory = arenite_malloc(3000);
    memset(memory, 0, 3000);
    arenite_free(memory + 512);
}

/* By a whole word: UndefinedBehaviorSanitizer ends a program that reads at less before we can. */
static void free_misaligned(void) {
    char *memory = arenite_malloc(3000);
    arenite_free(memory + sizeof(size_t));
}

static void free_inside_mapped(void) {
    char *memory = arenite_malloc(1 << 20);
    arenite_free(memory + 4096);
}

static void realloc_freed(void) {
    void *memory = arenite_malloc(3000);
    CHILD_EXPECT(arenite_malloc(3000) != NULL);
    *word_at(memory, -1) = 8;
    arenite_free(arenite_realloc(memory, 6000));
}

static void test_damage(void **state) {
    (void)state;
    static const struct {
        const char *name;
        void (*body)(void);
    } cases[] = {
        {"double free, quick", double_free_quick},
        {"double free, deeper in quick", double_free_quick_below},
        {"double free, fast", double_free_fast},
        {"double free, unsorted", double_free_unsorted},
        {"double free, top", double_free_top},
        {"double free, within top", double_free_inside_top},
        {"double free, mapped", double_free_mapped},
        {"size overwritten", size_overwritten},
        {"size too small", size_too_small},
        {"next size overwritten", next_size_overwritten},
        {"next size zeroed", next_size_zeroed},
        {"quick link overwritten", quick_link_overwritten},
        {"fast link overwritten", fast_link_overwritten},
        {"unlink attack on free", unlink_attack},
        {"unlink attack on malloc", unlink_attack_on_malloc},
        {"size links overwritten", size_links_overwritten},
        {"size of a free chunk overwritten", free_size_overwritten},
        {"prev_size overwritten", prev_size_overwritten},
        {"top overwritten", top_overwritten},
        {"header of a mapped block overwritten", mapped_header_overwritten},
        {"free within a block", free_inside},
        {"free misaligned", free_misaligned},
        {"free within a mapped block", free_inside_mapped},
        {"realloc of a damaged block", realloc_freed},
    };
    arenite_free(arenite_malloc(10));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        printf("%s\n", cases[i].name);
        fflush(stdout);
        expect_death(cases[i].body);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damage), /* these two want a heap without a past */
        cmocka_unit_test(test_end),     cmocka_unit_test(test_same_script_same_places),
        cmocka_unit_test(test_switch),  cmocka_unit_test(test_reentrance),
        cmocka_unit_test(test_signals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
