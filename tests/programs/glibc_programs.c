/* glibc_programs.c - small programs as people write them, each a list of figures.
 * Layer: tests (includes libc only).
 *
 * The other half of glibc_rules.c: no addresses, but every kind of call, first calls of every kind,
 * libc's own use of the heap, fork, and threads that are alive at the same time. Figures are read
 * into variables and written at the end. The call of getppid marks where a program begins.
 *
 * Usage: glibc_programs NAME. Exit status 2: no such program. */
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHOTS 64
#define VALUES 512
#define BLOCKS 4000
#define THREADS 20
#define MIB ((size_t)1 << 20)

static struct mallinfo2 shots[SHOTS];
static int shot_count;
static size_t values[VALUES];
static int value_count;
static void *blocks[BLOCKS];

static void shoot(void) {
    shots[shot_count++] = mallinfo2();
}

static void note(size_t value) {
    values[value_count++] = value;
}

static void say(const char *format, ...) {
    char line[300];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (write(STDOUT_FILENO, line, (size_t)length) != length) {
        _exit(1);
    }
}

static void say_everything(void) {
    for (int i = 0; i < shot_count; i++) {
        const struct mallinfo2 *at = &shots[i];
        say("%d: arena %zu ordblks %zu smblks %zu hblks %zu hblkhd %zu fsmblks %zu uordblks %zu "
            "fordblks %zu keepcost %zu\n",
            i, at->arena, at->ordblks, at->smblks, at->hblks, at->hblkhd, at->fsmblks, at->uordblks,
            at->fordblks, at->keepcost);
    }
    for (int i = 0; i < value_count; i++) {
        say("value %d: %zu\n", i, values[i]);
    }
}

static void put(size_t from, size_t until, size_t step) {
    for (size_t i = from; i < until; i += step) {
        free(blocks[i]);
        blocks[i] = NULL;
    }
    shoot();
}

/* ---- first calls ----------------------------------------------------------------------------- */

static void first_is_calloc(void) {
    blocks[0] = calloc(3, 1000);
    shoot();
    put(0, 1, 1);
}

/* glibc makes a thread's cache in malloc, calloc, realloc and free, not in these. */
static void first_is_memalign(void) {
    for (size_t i = 0; i < 10; i++) {
        blocks[i] = memalign(64, 100);
    }
    shoot();
    put(3, 4, 1);
    blocks[3] = malloc(100);
    shoot();
    put(0, 10, 1);
}

static void first_is_realloc(void) {
    blocks[0] = memalign(64, 100);
    shoot();
    blocks[0] = realloc(blocks[0], 5000);
    shoot();
    put(0, 1, 1);
}

static void first_is_trim(void) {
    note((size_t)malloc_trim(0));
    shoot();
    blocks[0] = malloc(100);
    shoot();
}

static void first_is_mapped(void) {
    blocks[0] = memalign(64, 5 * MIB);
    shoot();
    put(0, 1, 1);
    blocks[0] = malloc(5 * MIB);
    shoot();
    put(0, 1, 1);
}

/* ---- one thread ------------------------------------------------------------------------------ */

static void usable_sizes(void) {
    for (size_t i = 0; i < 300; i++) {
        blocks[i] = malloc(i * 97);
        note(malloc_usable_size(blocks[i]));
    }
    put(0, 300, 1);
}

static void callocs(void) {
    for (size_t i = 0; i < 500; i++) {
        blocks[i] = calloc(i, 33);
    }
    shoot();
    put(0, 500, 2);
    for (size_t i = 0; i < 500; i += 2) {
        blocks[i] = calloc(1, i * 70);
    }
    shoot();
    put(0, 500, 1);
}

static void alignments(void) {
    for (size_t i = 0; i < 200; i++) {
        note((size_t)posix_memalign(&blocks[i], (size_t)16 << i % 9, i * 77));
    }
    shoot();
    put(0, 200, 3);
    for (size_t i = 0; i < 200; i += 3) {
        blocks[i] = aligned_alloc(64, i * 64);
    }
    shoot();
    put(0, 200, 1);
    blocks[0] = valloc(1000);
    blocks[1] = pvalloc(5000);
    shoot();
    put(0, 2, 1);
}

static void growing_vector(void) {
    size_t bytes = 16;
    blocks[0] = malloc(bytes);
    for (int i = 0; i < 22; i++) {
        bytes *= 2;
        blocks[0] = realloc(blocks[0], bytes);
        shoot();
    }
    put(0, 1, 1);
}

static void shrinking_blocks(void) {
    for (size_t i = 0; i < 100; i++) {
        blocks[i] = malloc(10000);
    }
    for (size_t i = 0; i < 100; i++) {
        blocks[i] = realloc(blocks[i], 100 + i * 50);
    }
    shoot();
    for (size_t i = 0; i < 100; i++) {
        blocks[i] = realloc(blocks[i], 9000);
    }
    shoot();
    put(0, 100, 1);
    blocks[0] = malloc(5 * MIB);
    static const size_t sizes[] = {MIB, 50000, 3 * MIB};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        blocks[0] = realloc(blocks[0], sizes[i]);
        shoot();
    }
    put(0, 1, 1);
}

static void no_bytes(void) {
    for (size_t i = 0; i < 100; i++) {
        blocks[i] = malloc(0);
    }
    shoot();
    for (size_t i = 0; i < 100; i++) {
        blocks[i] = realloc(blocks[i], 0);
        note(blocks[i] != NULL);
    }
    note(malloc(SIZE_MAX) != NULL);
    note(calloc(SIZE_MAX / 2, 3) != NULL);
    shoot();
}

