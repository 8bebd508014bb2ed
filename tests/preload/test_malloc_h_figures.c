/* test_malloc_h_figures.c - <malloc.h> beside the system's glibc: the same program, run with the
 * library and without, must read the same figures and print the same reports.
 *
 * Two settings are not compared, because they differ on purpose: with tcache_count=0 the library
 * takes no block for its cache (glibc still does), which gives the figures of the documents, from
 * before there was one; with perturb it has no quick lists, so that all blocks are filled.
 *
 * Each case is run twice, as a process of its own that starts with untouched heaps. Figures are
 * read into variables and printed at the end, because printing may allocate. */
#include "support.h"
#include "test_random.h"

#include <gnu/libc-version.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHOTS_MAX 16
#define OUTPUT_BYTES 65536

static struct mallinfo2 shots[SHOTS_MAX];
static int shot_count;

static void shoot(void) {
    shots[shot_count++] = mallinfo2();
}

static void check_shots(void) {
    for (int i = 0; i < shot_count; i++) {
        TEST_CHECK(shots[i].arena == shots[i].uordblks + shots[i].fordblks);
    }
}

/* The first thread takes a block whose size depends on how many libraries have thread-local data,
 * the preloaded one among them: what follows is shown relative to the shot behind that. */
static void make_shots_relative(void) {
    for (int i = shot_count - 1; i >= 0; i--) {
        shots[i].uordblks -= shots[0].uordblks;
        shots[i].fordblks -= shots[0].fordblks;
        shots[i].keepcost -= shots[0].keepcost;
    }
}

static void print_shots(void) {
    for (int i = 0; i < shot_count; i++) {
        const struct mallinfo2 *at = &shots[i];
        printf("%d: arena %zu ordblks %zu smblks %zu hblks %zu hblkhd %zu usmblks %zu fsmblks %zu "
               "uordblks %zu fordblks %zu keepcost %zu\n",
               i, at->arena, at->ordblks, at->smblks, at->hblks, at->hblkhd, at->usmblks,
               at->fsmblks, at->uordblks, at->fordblks, at->keepcost);
    }
}

/* ---- cases ---------------------------------------------------------------------------------- */

/* The program of the documents: i KiB each, then every other one freed. */
static void case_growing_blocks(void) {
    void *blocks[200];
    shoot();
    for (size_t i = 0; i < 200; i++) {
        blocks[i] = malloc(i * 1024);
    }
    shoot();
    for (size_t i = 1; i < 200; i += 2) {
        free(blocks[i]);
    }
    shoot();
    check_shots();
    malloc_stats();
}

static void case_fast_bins(void) {
    void *blocks[20];
    for (size_t i = 0; i < 20; i++) {
        blocks[i] = malloc(100);
    }
    shoot();
    for (size_t i = 0; i < 20; i++) {
        free(blocks[i]);
    }
    shoot();
    printf("mallopt %d\n", mallopt(M_MXFAST, 0));
    shoot();
}

static void case_second_document(void) {
    static void *blocks[1000];
    for (size_t i = 0; i < 1000; i++) {
        blocks[i] = malloc(100);
    }
    shoot();
    for (size_t i = 0; i < 1000; i += 3) {
        free(blocks[i]);
    }
    shoot();
}

static void case_trim(void) {
    void *low = malloc(100000);
    void *high = malloc(100000);
    free(low);
    shoot();
    printf("trim %d", malloc_trim(0));
    shoot();
    free(high);
    printf(" %d", malloc_trim(0));
    shoot();
    printf(" %d %d\n", malloc_trim(0), malloc_trim(1 << 20));
    shoot();
}

static void case_mallopt_values(void) {
    static const int calls[][2] = {
        {M_MXFAST, 160},
        {M_MXFAST, 161},
        {M_MXFAST, -1},
        {M_MXFAST, 0},
        {M_TRIM_THRESHOLD, -1},
        {M_TRIM_THRESHOLD, 0},
        {M_TOP_PAD, -1},
        {M_TOP_PAD, 4096},
        {M_MMAP_THRESHOLD, 0},
        {M_MMAP_THRESHOLD, -1},
        {M_MMAP_MAX, -5},
        {M_MMAP_MAX, 7},
        {M_CHECK_ACTION, 3},
        {M_PERTURB, 300},
        {M_ARENA_TEST, -1},
        {M_ARENA_TEST, 3},
        {M_ARENA_MAX, 0},
        {M_ARENA_MAX, 2},
        {0, 1},
        {-9, 1},
        {12345, 1},
        {M_MMAP_THRESHOLD, 1 << 30},
    };
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        printf("mallopt(%d, %d) = %d\n", calls[i][0], calls[i][1],
               mallopt(calls[i][0], calls[i][1]));
    }
}

