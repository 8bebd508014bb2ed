/* misuse_programs.c - some hundred small wrong programs, and how many of them are caught.
 * Layer: tests (includes libc only).
 *
 * Every program makes one mistake on a block of one size, in the first thread or in another, with
 * blocks in use before and behind it or alone, frees what it has and ends. Caught: it does not end
 * well; diagnosed: it is aborted with a line. The families are those of public collections of such
 * programs. What every program of a family must come to is asserted; the rest is counted and
 * printed. Slots have no bytes of the library's next to the program's, so that what is written
 * beside one is seen only if a free slot, or the front of the slab, is hit. */
#include "arenite/arenite.h"
#include "child.h"
#include "support.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

/* Not in this libc: only the preloaded library has them. */
#pragma weak free_sized

struct program {
    const char *family;
    const char *name;
    void (*run)(char *block, size_t bytes);
    size_t least, most; /* block sizes for which it must be diagnosed */
};

#define ALWAYS 0, SIZE_MAX
#define NEVER 1, 0
#define ABOVE_SLOTS 32769, SIZE_MAX

/* Blocks of the same size around it keep a block from the ends of slabs and heaps. */
#define AROUND 8

/* ---- double frees ---------------------------------------------------------------------------- */

static void double_free(char *block, size_t bytes) {
    (void)bytes;
    free(block);
    free(block);
}

static void double_free_later(char *block, size_t bytes) {
    char *others[AROUND];
    for (size_t i = 0; i < AROUND; i++) {
        others[i] = malloc(bytes);
    }
    free(block);
    for (size_t i = 0; i + 1 < AROUND; i++) {
        free(others[i]);
    }
    free(block);
}

static void double_free_by_realloc(char *block, size_t bytes) {
    (void)bytes;
    free(block);
    TEST_CHECK(realloc(block, 0) == NULL);
}

static void double_free_trimmed(char *block, size_t bytes) {
    (void)bytes;
    free(block);
    malloc_trim(0);
    free(block);
}

/* ---- pointers that are no blocks ------------------------------------------------------------- */

static void free_one_in(char *block, size_t bytes) {
    (void)bytes;
    free(block + 1);
}

static void free_eight_in(char *block, size_t bytes) {
    (void)bytes;
    free(block + 8);
}

static void free_sixteen_in(char *block, size_t bytes) {
    (void)bytes;
    free(block + 16);
}

static void free_middle(char *block, size_t bytes) {
    free(block + bytes / 2);
}

static void free_before(char *block, size_t bytes) {
    (void)bytes;
    free(block - 16);
}

static void free_far_behind(char *block, size_t bytes) {
    free(block + bytes + ((size_t)1 << 30));
}

static char global[64];

static void free_global(char *block, size_t bytes) {
    (void)block;
    (void)bytes;
    free(global + 16);
}

static void free_stack(char *block, size_t bytes) {
    char local[64];
    (void)block;
    (void)bytes;
    free(local + 16);
}

static void free_code(char *block, size_t bytes) {
    (void)block;
    (void)bytes;
    free((void *)(uintptr_t)free_stack);
}

static void free_number(char *block, size_t bytes) {
    (void)block;
    free((void *)(uintptr_t)(bytes * 16));
}

/* What a variable that was never set may hold: text. */
static void free_text(char *block, size_t bytes) {
    uintptr_t pointer;
    (void)bytes;
    memset(&pointer, 'A', sizeof pointer);
    free((void *)pointer);
    free(block);
}

/* ---- uses of what was freed ------------------------------------------------------------------ */

static void realloc_freed(char *block, size_t bytes) {
    free(block);
    free(realloc(block, 2 * bytes));
}

static void usable_freed(char *block, size_t bytes) {
    (void)bytes;
    free(block);
    malloc_usable_size(block);
}

static void usable_inside(char *block, size_t bytes) {
    (void)bytes;
    malloc_usable_size(block + 16);
}

static void write_freed_word(char *block, size_t bytes) {
    free(block);
    memset(block, 'B', 8);
    for (size_t i = 0; i < AROUND; i++) {
        TEST_CHECK(malloc(bytes) != NULL);
    }
}

static void write_freed_all(char *block, size_t bytes) {
    free(block);
    memset(block, 'B', bytes);
    for (size_t i = 0; i < AROUND; i++) {
        TEST_CHECK(malloc(bytes) != NULL);
    }
}

