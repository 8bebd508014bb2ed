/* misuse.c - every kind of misuse ends in one line that says what, where and who.
 * Layer: tests (includes libc only).
 *
 * Each kind runs in a child of its own on blocks of every layer's sizes. The line must have all its
 * parts: what happened, the pointer, the block's size and state, where it belongs, the thread and
 * the caller. Which sizes are slots depends on the profile. */
#include "arenite/arenite.h"
#include "arenite/options.h"
#include "child.h"
#include "support.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Not in this libc: only the preloaded library has them. */
#pragma weak free_sized
#pragma weak free_aligned_sized
#pragma weak arenite_option_set
#pragma weak arenite_audit

enum layer { SLOT = 1, CHUNK = 2, MAPPED = 4, ANY = 7 };

struct kind {
    const char *name;
    void (*act)(char *block, size_t bytes);
    enum layer layers;
    size_t least;       /* bytes of the block */
    const char *what;   /* how the line begins, behind "arenite: " */
    const char *state;  /* part of the description, NULL: not looked at */
    ptrdiff_t distance; /* of the pointer that is named, from the block's start */
};

static bool has_slabs(void) {
    const char *options = getenv("ARENITE_OPTIONS");
    return options == NULL || strstr(options, "profile=") == NULL;
}

#define SLOT_MOST_BYTES 32768
#define MAPPED_LEAST_BYTES ((size_t)128 * 1024)

static enum layer layer_of(size_t bytes) {
    if (bytes <= SLOT_MOST_BYTES && has_slabs()) {
        return SLOT;
    }
    return bytes < MAPPED_LEAST_BYTES ? CHUNK : MAPPED;
}

/* ---- threads --------------------------------------------------------------------------------- */

static void in_thread(void *(*body)(void *), void *argument) {
    pthread_t thread;
    TEST_CHECK(pthread_create(&thread, NULL, body, argument) == 0);
    TEST_CHECK(pthread_join(thread, NULL) == 0);
}

static void *free_it(void *block) {
    free(block);
    return NULL;
}

static void *free_it_twice(void *block) {
    free(block);
    free(block);
    return NULL;
}

static pthread_barrier_t meeting;

static void *free_it_when_met(void *block) {
    pthread_barrier_wait(&meeting);
    free(block);
    return NULL;
}

static void *free_it_and_stay(void *block) {
    free(block);
    pthread_barrier_wait(&meeting);
    pause();
    return NULL;
}

/* ---- double frees ---------------------------------------------------------------------------- */

static void twice(char *block, size_t bytes) {
    (void)bytes;
    free(block);
    free(block);
}

#define OTHERS 40

static void twice_with_others_between(char *block, size_t bytes) {
    void *others[OTHERS];
    for (size_t i = 0; i < OTHERS; i++) {
        others[i] = malloc(bytes);
    }
    void *last = malloc(bytes); /* keeps them from the end of the heap */
    free(block);
    for (size_t i = 0; i < OTHERS; i += 2) {
        free(others[i]);
    }
    free(block);
    free(last);
}

static void twice_second_in_thread(char *block, size_t bytes) {
    pthread_t thread;
    (void)bytes;
    TEST_CHECK(pthread_barrier_init(&meeting, NULL, 2) == 0);
    TEST_CHECK(pthread_create(&thread, NULL, free_it_when_met, block) == 0);
    free(block); /* only now: what starts a thread might get the block */
    pthread_barrier_wait(&meeting);
    TEST_CHECK(pthread_join(thread, NULL) == 0);
}

/* The thread has ended and thereby sent what it freed. */
static void twice_first_in_thread(char *block, size_t bytes) {
    (void)bytes;
    in_thread(free_it, block);
    free(block);
}

/* The thread lives: it keeps the block in a list or in a batch for us. */
static void twice_kept_by_thread(char *block, size_t bytes) {
    pthread_t thread;
    (void)bytes;
    TEST_CHECK(pthread_barrier_init(&meeting, NULL, 2) == 0);
    TEST_CHECK(pthread_create(&thread, NULL, free_it_and_stay, block) == 0);
    pthread_barrier_wait(&meeting);
    free(block);
}

static void twice_both_in_thread(char *block, size_t bytes) {
    (void)bytes;
    in_thread(free_it_twice, block);
}