static void case_mmap_threshold(void) {
    mallopt(M_MMAP_THRESHOLD, 50000);
    void *mapped = malloc(140000);
    shoot();
    mallopt(M_MMAP_MAX, 0);
    void *in_heap = malloc(200000);
    shoot();
    free(mapped);
    free(in_heap);
    shoot();
}

static void case_top_pad(void) {
    mallopt(M_TOP_PAD, 0);
    void *block = malloc(1000);
    shoot();
    mallopt(M_TOP_PAD, 1 << 20);
    void *other = malloc(100000);
    shoot();
    mallopt(M_TRIM_THRESHOLD, -1);
    free(other);
    free(block);
    shoot();
}

static void case_dynamic_threshold(void) {
    free(malloc(200000));
    shoot();
    free(malloc(200000));
    shoot();
    free(malloc(33 << 20));
    shoot();
    free(malloc(33 << 20));
    shoot();
}

static void case_perturb(void) {
    mallopt(M_PERTURB, 0x5a);
    unsigned char *block = malloc(5000);
    printf("fresh %02x %02x", block[0], block[4999]);
    unsigned char *again = calloc(1, 5000);
    printf(" zeroed %02x %02x\n", again[0], again[4999]);
}

static void *use_heap(void *amount) {
    void **blocks = calloc(100, sizeof(void *));
    for (size_t i = 0; i < 100; i++) {
        blocks[i] = malloc(*(size_t *)amount + i * 16);
    }
    for (size_t i = 0; i < 100; i += 3) {
        free(blocks[i]);
    }
    return blocks;
}

/* What malloc_info says about the second arena, if there is one. */
static void print_second_arena(void) {
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    printf("malloc_info %d\n", malloc_info(0, stream));
    fclose(stream);
    const char *start = strstr(text, "<heap nr=\"1\">");
    if (start != NULL) {
        printf("%.*s", (int)(strstr(start, "</heap>") - start), start);
    }
}

static void run_thread(void *(*body)(void *), void *argument) {
    pthread_t thread;
    TEST_CHECK(pthread_create(&thread, NULL, body, argument) == 0);
    TEST_CHECK(pthread_join(thread, NULL) == 0);
}

/* More than one heap of 64 MiB, which go again as they become empty. */
static void *use_several_heaps(void *unused) {
    static void *blocks[3000];
    for (size_t i = 0; i < 3000; i++) {
        blocks[i] = malloc(40000 + i * 17);
    }
    shoot();
    for (size_t i = 0; i < 3000; i += 2) {
        free(blocks[i]);
    }
    shoot();
    for (size_t i = 1; i < 3000; i += 2) {
        free(blocks[i]);
    }
    shoot();
    return unused;
}

static void case_several_heaps(void) {
    run_thread(use_heap, &(size_t){100});
    shoot();
    run_thread(use_several_heaps, NULL);
    shoot();
    print_second_arena();
    check_shots();
    make_shots_relative();
}

/* Threads one after the other: who comes first is not left to chance. */
static void case_thread_arenas(void) {
    static size_t amounts[] = {24, 2000, 40000};
    for (size_t i = 0; i < 3; i++) {
        run_thread(use_heap, &amounts[i]);
        shoot();
    }
    print_second_arena();
    check_shots();
    make_shots_relative();
}

static void case_info(void) {
    void *blocks[300];
    printf("malloc_info %d %d\n", malloc_info(1, stdout), malloc_info(-1, stdout));
    for (size_t i = 0; i < 300; i++) {
        blocks[i] = malloc(i * 37);
    }
    for (size_t i = 0; i < 300; i += 2) {
        free(blocks[i]);
    }
    printf("malloc_info %d\n", malloc_info(0, stdout));
}

#define TRAFFIC_BLOCKS 500

static void case_traffic(void) {
    static void *blocks[TRAFFIC_BLOCKS];
    struct random_source source = {strtoull(getenv("ARENITE_TEST_SEED"), NULL, 0)};
    size_t steps = random_steps(20000);
    for (size_t i = 0; i < steps; i++) {
        size_t at = random_below(&source, TRAFFIC_BLOCKS);
        size_t bytes = random_below(&source, (size_t)1 << random_below(&source, 19));
        if (random_below(&source, 4) == 0) {
            blocks[at] = realloc(blocks[at], bytes + 1);
        } else {
            free(blocks[at]);
            blocks[at] = random_below(&source, 8) == 0 ? calloc(1, bytes) : malloc(bytes);
        }
        if (i % (steps / (SHOTS_MAX - 1)) == 0 && shot_count < SHOTS_MAX) {
            shoot();
        }
    }
    check_shots();
    printf("malloc_info %d\n", malloc_info(0, stdout));
}

