/* large_blocks.c - a few large blocks a request, over and over: no faults from the second request
 * on where few pages are touched, from the third where all are, also of calloc's; sizes that do not
 * come again find heaps that keep their pages; what is cached is not shown as live, goes back by
 * malloc_trim and with its thread, and is never handed out twice.
 * Layer: tests (includes libc only). */
#include "outside.h"
#include "support.h"
#include "test_random.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB ((size_t)1 << 20)
#define PAGE ((size_t)4096)
#define REQUESTS 12
#define TOUCHED 6
#define SERVED_MAX (64 * MIB)
#define BLOCKS 12
#define STEPS 4000
#define BUFFERS 3
/* What calloc clears of a cached block rather than to give it back. */
#define CLEARED_MAX (8 * MIB)

static long faults(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt + usage.ru_majflt;
}

/* What each request takes. */
struct service {
    size_t bytes;
    size_t buffers; /* live at once */
    bool is_dense;  /* every page is touched */
    bool is_zeroed; /* by calloc */
};

/* Touched pages that were not there before. */
static size_t missing;

static void count_missing(char *block, size_t bytes, size_t step) {
    static unsigned char is_there[SERVED_MAX / PAGE + 1];
    size_t lead = (uintptr_t)block % PAGE;
    TEST_CHECK(mincore(block - lead, lead + bytes, is_there) == 0);
    for (size_t at = 0; at < bytes; at += step) {
        missing += (is_there[(lead + at) / PAGE] & 1) == 0;
    }
}

static char *take_buffer(const struct service *service) {
    size_t bytes = service->bytes, step = service->is_dense ? PAGE : bytes / TOUCHED;
    char *block = service->is_zeroed ? calloc(1, bytes) : malloc(bytes);
    TEST_CHECK(block != NULL && malloc_usable_size(block) >= bytes);
    count_missing(block, bytes, step);
    for (size_t at = 0; at < bytes; at += step) {
        TEST_CHECK(!service->is_zeroed || block[at] == 0);
        block[at] = 1;
    }
    return block;
}

static void request(const struct service *service) {
    char *blocks[BUFFERS];
    size_t count = service->buffers;
    for (size_t i = 0; i < count; i++) {
        blocks[i] = take_buffer(service);
    }
    TEST_CHECK(mallinfo2().hblks == count && mallinfo2().hblkhd >= count * service->bytes);
    for (size_t i = 0; i < count; i++) {
        free(blocks[i]);
    }
    TEST_CHECK(mallinfo2().hblks == 0 && mallinfo2().hblkhd == 0);
}

/* No page of a block is ever missing again; and all the faults that are taken, whatever for, are
 * fewer than the touched pages would cost. Some are nobody's fault: the kernel may take away pages
 * of programs and libraries. */
static void serve(const struct service *service) {
    int first = service->is_dense ? 2 : 1;
    long before = 0;
    for (int i = 0; i < REQUESTS; i++) {
        before = i == first ? faults() : before;
        missing = 0;
        request(service);
        if (missing != 0 && i >= first) {
            fprintf(stderr, "%zu x %zu bytes%s, request %d: %zu pages missing\n", service->buffers,
                    service->bytes, service->is_zeroed ? " of zeros" : "", i, missing);
            exit(1);
        }
    }
    TEST_CHECK(faults() - before < (REQUESTS - first) * TOUCHED / 2);
}

static void *serve_in_thread(void *service) {
    serve(service);
    return NULL;
}