/* Between two blocks that are free already, so that all three become one chunk. */
static void twice_after_merging(char *block, size_t bytes) {
    (void)bytes;
    malloc_trim(0); /* nothing waits in lists */
    free(block);
    malloc_trim(0);
    free(block);
}

/* The last block of its heap. */
static void twice_as_top(char *block, size_t bytes) {
    (void)block;
    malloc_trim(0);
    void *last = malloc(bytes);
    free(last);
    malloc_trim(0);
    free(last);
}

/* A block with another right behind it, both in use, and one behind that. */
static char *two_neighbours(size_t bytes) {
    char *block = malloc(bytes);
    for (size_t i = 0; i < OTHERS; i++) {
        char *next = malloc(bytes);
        if (next == block + malloc_usable_size(block) + sizeof(size_t)) {
            TEST_CHECK(malloc(bytes) != NULL);
            return block;
        }
        block = next;
    }
    return NULL;
}

/* One block takes the place of two: the second of these is an address inside it now. */
static void twice_after_merged_reuse(char *block, size_t bytes) {
    malloc_trim(0);
    char *first = two_neighbours(bytes);
    TEST_CHECK(block != NULL && first != NULL);
    char *second = first + malloc_usable_size(first) + sizeof(size_t);
    free(first);
    free(second);
    malloc_trim(0);
    TEST_CHECK(malloc(2 * bytes) == first);
    free(second);
}

static void resized_after_free(char *block, size_t bytes) {
    free(block);
    free(realloc(block, bytes + 1));
}

static void asked_after_free(char *block, size_t bytes) {
    (void)bytes;
    free(block);
    malloc_usable_size(block);
}

static void freed_with_size_after_free(char *block, size_t bytes) {
    free(block);
    free_sized(block, bytes);
}

/* ---- what is no block ------------------------------------------------------------------------ */

static void inside(char *block, size_t bytes) {
    (void)bytes;
    free(block + 16);
}

static void inside_odd(char *block, size_t bytes) {
    (void)bytes;
    free(block + 1);
}

static void resized_inside(char *block, size_t bytes) {
    free(realloc(block + 16, bytes));
}

static void too_large(char *block, size_t bytes) {
    free_sized(block, bytes + 5000);
}

/* The smallest slots keep what realloc makes smaller. */
static void too_small(char *block, size_t bytes) {
    free_sized(block, bytes / 4);
}

static void too_aligned(char *block, size_t bytes) {
    free_aligned_sized(block, (size_t)1 << 40, bytes);
}

/* ---- damage ---------------------------------------------------------------------------------- */

static void header_overwritten(char *block, size_t bytes) {
    (void)bytes;
    memset(block - sizeof(size_t), 'A', sizeof(size_t));
    free(block);
}

/* A few bytes only: what lies behind the next header stays as it is. */
static void overflow(char *block, size_t bytes) {
    memset(block + bytes, 'A', malloc_usable_size(block) - bytes + 4);
    free(block);
}

static void overflow_by_zero(char *block, size_t bytes) {
    (void)bytes;
    block[malloc_usable_size(block)] = 0;
    free(block);
}

static void overflow_seen_by_realloc(char *block, size_t bytes) {
    block[malloc_usable_size(block)] = 0;
    free(realloc(block, 2 * bytes));
}

static void written_after_free(char *block, size_t bytes) {
    free(block);
    memset(block, 'A', 16);
    for (size_t i = 0; i < OTHERS; i++) {
        TEST_CHECK(malloc(bytes) != NULL);
    }
}

/* The link is left as it is. */
static void second_word_written_after_free(char *block, size_t bytes) {
    free(block);
    memset(block + sizeof(size_t), 'A', sizeof(size_t));
    for (size_t i = 0; i < OTHERS; i++) {
        TEST_CHECK(malloc(bytes) != NULL);
    }
}