static const struct test_case {
    const char *name;
    void (*run)(void);
    const char *environment; /* NAME=VALUE or NULL */
} cases[] = {
    {"growing_blocks", case_growing_blocks, NULL},
    {"fast_bins", case_fast_bins, NULL},
    {"second_document", case_second_document, NULL},
    {"trim", case_trim, NULL},
    {"mallopt_values", case_mallopt_values, NULL},
    {"mmap_threshold", case_mmap_threshold, NULL},
    {"top_pad", case_top_pad, NULL},
    {"dynamic_threshold", case_dynamic_threshold, NULL},
    {"perturb", case_perturb, NULL},
    {"thread_arenas", case_thread_arenas, NULL},
    {"thread_arenas, at most one", case_thread_arenas, "MALLOC_ARENA_MAX=1"},
    {"several_heaps", case_several_heaps, NULL},
    {"info", case_info, NULL},
    {"traffic", case_traffic, NULL},
    {"traffic, short lists", case_traffic, "GLIBC_TUNABLES=glibc.malloc.tcache_count=1"},
    {"traffic, small thread cache", case_traffic, "GLIBC_TUNABLES=glibc.malloc.tcache_max=200"},
    {"traffic, no fast bins", case_traffic, "GLIBC_TUNABLES=glibc.malloc.mxfast=0"},
    {"traffic, small threshold", case_traffic, "MALLOC_MMAP_THRESHOLD_=20000"},
    {"traffic, few mappings", case_traffic, "MALLOC_MMAP_MAX_=2"},
    {"traffic, no pad", case_traffic, "MALLOC_TOP_PAD_=0"},
    {"traffic, early trim", case_traffic, "MALLOC_TRIM_THRESHOLD_=5000"},
};
#define CASES (sizeof cases / sizeof cases[0])

/* ---- the two runs --------------------------------------------------------------------------- */

static int number_of(const struct test_case *chosen) {
    int number = 0;
    while (cases[number].run != chosen->run) {
        number++;
    }
    return number;
}

static void become(const struct test_case *chosen, bool reference) {
    char number[8];
    if (reference) {
        unsetenv("LD_PRELOAD");
        setenv("ARENITE_TEST_REFERENCE", "1", 1);
    }
    if (chosen->environment != NULL) {
        putenv((char *)(uintptr_t)chosen->environment);
    }
    snprintf(number, sizeof number, "%d", number_of(chosen));
    execl("/proc/self/exe", "test_malloc_h_figures", number, (char *)NULL);
    _exit(126);
}

static void run(const struct test_case *chosen, bool reference, char output[OUTPUT_BYTES]) {
    int ends[2];
    TEST_CHECK(pipe(ends) == 0);
    pid_t pid = fork();
    TEST_CHECK(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        become(chosen, reference);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], output + length, OUTPUT_BYTES - 1 - length)) > 0) {
        length += (size_t)got;
    }
    output[length] = '\0';
    close(ends[0]);
    int status = 0;
    TEST_CHECK(waitpid(pid, &status, 0) == pid);
    TEST_CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static bool agree(const struct test_case *chosen) {
    static char ours[OUTPUT_BYTES];
    static char theirs[OUTPUT_BYTES];
    run(chosen, false, ours);
    run(chosen, true, theirs);
    TEST_CHECK(theirs[0] != '\0');
    if (strcmp(ours, theirs) == 0) {
        return true;
    }
    printf("%s differs\n---- glibc:\n%s---- arenite:\n%s", chosen->name, theirs, ours);
    return false;
}

static int run_case(int number) {
    TEST_CHECK(number >= 0 && (size_t)number < CASES);
    cases[number].run();
    print_shots();
    return 0;
}

/* What the document prints for its program, from a libc without thread cache. */
static void check_documents_figures(void) {
    static char output[OUTPUT_BYTES];
    const struct test_case chosen = {"", case_growing_blocks, "ARENITE_OPTIONS=profile=ptmalloc"};
    run(&chosen, false, output);
    static const char after_first_loop[] =
        "1: arena 8327168 ordblks 1 smblks 0 hblks 72 hblkhd 12238848 usmblks 0 fsmblks 0 "
        "uordblks 8325136 fordblks 2032 ";
    static const char after_second_loop[] =
        "hblks 36 hblkhd 6119424 usmblks 0 fsmblks 0 uordblks 4129808 fordblks 4197360 ";
    TEST_CHECK(strstr(output, after_first_loop) != NULL);
    TEST_CHECK(strstr(output, after_second_loop) != NULL);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        return run_case(atoi(argv[1]));
    }
    if (strcmp(gnu_get_libc_version(), "2.36") != 0) {
        test_skip("the figures are those of glibc 2.36, and this is another one");
    }
    struct random_source source = random_start("test_malloc_h_figures");
    char seed[32];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)source.state);
    setenv("ARENITE_TEST_SEED", seed, 1);
    setenv("ARENITE_OPTIONS", "profile=glibc", 1);
    check_documents_figures();
    size_t differing = 0;
    for (size_t i = 0; i < CASES; i++) {
        differing += !agree(&cases[i]);
    }
    TEST_CHECK(differing == 0);
    return 0;
}