static void trim_with_pad(void) {
    for (size_t i = 0; i < 1000; i++) {
        blocks[i] = malloc(3000);
    }
    put(0, 1000, 1);
    note((size_t)malloc_trim(100000));
    shoot();
    note((size_t)malloc_trim(0));
    shoot();
}

static void huge_blocks(void) {
    for (size_t i = 0; i < 5; i++) {
        blocks[i] = malloc((size_t)1 << (28 + i));
        shoot();
    }
    put(0, 5, 1);
}

/* 6 GB in the heap: no figure may be cut to 32 bits. */
static void beyond_four_gigabytes(void) {
    mallopt(M_MMAP_MAX, 0);
    for (size_t i = 0; i < 100; i++) {
        blocks[i] = malloc(60 * MIB);
        note(blocks[i] != NULL);
    }
    shoot();
    put(0, 100, 2);
    put(1, 100, 2);
}

static void grow_and_shrink(void) {
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < BLOCKS; i++) {
            blocks[i] = malloc(20000);
        }
        shoot();
        put(0, BLOCKS, 1);
    }
}

static void stdio_and_strings(void) {
    FILE *stream = fopen("/dev/null", "w");
    shoot();
    note((size_t)fprintf(stream, "%d", 3));
    shoot();
    note((size_t)fclose(stream));
    shoot();
    char *text = strdup("hello");
    shoot();
    free(text);
    note((size_t)asprintf(&text, "%d %s", 3, "abc"));
    shoot();
    free(text);
    shoot();
}

static void forked_child(void) {
    for (size_t i = 0; i < 500; i++) {
        blocks[i] = malloc(i * 50);
    }
    shoot();
    pid_t child = fork();
    if (child == 0) {
        put(0, 500, 2);
        for (size_t i = 0; i < 500; i += 2) {
            blocks[i] = malloc(i * 55);
        }
        shoot();
        say_everything();
        _exit(0);
    }
    note((size_t)(waitpid(child, NULL, 0) == child));
    put(0, 500, 1);
}

/* ---- threads --------------------------------------------------------------------------------- */

static int ready[2];
static int leave[2];

static void *hold_blocks(void *unused) {
    void *held[50];
    char token = 0;
    for (size_t i = 0; i < 50; i++) {
        held[i] = malloc(1000 + i * 10);
    }
    bool told = write(ready[1], &token, 1) == 1 && read(leave[0], &token, 1) == 1;
    for (size_t i = 0; i < 50 && told; i += 2) {
        free(held[i]);
    }
    return unused;
}

/* All alive at once, so each has an arena of its own as long as the limit allows. */
static void threads_at_once(size_t count) {
    pthread_t threads[THREADS];
    char token = 0;
    bool done = pipe(ready) == 0 && pipe(leave) == 0;
    for (size_t i = 0; i < count && done; i++) {
        done = pthread_create(&threads[i], NULL, hold_blocks, NULL) == 0 &&
               read(ready[0], &token, 1) == 1;
        shoot();
    }
    for (size_t i = 0; i < count && done; i++) {
        done = write(leave[1], &token, 1) == 1;
    }
    for (size_t i = 0; i < count && done; i++) {
        done = pthread_join(threads[i], NULL) == 0;
    }
    note(done);
    shoot();
}

static void four_threads(void) {
    threads_at_once(4);
}
static void twenty_threads(void) {
    threads_at_once(THREADS);
}
static void threads_on_two_arenas(void) {
    mallopt(M_ARENA_MAX, 2);
    threads_at_once(THREADS);
}

static void *align_in_thread(void *unused) {
    for (size_t i = 0; i < 100; i++) {
        blocks[i] = memalign(1024, i * 100);
    }
    shoot();
    put(0, 100, 1);
    for (size_t i = 0; i < 50; i++) {
        blocks[i] = malloc(200000);
    }
    shoot();
    put(0, 50, 1);
    return unused;
}

static void aligned_in_thread(void) {
    pthread_t thread;
    note((size_t)pthread_create(&thread, NULL, align_in_thread, NULL));
    note((size_t)pthread_join(thread, NULL));
    shoot();
}

static const struct program {
    const char *name;
    void (*run)(void);
} programs[] = {
    {"first_is_calloc", first_is_calloc},
    {"first_is_memalign", first_is_memalign},
    {"first_is_realloc", first_is_realloc},
    {"first_is_trim", first_is_trim},
    {"first_is_mapped", first_is_mapped},
    {"usable_sizes", usable_sizes},
    {"callocs", callocs},
    {"alignments", alignments},
    {"growing_vector", growing_vector},
    {"shrinking_blocks", shrinking_blocks},
    {"no_bytes", no_bytes},
    {"trim_with_pad", trim_with_pad},
    {"huge_blocks", huge_blocks},
    {"beyond_four_gigabytes", beyond_four_gigabytes},
    {"grow_and_shrink", grow_and_shrink},
    {"stdio_and_strings", stdio_and_strings},
    {"forked_child", forked_child},
    {"four_threads", four_threads},
    {"twenty_threads", twenty_threads},
    {"threads_on_two_arenas", threads_on_two_arenas},
    {"aligned_in_thread", aligned_in_thread},
};

int main(int argument_count, char **arguments) {
    for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
        if (argument_count < 2) {
            say("%s\n", programs[i].name);
        } else if (strcmp(arguments[1], programs[i].name) == 0) {
            (void)getppid();
            programs[i].run();
            say_everything();
            _exit(0);
        }
    }
    return argument_count < 2 ? 0 : 2;
}