static const struct kind kinds[] = {
    {"twice", twice, ANY, 0, "double free", NULL, 0},
    {"twice, others between", twice_with_others_between, ANY, 0, "double free", NULL, 0},
    {"twice, second in a thread", twice_second_in_thread, ANY, 0, "double free", NULL, 0},
    {"twice, first in a thread", twice_first_in_thread, ANY, 0, "double free", NULL, 0},
    {"twice, kept by a thread", twice_kept_by_thread, ANY, 0, "double free", NULL, 0},
    {"twice, both in a thread", twice_both_in_thread, ANY, 0, "double free", NULL, 0},
    {"twice, state", twice, SLOT | CHUNK, 0, "double free", ", free", 0},
    {"twice, merged", twice_after_merging, SLOT | CHUNK, 0, "double free", ", free", 0},
    {"twice, top", twice_as_top, CHUNK, 0, "double free", ", free", -1},
    {"twice, merged and reused", twice_after_merged_reuse, CHUNK, 200, "invalid free",
     "bytes into the block", -1},
    {"realloc of freed", resized_after_free, ANY, 0, "realloc of a freed block", NULL, 0},
    {"usable size of freed", asked_after_free, ANY, 0, "malloc_usable_size of a freed block", NULL,
     0},
    {"free_sized of freed", freed_with_size_after_free, ANY, 0, "double free", NULL, 0},
    {"inside", inside, ANY, 0, "invalid free", "16 bytes into", 16},
    {"inside, odd", inside_odd, ANY, 0, "invalid free", "1 byte into", 1},
    {"realloc inside", resized_inside, ANY, 0, "invalid realloc", "16 bytes into", 16},
    {"claimed too large", too_large, ANY, 0, "free_sized with a wrong size", ", in use", 0},
    {"claimed too small", too_small, ANY, 200, "free_sized with a wrong size", ", in use", 0},
    {"claimed too aligned", too_aligned, ANY, 0, "free_aligned_sized with a wrong alignment",
     ", in use", 0},
    {"header", header_overwritten, CHUNK, 0, "invalid free", NULL, 0},
    {"header", header_overwritten, MAPPED, 0, "corrupted header", ", in use", 0},
    {"overflow", overflow, CHUNK, 0, "invalid free: the header behind", ", in use", 0},
    {"overflow", overflow, MAPPED, 0, "overflow of a mapped block", ", in use", 0},
    {"overflow by a zero", overflow_by_zero, CHUNK, 0, "invalid free: the header behind",
     ", in use", 0},
    {"overflow by a zero", overflow_by_zero, MAPPED, 0, "overflow of a mapped block", ", in use",
     0},
    {"overflow, realloc", overflow_seen_by_realloc, CHUNK, 0, "invalid realloc: the header behind",
     ", in use", 0},
    {"overflow, realloc", overflow_seen_by_realloc, MAPPED, 0, "overflow of a mapped block",
     ", in use", 0},
    {"second word written after free", second_word_written_after_free, CHUNK, 0, "corrupted", NULL,
     -1},
    {"written after free", written_after_free, SLOT | CHUNK, 0, "corrupted", NULL, -1},
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static const size_t sizes[] = {24, 64, 200, 500, 1000, 2000, 20000, 40000, 100000, 300000, 3000000};
#define SIZES (sizeof sizes / sizeof sizes[0])

/* ---- the line -------------------------------------------------------------------------------- */

struct run {
    const struct kind *kind;
    size_t bytes;
    char *block;
};

static void run_kind(void *argument) {
    const struct run *run = argument;
    run->kind->act(run->block, run->bytes);
}

/* "; thread N, called from preload_misuse+0xN\n" and nothing behind it. */
static bool names_thread_and_caller(const char *line, int process, bool is_own_thread) {
    int thread = 0;
    unsigned offset = 0;
    int end = 0;
    const char *who = strstr(line, "; thread ");
    if (who == NULL || sscanf(who, "; thread %d, called from preload_misuse+0x%x\n%n", &thread,
                              &offset, &end) != 2) {
        return false;
    }
    return who[end] == '\0' && offset != 0 && (thread == process) == is_own_thread;
}

static const char *place_of(enum layer layer) {
    return layer == SLOT ? "; size class " : "; arena ";
}

/* What a mapped block was is gone with its pages. */
static bool names_place(const char *line, enum layer layer) {
    return layer == MAPPED ||
           (strstr(line, place_of(layer)) != NULL &&
            (strstr(line, "-byte ") != NULL || strstr(line, "chunk with an overwritten header")));
}

static bool is_line_of(const struct run *run, const struct child *child) {
    char start[128];
    int length = snprintf(start, sizeof start, "arenite: %s", run->kind->what);
    char pointer[32];
    snprintf(pointer, sizeof pointer, ": %p: ", (void *)(run->block + run->kind->distance));
    bool is_own_thread =
        strstr(run->kind->name, "in a thread") == NULL || strstr(run->kind->name, "first") != NULL;
    bool is_of_pointer = run->kind->distance < 0 || strstr(child->said, pointer) != NULL;
    return WIFSIGNALED(child->status) && WTERMSIG(child->status) == SIGABRT &&
           strncmp(child->said, start, (size_t)length) == 0 && is_of_pointer &&
           (run->kind->state == NULL || strstr(child->said, run->kind->state) != NULL) &&
           names_place(child->said, layer_of(run->bytes)) &&
           names_thread_and_caller(child->said, child->process, is_own_thread);
}

static void check_kind(const struct kind *kind, size_t bytes) {
    char *before = malloc(bytes);
    struct run run = {kind, bytes, malloc(bytes)};
    char *after = malloc(bytes);
    struct child child;
    memset(run.block, 'x', bytes);
    test_run_child(&child, run_kind, &run);
    if (!is_line_of(&run, &child)) {
        printf("%s, %zu bytes: status %#x, said: %s\n", kind->name, bytes, (unsigned)child.status,
               child.said);
        TEST_CHECK(!"the line is not what it should be");
    }
    free(before);
    free(run.block);
    free(after);
}

/* Mapped blocks have seals, and known sizes, beside slabs only. */
static bool applies(const struct kind *kind, size_t bytes) {
    enum layer layer = layer_of(bytes);
    bool needs_seal = kind->act == overflow || kind->act == overflow_by_zero ||
                      kind->act == overflow_seen_by_realloc || kind->act == too_small;
    return (kind->layers & layer) != 0 && bytes >= kind->least &&
           (has_slabs() || layer != MAPPED || !needs_seal);
}

static void test_lines(void) {
    for (size_t i = 0; i < KINDS; i++) {
        for (size_t j = 0; j < SIZES; j++) {
            if (applies(&kinds[i], sizes[j])) {
                check_kind(&kinds[i], sizes[j]);
            }
        }
    }
}

/* ---- pointers that were never ours ----------------------------------------------------------- */

static char global[64];

static void check_place(void *pointer, const char *place) {
    struct child child;
    test_run_child(&child, (void (*)(void *))free, pointer);
    TEST_CHECK(test_child_aborted_over(&child, pointer));
    TEST_CHECK(strncmp(child.said, "arenite: invalid free", 21) == 0);
    TEST_CHECK(strstr(child.said, place) != NULL);
}

static void test_places(void) {
    char local[64];
    check_place(local + 16, "on the thread's stack");
    check_place(global + 16, "in preload_misuse+0x");
    check_place((void *)(uintptr_t)0x123450, "not in memory of this allocator");
}

/* ---- on_error -------------------------------------------------------------------------------- */

static void *owned;

/* Each dropped, and the heap is whole afterwards. */
static void misuse_all(size_t bytes) {
    char *block = malloc(bytes);
    owned = malloc(bytes);
    free(block);
    free(block);
    free((char *)owned + 16);
    TEST_CHECK(realloc(block, bytes) == NULL);
    TEST_CHECK(malloc_usable_size(block) == 0);
    free_sized(owned, bytes + 5000);
    TEST_CHECK(malloc_usable_size(owned) >= bytes);
    free(owned);
    char *one = malloc(bytes);
    char *other = malloc(bytes);
    TEST_CHECK(one != NULL && other != NULL && one != other);
    free(one);
    free(other);
}

static void go_on(void *option) {
    TEST_CHECK(arenite_option_set("on_error", option) == 0);
    for (size_t i = 0; i < SIZES; i++) {
        misuse_all(sizes[i]);
    }
    TEST_CHECK(arenite_audit() == NULL);
}

static size_t lines_in(const char *text) {
    size_t count = 0;
    for (; *text != '\0'; text++) {
        count += *text == '\n';
    }
    return count;
}

#define MISUSES_OF_ALL 5

static void test_on_error(void) {
    struct child child;
    test_run_child(&child, go_on, (void *)(uintptr_t) "report");
    TEST_CHECK(test_child_passed(&child));
    TEST_CHECK(lines_in(child.said) == SIZES * MISUSES_OF_ALL);
    test_run_child(&child, go_on, (void *)(uintptr_t) "ignore");
    TEST_CHECK(test_child_passed(&child));
    TEST_CHECK(child.said[0] == '\0');
}

int main(void) {
    mallopt(M_MMAP_THRESHOLD, MAPPED_LEAST_BYTES); /* and no larger after the first such free */
    test_lines();
    test_places();
    test_on_error();
    return 0;
}