static void write_freed_and_end(char *block, size_t bytes) {
    free(block);
    memset(block, 'B', bytes);
}

/* ---- writes beside a block ------------------------------------------------------------------- */

static void write_behind(char *block, size_t bytes, size_t from, size_t length, int byte) {
    memset(block + bytes + from, byte, length);
    free(block);
}

static void string_end_behind(char *block, size_t bytes) {
    write_behind(block, bytes, 0, 1, 0);
}

static void byte_behind(char *block, size_t bytes) {
    write_behind(block, bytes, 0, 1, 'C');
}

static void word_behind(char *block, size_t bytes) {
    write_behind(block, bytes, 0, 8, 'C');
}

static void three_words_behind(char *block, size_t bytes) {
    write_behind(block, bytes, 0, 24, 'C');
}

static void line_behind(char *block, size_t bytes) {
    write_behind(block, bytes, 0, 64, 'C');
}

static void zeros_behind(char *block, size_t bytes) {
    write_behind(block, bytes, 0, 64, 0);
}

/* A list of free blocks of the size lies behind. */
static void line_behind_then_reuse(char *block, size_t bytes) {
    memset(block + bytes, 'C', 64);
    for (size_t i = 0; i < AROUND * AROUND; i++) {
        TEST_CHECK(malloc(bytes) != NULL);
    }
    free(block);
}

static void byte_before(char *block, size_t bytes) {
    (void)bytes;
    block[-1] = 'D';
    free(block);
}

static void word_before(char *block, size_t bytes) {
    (void)bytes;
    memset(block - 8, 'D', 8);
    free(block);
}

static void two_words_before(char *block, size_t bytes) {
    (void)bytes;
    memset(block - 16, 'D', 16);
    free(block);
}

/* ---- wrong sizes ----------------------------------------------------------------------------- */

static void size_too_large(char *block, size_t bytes) {
    free_sized(block, 3 * bytes + 100);
}

static void size_too_small(char *block, size_t bytes) {
    free_sized(block, bytes / 3);
}

static const struct program programs[] = {
    {"double free", "at once", double_free, ALWAYS},
    {"double free", "later", double_free_later, ALWAYS},
    {"double free", "by realloc to 0", double_free_by_realloc, ALWAYS},
    {"double free", "after malloc_trim", double_free_trimmed, ALWAYS},
    {"invalid free", "1 byte in", free_one_in, ALWAYS},
    {"invalid free", "8 bytes in", free_eight_in, ALWAYS},
    {"invalid free", "16 bytes in", free_sixteen_in, ALWAYS},
    {"invalid free", "middle", free_middle, ALWAYS},
    {"invalid free", "16 bytes before", free_before, 32, SIZE_MAX},
    {"invalid free", "far behind", free_far_behind, ALWAYS},
    {"invalid free", "global", free_global, ALWAYS},
    {"invalid free", "stack", free_stack, ALWAYS},
    {"invalid free", "code", free_code, ALWAYS},
    {"invalid free", "small number", free_number, ALWAYS},
    {"invalid free", "text", free_text, ALWAYS},
    {"use after free", "realloc", realloc_freed, ALWAYS},
    {"use after free", "malloc_usable_size", usable_freed, ALWAYS},
    {"use after free", "malloc_usable_size inside", usable_inside, ALWAYS},
    {"write after free", "8 bytes, then malloc", write_freed_word, 0, 32768},
    {"write after free", "all, then malloc", write_freed_all, 0, 32768},
    {"write after free", "all, then the end", write_freed_and_end, NEVER},
    {"overflow", "1 byte of 0", string_end_behind, ABOVE_SLOTS},
    {"overflow", "1 byte", byte_behind, ABOVE_SLOTS},
    {"overflow", "8 bytes", word_behind, ABOVE_SLOTS},
    {"overflow", "24 bytes", three_words_behind, ABOVE_SLOTS},
    {"overflow", "64 bytes", line_behind, ABOVE_SLOTS},
    {"overflow", "64 bytes of 0", zeros_behind, ABOVE_SLOTS},
    {"overflow", "64 bytes, then malloc", line_behind_then_reuse, ABOVE_SLOTS},
    {"underflow", "1 byte", byte_before, ABOVE_SLOTS},
    {"underflow", "8 bytes", word_before, ABOVE_SLOTS},
    {"underflow", "16 bytes", two_words_before, ABOVE_SLOTS},
    {"wrong size", "too large", size_too_large, ALWAYS},
    {"wrong size", "too small", size_too_small, 100, SIZE_MAX},
};
#define PROGRAMS (sizeof programs / sizeof programs[0])

