/* test_main_arena.c - the main arena when the break is shared, blocked, limited or taken away; and
 * heaps of other arenas when address space is short.
 * Layer: tests (includes api and below). Every case runs in a child of its own. */
#include "chunk/main_arena.h"
#include "glibc_profile.h"

#include "arenite/arenite.h"
#include "chunk/alloc.h"
#include "chunk/free.h"
#include "chunk/heap.h"
#include "chunk/params.h"
#include "chunk/trim.h"
#include "support.h"
#include "support_recount.h"
#include "test_child.h"
#include "test_random.h"
#include "thread/thread.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <cmocka.h>

#define SLOTS 300

/* Address space cannot be limited where a sanitizer has reserved terabytes of it. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#if !defined(SANITIZED)
#define SANITIZED false
#endif

struct traffic {
    unsigned char *memory[SLOTS];
    size_t bytes[SLOTS];
    size_t refused;
};

static struct traffic traffic;
static struct random_source source;

static void expect_sound(void) {
    const char *error = recount_all();
    if (error != NULL) {
        fprintf(stderr, "%s\n", error);
        fflush(stderr);
        _exit(1);
    }
}

static void traffic_step(size_t limit) {
    size_t slot = random_below(&source, SLOTS);
    if (traffic.memory[slot] != NULL) {
        CHILD_EXPECT(test_pattern_holds(traffic.memory[slot], traffic.bytes[slot], slot));
        arenite_free(traffic.memory[slot]);
        traffic.memory[slot] = NULL;
        return;
    }
    size_t bytes = (size_t)random_magnitude(&source) % limit;
    traffic.memory[slot] = arenite_malloc(bytes);
    traffic.bytes[slot] = bytes;
    traffic.refused += traffic.memory[slot] == NULL;
    if (traffic.memory[slot] != NULL) {
        test_pattern_fill(traffic.memory[slot], bytes, slot);
    }
}

static void run_traffic(size_t steps, size_t limit) {
    for (; steps > 0; steps--) {
        traffic_step(limit);
        expect_sound();
    }
}

static void empty(void) {
    for (size_t slot = 0; slot < SLOTS; slot++) {
        if (traffic.memory[slot] != NULL) {
            CHILD_EXPECT(test_pattern_holds(traffic.memory[slot], traffic.bytes[slot], slot));
            arenite_free(traffic.memory[slot]);
            traffic.memory[slot] = NULL;
        }
    }
    expect_sound();
}

static void in_child(void (*body)(void), const char *name) {
    source = random_start(name);
    assert_child_passes(body);
}

/* A page in the break's way. */
static void block_break(void) {
    uintptr_t end = align_up((uintptr_t)sbrk(0), os_page_bytes());
    void *page = mmap((void *)end, os_page_bytes(), PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    CHILD_EXPECT(page == (void *)end);
}

/* ---- foreign users of the break -------------------------------------------------------------- */

static void foreign(void) {
    for (size_t round = 0; round < 150; round++) {
        run_traffic(15, 90000);
        size_t bytes = random_below(&source, 2) ? random_below(&source, 20000) : 1;
        unsigned char *theirs = sbrk((intptr_t)bytes);
        CHILD_EXPECT(theirs != (void *)-1);
        memset(theirs, 0xee, bytes);
        run_traffic(5, 90000);
        for (size_t i = 0; i < bytes; i++) {
            CHILD_EXPECT(theirs[i] == 0xee);
        }
    }
    empty();
    trim_all(0);
    expect_sound();
    run_traffic(300, 90000);
    empty();
}

static void test_foreign(void **state) {
    (void)state;
    in_child(foreign, "test_foreign");
}

/* What they take they also give back, so that the break is where it was. */
static void foreign_and_back(void) {
    for (size_t round = 0; round < 100; round++) {
        run_traffic(10, 90000);
        intptr_t bytes = (intptr_t)random_below(&source, 9000);
        CHILD_EXPECT(sbrk(bytes) != (void *)-1);
        if (round % 3 == 0) {
            run_traffic(3, 2000);
        }
        arenite_malloc_trim(0);
        expect_sound();
        if (round % 3 != 0) {
            sbrk(-bytes);
        }
        run_traffic(5, 90000);
    }
    empty();
}

static void test_foreign_and_back(void **state) {
    (void)state;
    in_child(foreign_and_back, "test_foreign_and_back");
}

/* ---- a blocked break ------------------------------------------------------------------------- */

static void blocked(void) {
    run_traffic(100, 50000);
    block_break();
    run_traffic(1500, 100000);
    CHILD_EXPECT(traffic.refused == 0);
    CHILD_EXPECT((main_arena.flags & ARENA_NONCONTIGUOUS) != 0);
    empty();
    trim_all(0);
    expect_sound();
    run_traffic(300, 100000);
    empty();
}

static void test_blocked(void **state) {
    (void)state;
    in_child(blocked, "test_blocked");
}

static void blocked_from_start(void) {
    block_break();
    run_traffic(1500, 100000);
    CHILD_EXPECT(traffic.refused == 0);
    empty();
}

static void test_blocked_from_start(void **state) {
    (void)state;
    in_child(blocked_from_start, "test_blocked_from_start");
}

/* Blocked for a while, then free again, at an odd byte. */
static void unblocked(void) {
    run_traffic(100, 50000);
    uintptr_t end = align_up((uintptr_t)sbrk(0), os_page_bytes());
    block_break();
    run_traffic(500, 120000);
    CHILD_EXPECT(munmap((void *)end, os_page_bytes()) == 0);
    sbrk(13);
    run_traffic(1500, 120000);
    CHILD_EXPECT(traffic.refused == 0);
    empty();
}

static void test_unblocked(void **state) {
    (void)state;
    in_child(unblocked, "test_unblocked");
}

/* ---- limits ---------------------------------------------------------------------------------- */

static void limit(int resource, rlim_t bytes) {
    const struct rlimit limits = {bytes, bytes};
    CHILD_EXPECT(setrlimit(resource, &limits) == 0);
}

/* Fills memory up to the limit, sees NULL, gives back, and goes on. */
static void starve(void) {
    for (size_t round = 0; round < 3; round++) {
        traffic.refused = 0;
        for (size_t slot = 0; slot < SLOTS; slot++) {
            traffic.bytes[slot] = 700000 + round * 50000;
            traffic.memory[slot] = arenite_malloc(traffic.bytes[slot]);
            traffic.refused += traffic.memory[slot] == NULL;
            if (traffic.memory[slot] != NULL) {
                test_pattern_fill(traffic.memory[slot], traffic.bytes[slot], slot);
            }
        }
        CHILD_EXPECT(traffic.refused > 0 && traffic.refused < SLOTS);
        expect_sound();
        run_traffic(200, 3000);
        empty();
    }
    traffic.refused = 0;
    run_traffic(200, 50000);
    CHILD_EXPECT(traffic.refused == 0);
    empty();
}

static void starve_address_space(void) {
    limit(RLIMIT_AS, (rlim_t)64 << 20);
    starve();
}

static void starve_data(void) {
    limit(RLIMIT_DATA, (rlim_t)32 << 20);
    starve();
}

static void test_limits(void **state) {
    (void)state;
    if (SANITIZED) {
        skip();
    }
    in_child(starve_address_space, "test_limits, address space");
    in_child(starve_data, "test_limits, data");
}

/* Another arena finds a smaller place when 64 MiB cannot be had. */
static void ladder(void) {
    struct thread *handle = thread_create();
    arenite_free(arenite_malloc(1));
    limit(RLIMIT_AS, (rlim_t)60 << 20);
    thread_switch(handle);
    run_traffic(1500, 60000);
    CHILD_EXPECT(traffic.refused == 0);
    struct heap *heap = thread_current->arena->heap;
    CHILD_EXPECT(thread_current->arena != &main_arena);
    CHILD_EXPECT(heap->reserved_bytes < HEAP_MAX_BYTES || SIZE_BYTES == 4);
    CHILD_EXPECT(heap->start % heap->reserved_bytes == 0);
    params.mmap_max = 0; /* more heaps of the arena, then main, then nothing */
    for (size_t slot = 0; slot < SLOTS; slot++) {
        arenite_free(traffic.memory[slot]);
        traffic.bytes[slot] = 400000;
        traffic.memory[slot] = arenite_malloc(400000);
        if (traffic.memory[slot] != NULL) {
            test_pattern_fill(traffic.memory[slot], 400000, slot);
        }
        expect_sound();
    }
    empty();
    run_traffic(500, 60000);
    empty();
}

static void test_ladder(void **state) {
    (void)state;
    if (SANITIZED) {
        skip();
    }
    in_child(ladder, "test_ladder");
}

/* ---- trimming -------------------------------------------------------------------------------- */

/* Tops of every size up to two pages and every pad: whole pages beyond the pad go back, never more,
 * and a smallest top stays. */
static void trim_sizes(void) {
    arenite_free(arenite_malloc(1));
    const struct chunk_caller caller = {&main_arena, &quick_closed};
    arena_lock(&main_arena);
    for (size_t pad = 0; pad <= 8192; pad += 1024) {
        for (size_t keep = CHUNK_MIN_BYTES; keep < 9000; keep += CHUNK_ALIGNMENT) {
            CHILD_EXPECT(main_arena_grow(&caller, 20000) == 0);
            size_t bytes = chunk_bytes(main_arena.top) - keep;
            struct chunk *chunk = arena_alloc(&caller, bytes);
            CHILD_EXPECT(chunk != NULL && chunk_bytes(main_arena.top) == keep);
            uintptr_t before = (uintptr_t)sbrk(0);
            bool moved = trim_main_top(pad);
            size_t released = before - (uintptr_t)sbrk(0);
            size_t spare = keep > CHUNK_MIN_BYTES ? keep - CHUNK_MIN_BYTES - 1 : 0;
            size_t expected = spare > pad ? align_down(spare - pad, os_page_bytes()) : 0;
            CHILD_EXPECT(released == expected && moved == (expected != 0));
            CHILD_EXPECT(chunk_bytes(main_arena.top) == keep - released);
            arena_free(&caller, chunk);
        }
        CHILD_EXPECT(recount_arena(&main_arena, NULL) == NULL);
    }
    arena_unlock(&main_arena);
    expect_sound();
}

static void test_trim_sizes(void **state) {
    (void)state;
    params.mmap_max = 0;
    in_child(trim_sizes, "test_trim_sizes");
    params.mmap_max = MMAP_MAX_DEFAULT;
}

/* Whole pages inside free chunks go back, what is live keeps its content. */
static void trim_inside(void) {
    for (size_t slot = 0; slot < SLOTS; slot++) {
        traffic.bytes[slot] = 9000 + slot * 16;
        traffic.memory[slot] = arenite_malloc(traffic.bytes[slot]);
        test_pattern_fill(traffic.memory[slot], traffic.bytes[slot], slot);
    }
    for (size_t slot = 0; slot < SLOTS; slot += 2) {
        arenite_free(traffic.memory[slot]);
        traffic.memory[slot] = NULL;
    }
    uintptr_t start = main_arena.heap->start;
    long before = os_resident_bytes((void *)start, main_arena.heap->bytes);
    CHILD_EXPECT(trim_all(0));
    expect_sound();
    long after = os_resident_bytes((void *)start, main_arena.heap->bytes);
    CHILD_EXPECT(before - after >= (long)(SLOTS / 2 * os_page_bytes()));
    run_traffic(500, 20000);
    empty();
}

static void test_trim_inside(void **state) {
    (void)state;
    in_child(trim_inside, "test_trim_inside");
}

/* What a fork leaves now and then when another thread moves the break: the kernel notes another
 * break than the copied mapping ends at. Here it is brought about by hand. */
#define BREAK_SHIFT_BYTES ((size_t)96 * 1024)

static void kernel_break_shifts(bool up) {
    char *end = sbrk(0);
    char *noted = up ? end + BREAK_SHIFT_BYTES : end - BREAK_SHIFT_BYTES;
    CHILD_EXPECT(syscall(SYS_brk, noted) == (long)(uintptr_t)noted);
    if (up) {
        CHILD_EXPECT(munmap(end, BREAK_SHIFT_BYTES) == 0);
    } else {
        CHILD_EXPECT(mmap(noted, BREAK_SHIFT_BYTES, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == noted);
    }
    CHILD_EXPECT(os_break_place() != (void *)end);
    main_arena_fork_child();
}

static void fork_between(bool up) {
    unsigned char *first = arenite_malloc(1000);
    CHILD_EXPECT(first != NULL && chunk_bytes(main_arena.top) > BREAK_SHIFT_BYTES);
    test_pattern_fill(first, 1000, 1);
    kernel_break_shifts(up);
    run_traffic(2000, 30000);
    empty();
    trim_all(0);
    expect_sound();
    run_traffic(500, 100000);
    CHILD_EXPECT(test_pattern_holds(first, 1000, 1));
}

static void fork_below(void) {
    fork_between(true);
}

static void fork_above(void) {
    fork_between(false);
}

static void test_fork_between_breaks(void **state) {
    (void)state;
    in_child(fork_below, "test_fork_between_breaks");
    in_child(fork_above, "test_fork_between_breaks");
}

/* ---- top ------------------------------------------------------------------------------------- */

/* A size of top that leads elsewhere than to its heap's end, by as little as can be: what was cut
 * off it would lie beyond the heap some day. */
static void cut_from_damaged_top(intptr_t change) {
    arenite_free(arenite_malloc(1));
    size_t bytes = chunk_bytes(main_arena.top);
    chunk_set_head(main_arena.top, (bytes + (size_t)change) | CHUNK_PREV_IN_USE);
    arenite_malloc(bytes / 2); /* in no bin */
}

static void cut_from_larger_top(void) {
    cut_from_damaged_top((intptr_t)CHUNK_ALIGNMENT);
}

static void cut_from_smaller_top(void) {
    cut_from_damaged_top(-(intptr_t)CHUNK_ALIGNMENT);
}

static void expect_top_corrupted(void (*body)(void)) {
    struct child_result child = child_run(body);
    assert_int_equal(child.signal, SIGABRT);
    assert_int_equal(strncmp(child.text, "arenite: ", strlen("arenite: ")), 0);
    assert_non_null(strstr(child.text, "corrupted size of top"));
}

static void test_damaged_top(void **state) {
    (void)state;
    expect_top_corrupted(cut_from_larger_top);
    expect_top_corrupted(cut_from_smaller_top);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_foreign),     cmocka_unit_test(test_foreign_and_back),
        cmocka_unit_test(test_blocked),     cmocka_unit_test(test_blocked_from_start),
        cmocka_unit_test(test_unblocked),   cmocka_unit_test(test_limits),
        cmocka_unit_test(test_ladder),      cmocka_unit_test(test_trim_sizes),
        cmocka_unit_test(test_trim_inside), cmocka_unit_test(test_fork_between_breaks),
        cmocka_unit_test(test_damaged_top),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