static void in_child(struct service service, bool in_thread) {
    fflush(stdout);
    pid_t child = fork();
    TEST_CHECK(child >= 0);
    if (child == 0) {
        pthread_t thread;
        if (!in_thread) {
            serve(&service);
        } else if (pthread_create(&thread, NULL, serve_in_thread, &service) != 0 ||
                   pthread_join(thread, NULL) != 0) {
            _exit(1);
        }
        _exit(0);
    }
    int status = 0;
    TEST_CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void serve_all(size_t bytes) {
    for (unsigned way = 0; way < 8; way++) {
        struct service service = {bytes, (way & 4) != 0 ? BUFFERS : 1, (way & 2) != 0,
                                  (way & 1) != 0};
        bool is_given_back = service.is_dense && service.is_zeroed && bytes > CLEARED_MAX;
        bool is_large = service.is_dense && service.buffers * bytes > 40 * MIB; /* takes long */
        if (!is_given_back && !is_large) {
            in_child(service, way % 3 == 0);
        }
    }
}

/* ---- random sizes --------------------------------------------------------------------------- */

#define ROUNDS 6
#define ROUND_STEPS 600
#define LIVE_MAX 16
#define SMALLEST (256 * 1024)
#define LARGEST (4 * MIB)

static long random_round(struct random_source *chance, char **blocks, size_t live) {
    long before = faults();
    for (int i = 0; i < ROUND_STEPS; i++) {
        size_t place = random_below(chance, live);
        size_t bytes = SMALLEST + random_below(chance, LARGEST - SMALLEST);
        free(blocks[place]);
        blocks[place] = malloc(bytes);
        TEST_CHECK(blocks[place] != NULL);
        for (size_t at = 0; at < bytes; at += PAGE) {
            blocks[place][at] = 1;
        }
    }
    return faults() - before;
}

/* From the third round on nothing faults but what lies in new places: a heap whose pieces fit worse
 * than ever before grows a little. Mostly that is a hundredth of the first round's faults, for few
 * seeds a tenth; were pages given back each time, it would be all of them again. */
static void test_random_sizes(struct random_source *chance, size_t live) {
    char *blocks[LIVE_MAX] = {NULL};
    long first = random_round(chance, blocks, live), later = 0;
    random_round(chance, blocks, live);
    for (int round = 2; round < ROUNDS; round++) {
        later += random_round(chance, blocks, live);
    }
    for (size_t i = 0; i < live; i++) {
        free(blocks[i]);
    }
    if (later > first / 100 * 40 * (ROUNDS - 2)) {
        fprintf(stderr, "%zu live: %ld faults, then %ld in %d rounds\n", live, first, later,
                ROUNDS - 2);
        exit(1);
    }
}

static void random_in_child(struct random_source *chance, size_t live) {
    fflush(stdout);
    pid_t child = fork();
    TEST_CHECK(child >= 0);
    if (child == 0) {
        test_random_sizes(chance, live);
        _exit(0);
    }
    int status = 0;
    TEST_CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* ---- contents ------------------------------------------------------------------------------- */

static void test_calloc(void) {
    for (int i = 0; i < 4; i++) {
        char *block = malloc(3 * MIB);
        memset(block, 0x5a, 3 * MIB);
        free(block);
        char *zeroed = calloc(3, MIB);
        for (size_t at = 0; at < 3 * MIB; at++) {
            TEST_CHECK(zeroed[at] == 0);
        }
        free(zeroed);
    }
}

struct traffic {
    pthread_mutex_t lock;
    void *blocks[BLOCKS]; /* passed from thread to thread */
    size_t bytes[BLOCKS];
};

static struct traffic traffic = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Blocks change hands; every one still holds what its maker wrote. */
static void *trade(void *argument) {
    struct random_source *chance = argument;
    for (int i = 0; i < STEPS; i++) {
        size_t place = random_below(chance, BLOCKS);
        size_t bytes = (1 + random_below(chance, 6)) * 200000;
        void *fresh = malloc(bytes);
        test_pattern_fill(fresh, 64, (uintptr_t)fresh);
        pthread_mutex_lock(&traffic.lock);
        void *old = traffic.blocks[place];
        traffic.blocks[place] = fresh;
        traffic.bytes[place] = bytes;
        pthread_mutex_unlock(&traffic.lock);
        if (old != NULL) {
            TEST_CHECK(test_pattern_holds(old, 64, (uintptr_t)old));
            if (random_below(chance, 4) == 0) {
                void *moved = realloc(old, 5 * MIB);
                TEST_CHECK(test_pattern_holds(moved, 64, (uintptr_t)old));
                old = moved;
            }
            free(old);
        }
    }
    return NULL;
}

static void test_traffic(struct random_source *chance) {
    pthread_t threads[3];
    struct random_source sources[3];
    for (int i = 0; i < 3; i++) {
        sources[i].state = random_bits(chance);
        TEST_CHECK(pthread_create(&threads[i], NULL, trade, &sources[i]) == 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    for (int i = 0; i < BLOCKS; i++) {
        free(traffic.blocks[i]);
    }
}

/* ---- giving up ------------------------------------------------------------------------------ */

static bool is_mapped(void *block) {
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long start = 0, end = 0;
    bool found = false;
    while (!found && fscanf(maps, "%lx-%lx%*[^\n]", &start, &end) == 2) {
        found = (uintptr_t)block >= start && (uintptr_t)block < end;
    }
    fclose(maps);
    return found;
}

static void *leave_one(void *unused) {
    (void)unused;
    void *block = malloc(40 * MIB);
    free(block);
    return block;
}

static void test_giving_up(void) {
    void *block = leave_one(NULL);
    TEST_CHECK(is_mapped(block));
    TEST_CHECK(malloc_trim(0) == 1 && !is_mapped(block));
    pthread_t thread;
    TEST_CHECK(pthread_create(&thread, NULL, leave_one, NULL) == 0);
    pthread_join(thread, &block);
    TEST_CHECK(!is_mapped(block));
}

int main(void) {
    const char *options = getenv("ARENITE_OPTIONS");
    if (options != NULL && strstr(options, "profile=") != NULL) {
        test_skip("only the default profile caches large blocks");
    }
    test_stop_decay();
    struct random_source chance = random_start("large_blocks");
    static const size_t sizes[] = {300 * 1024, MIB, 2 * MIB, 8 * MIB, 33 * MIB, SERVED_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        serve_all(sizes[i]);
    }
    for (size_t live = 1; live <= LIVE_MAX; live *= 4) {
        random_in_child(&chance, live);
    }
    test_calloc();
    test_giving_up();
    test_traffic(&chance);
    return 0;
}