/* The chunks among them leave no bytes unused. */
static const size_t sizes[] = {
    24, 56, 100, 1000, 5000, 100 * 1024 + 8, 256 * 1024, 3 * 1024 * 1024};
#define SIZES (sizeof sizes / sizeof sizes[0])

/* ---- running --------------------------------------------------------------------------------- */

struct run {
    const struct program *program;
    size_t bytes;
    bool in_thread, is_alone;
};

static void *run_program(void *argument) {
    const struct run *run = argument;
    char *before = run->is_alone ? NULL : malloc(run->bytes);
    char *block = malloc(run->bytes);
    char *after = run->is_alone ? NULL : malloc(run->bytes);
    memset(block, 'x', run->bytes);
    run->program->run(block, run->bytes);
    free(before);
    free(after);
    return NULL;
}

static void start(void *argument) {
    const struct run *run = argument;
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    if (run->in_thread) {
        pthread_t thread;
        TEST_CHECK(pthread_create(&thread, NULL, run_program, argument) == 0);
        TEST_CHECK(pthread_join(thread, NULL) == 0);
    } else {
        run_program(argument);
    }
    exit(0); /* in full: the end of a process is looked at, too */
}

struct tally {
    const char *family;
    unsigned programs, caught, diagnosed;
};

static bool is_diagnosed(const struct child *child) {
    return WIFSIGNALED(child->status) && WTERMSIG(child->status) == SIGABRT &&
           strncmp(child->said, "arenite: ", strlen("arenite: ")) == 0 &&
           strchr(child->said, '\n') == child->said + strlen(child->said) - 1;
}

/* Mapped blocks have seals beside slabs only; without slabs small blocks may have unused bytes. */
static bool has_to_be_diagnosed(const struct run *run) {
    const struct program *program = run->program;
    const char *options = getenv("ARENITE_OPTIONS");
    bool has_slabs = options == NULL || strstr(options, "profile=ptmalloc") == NULL;
    bool everywhere = program->least == 0 && program->most == SIZE_MAX;
    return run->bytes >= program->least && run->bytes <= program->most &&
           (has_slabs || everywhere || (run->bytes > 32768 && run->bytes < 128 * 1024));
}

static void count_run(struct run *run, struct tally *tally) {
    struct child child;
    bool must = has_to_be_diagnosed(run);
    test_run_child(&child, start, run);
    bool diagnosed = is_diagnosed(&child);
    tally->programs++;
    tally->caught += child.status != 0;
    tally->diagnosed += diagnosed;
    if (!diagnosed && (must || getenv("ARENITE_TEST_VERBOSE") != NULL)) {
        printf("%s, %s, %zu bytes%s%s: status %#x, said: %s\n", run->program->family,
               run->program->name, run->bytes, run->in_thread ? ", in a thread" : "",
               run->is_alone ? ", alone" : "", (unsigned)child.status, child.said);
    }
    TEST_CHECK(diagnosed || !must);
}

static void count_program(const struct program *program, struct tally *tally) {
    for (size_t i = 0; i < SIZES; i++) {
        for (unsigned variant = 0; variant < 4; variant++) {
            struct run run = {program, sizes[i], variant % 2 != 0, variant / 2 != 0};
            count_run(&run, tally);
        }
    }
}

static void print_tally(const struct tally *tally) {
    printf("%-18s %4u programs, %4u caught, %4u diagnosed\n", tally->family, tally->programs,
           tally->caught, tally->diagnosed);
}

int main(void) {
    struct tally all = {"all", 0, 0, 0};
    for (size_t i = 0; i < PROGRAMS;) {
        struct tally family = {programs[i].family, 0, 0, 0};
        for (; i < PROGRAMS && strcmp(programs[i].family, family.family) == 0; i++) {
            count_program(&programs[i], &family);
        }
        print_tally(&family);
        all.programs += family.programs;
        all.caught += family.caught;
        all.diagnosed += family.diagnosed;
    }
    print_tally(&all);
    return 0;
}
