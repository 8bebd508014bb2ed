/* glibc_rules.c - one scenario of allocator calls, every result written down.
 * Layer: tests (includes libc only).
 *
 * Run once plainly and once with the library preloaded, the same scenario must write the same
 * lines: the default engine follows glibc's rules. Addresses are written relative to what they
 * belong to (the break at the start, a heap, a page); with each block goes its size word, flags
 * included. Nothing here allocates besides the calls under test. The call of getppid marks, for a
 * reader of the system calls, where main begins.
 *
 * Usage: glibc_rules SCENARIO SEED. Exit status 2: no such scenario. */
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SLOTS 4096
#define HEAP_BYTES ((uintptr_t)64 << 20)
#define PAGE_BYTES ((uintptr_t)4096)
#define KIB ((size_t)1024)
#define MIB (KIB * KIB)

enum size_flags { FLAG_MMAPPED = 2, FLAG_NON_MAIN = 4 };

static uint64_t random_state;
static uintptr_t break_start;
static void *slots[SLOTS];
static size_t slot_bytes[SLOTS];

/* ---- writing --------------------------------------------------------------------------------- */

static void say(const char *format, ...) {
    char line[200];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (write(STDOUT_FILENO, line, (size_t)length) != length) {
        _exit(1);
    }
}

/* What a pointer is, in words that do not depend on where the kernel put things. */
static void say_block(const char *operation, size_t request, const void *memory) {
    if (memory == NULL) {
        say("%s %zu -> NULL\n", operation, request);
        return;
    }
    uintptr_t address = (uintptr_t)memory;
    size_t size = ((const size_t *)memory)[-1];
    if (size & FLAG_MMAPPED) {
        say("%s %zu -> mapped +%zx size %zx\n", operation, request, address % PAGE_BYTES, size);
    } else if (size & FLAG_NON_MAIN) {
        say("%s %zu -> heap +%zx size %zx\n", operation, request, address % HEAP_BYTES, size);
    } else if (address >= break_start && address < (uintptr_t)sbrk(0)) {
        say("%s %zu -> break +%zx size %zx\n", operation, request, address - break_start, size);
    } else {
        say("%s %zu -> piece +%zx size %zx\n", operation, request, address % PAGE_BYTES, size);
    }
}

static void say_figures(void) {
    if (getenv("GLIBC_RULES_FIGURES") == NULL) {
        return;
    }
    struct mallinfo2 info = mallinfo2();
    say("arena %zu ordblks %zu smblks %zu hblks %zu hblkhd %zu fsmblks %zu uordblks %zu "
        "fordblks %zu keepcost %zu\n",
        info.arena, info.ordblks, info.smblks, info.hblks, info.hblkhd, info.fsmblks, info.uordblks,
        info.fordblks, info.keepcost);
}

/* ---- the calls under test -------------------------------------------------------------------- */

static uint64_t random_bits(void) {
    uint64_t x = random_state += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static size_t below(size_t limit) {
    return (size_t)(random_bits() % limit);
}

/* Any magnitude up to the limit is as likely as any other. */
static size_t random_size(size_t limit) {
    size_t size = random_bits() >> below(64);
    return size % limit;
}

static void fill(size_t slot) {
    if (slots[slot] != NULL) {
        size_t bytes = slot_bytes[slot] < 64 ? slot_bytes[slot] : 64;
        memset(slots[slot], (int)slot, bytes);
    }
}

static void get(size_t slot, size_t bytes) {
    slots[slot] = malloc(bytes);
    slot_bytes[slot] = bytes;
    say_block("malloc", bytes, slots[slot]);
    fill(slot);
}

static void get_zeroed(size_t slot, size_t bytes) {
    slots[slot] = calloc(1, bytes);
    slot_bytes[slot] = bytes;
    say_block("calloc", bytes, slots[slot]);
    fill(slot);
}

static void get_aligned(size_t slot, size_t alignment, size_t bytes) {
    slots[slot] = memalign(alignment, bytes);
    slot_bytes[slot] = bytes;
    say_block("memalign", bytes, slots[slot]);
    fill(slot);
}

static void resize(size_t slot, size_t bytes) {
    slots[slot] = realloc(slots[slot], bytes);
    slot_bytes[slot] = bytes;
    say_block("realloc", bytes, slots[slot]);
    fill(slot);
}

static void put(size_t slot) {
    free(slots[slot]);
    slots[slot] = NULL;
}

static void put_all(void) {
    for (size_t slot = 0; slot < SLOTS; slot++) {
        put(slot);
    }
}

/* ---- scenarios: sizes and orders ------------------------------------------------------------- */

static void sweep_up(void) {
    for (size_t bytes = 0; bytes < 2200; bytes++) {
        get(bytes, bytes);
    }
    say_figures();
    put_all();
    say_figures();
    for (size_t bytes = 0; bytes < 2200; bytes += 7) {
        get(bytes, bytes);
    }
    say_figures();
}

static void sweep_sizes_twice(void) {
    for (size_t bytes = 0; bytes < 300 * KIB; bytes += 997) {
        get(0, bytes);
        get(1, bytes / 2);
        put(0);
        get(2, bytes / 3);
        put(1);
        put(2);
    }
    say_figures();
}

static void free_in_order(bool last_first) {
    for (size_t round = 0; round < 5; round++) {
        for (size_t slot = 0; slot < 500; slot++) {
            get(slot, 16 + slot * (round + 1));
        }
        for (size_t slot = 0; slot < 500; slot++) {
            put(last_first ? 499 - slot : slot);
        }
        say_figures();
    }
}

static void last_in_first_out(void) {
    free_in_order(true);
}

static void first_in_first_out(void) {
    free_in_order(false);
}

static void every_other(void) {
    for (size_t slot = 0; slot < 3000; slot++) {
        get(slot, 1 + slot % 1500);
    }
    for (size_t slot = 0; slot < 3000; slot += 2) {
        put(slot);
    }
    say_figures();
    for (size_t slot = 0; slot < 3000; slot += 2) {
        get(slot, 1 + (slot * 7) % 1500);
    }
    for (size_t slot = 1; slot < 3000; slot += 2) {
        put(slot);
    }
    say_figures();
    put_all();
    say_figures();
}

/* ---- scenarios: random traffic --------------------------------------------------------------- */

static void traffic_step(size_t limit) {
    size_t slot = below(600);
    size_t choice = below(100);
    if (slots[slot] != NULL && choice < 70) {
        put(slot);
    } else if (slots[slot] != NULL) {
        resize(slot, 1 + random_size(limit));
    } else if (choice < 80) {
        get(slot, random_size(limit));
    } else if (choice < 90) {
        get_zeroed(slot, random_size(limit));
    } else {
        /* Alignments beyond a page: what they cost depends on where the kernel put things. */
        get_aligned(slot, (size_t)1 << below(13), random_size(limit));
    }
}

static void traffic(size_t steps, size_t limit) {
    for (size_t step = 0; step < steps; step++) {
        traffic_step(limit);
        if (step % 1000 == 999) {
            say_figures();
        }
    }
    put_all();
    say_figures();
}

static void traffic_small(void) {
    traffic(30000, 1500);
}

static void traffic_medium(void) {
    traffic(30000, 300 * KIB);
}

static void traffic_large(void) {
    traffic(10000, 64 * MIB);
}

/* Without mappings everything comes from the bins: the large ones are well filled. */
static void traffic_unmapped(void) {
    say("M_MMAP_MAX %d\n", mallopt(M_MMAP_MAX, 0));
    traffic(30000, 600 * KIB);
}

static void traffic_without_fast_bins(void) {
    say("M_MXFAST %d\n", mallopt(M_MXFAST, 0));
    traffic(20000, 3000);
}

static void traffic_with_large_fast_bins(void) {
    say("M_MXFAST %d\n", mallopt(M_MXFAST, 160));
    traffic(20000, 3000);
}

/* ---- scenarios: realloc, memalign, trim, thresholds ------------------------------------------ */

static void realloc_growth(void) {
    for (size_t bytes = 1; bytes < 40 * MIB; bytes += bytes / 3 + 1) {
        resize(0, bytes);
        get(1 + bytes % 7, 24 + bytes % 600);
    }
    for (size_t bytes = 40 * MIB; bytes > 8; bytes -= bytes / 3 + 1) {
        resize(0, bytes);
    }
    say_figures();
}

/* Beyond a page, results depend on where the kernel put things. */
static void memalign_patterns(void) {
    for (size_t alignment = 1; alignment <= PAGE_BYTES; alignment *= 2) {
        for (size_t i = 0; i < 60; i++) {
            get_aligned(i, alignment, i * 37);
        }
        for (size_t i = 0; i < 60; i += 3) {
            put(i);
        }
        get_aligned(0, alignment, 200 * KIB);
        get_aligned(3, alignment / 2 + 3, 100);
        get(6, 5000);
        say_figures();
    }
    put_all();
    say_figures();
}

static void trimming(void) {
    for (size_t slot = 0; slot < 400; slot++) {
        get(slot, 10 * KIB + slot * 16);
    }
    for (size_t slot = 0; slot < 400; slot += 2) {
        put(slot);
    }
    say("trim %d\n", malloc_trim(0));
    say_figures();
    for (size_t slot = 200; slot < 400; slot++) {
        put(slot);
    }
    say("trim %d\n", malloc_trim(64 * KIB));
    say_figures();
    get(200, 50 * KIB);
    put_all();
    say("trim %d\n", malloc_trim(0));
    say("trim %d\n", malloc_trim(0));
    say_figures();
    get(0, 100);
}

static void document_sequence(bool fixed_threshold) {
    if (fixed_threshold) {
        say("M_TRIM_THRESHOLD %d\n", mallopt(M_TRIM_THRESHOLD, 128 * 1024));
    }
    get(0, 30 * KIB);
    get(1, 40 * KIB);
    get(2, 200 * KIB);
    get(3, 100 * KIB);
    say_figures();
    put(2);
    put(1);
    put(3);
    say_figures();
    put(0);
    say_figures();
}

static void document_dynamic(void) {
    document_sequence(false);
}
static void document_fixed(void) {
    document_sequence(true);
}
static void dynamic_threshold(void) {
    static const size_t sizes[] = {
        131048,       131049,   131072,    135144,   135145,     200 * KIB,     204800 - 24,
        208872,       208873,   400 * KIB, MIB,      MIB + 4096, 33554432 - 40, 33554432 - 24,
        33554432 - 8, 33554432, 33554433,  40 * MIB, MIB,        30 * MIB};
    for (size_t round = 0; round < 3; round++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            get(0, sizes[i]);
            put(0);
            get(1, sizes[i] - 100);
            get(2, 200);
            put(1);
            put(2);
            say_figures();
        }
    }
}

/* A mapped block shrunk to exactly the threshold, then freed. */
static void threshold_by_realloc(void) {
    for (size_t bytes = 120 * KIB; bytes <= 300 * KIB; bytes += 4096) {
        get(0, 2 * MIB);
        resize(0, bytes - 24);
        put(0);
        get(1, 150 * KIB);
        get(2, 270 * KIB);
        put(1);
        put(2);
        say_figures();
    }
}

static void options(void) {
    static const int parameters[][2] = {{M_MXFAST, 161},
                                        {M_MXFAST, 160},
                                        {M_MXFAST, 7},
                                        {M_MXFAST, 24},
                                        {M_MXFAST, 64},
                                        {M_TOP_PAD, 0},
                                        {M_TOP_PAD, 1000},
                                        {M_TOP_PAD, 1 << 20},
                                        {M_TRIM_THRESHOLD, 0},
                                        {M_TRIM_THRESHOLD, -1},
                                        {M_TRIM_THRESHOLD, 4096},
                                        {M_MMAP_THRESHOLD, 0},
                                        {M_MMAP_THRESHOLD, 100},
                                        {M_MMAP_THRESHOLD, 1 << 30},
                                        {M_MMAP_MAX, 0},
                                        {M_MMAP_MAX, 2},
                                        {M_MMAP_MAX, 65536},
                                        {M_MMAP_THRESHOLD, 65536},
                                        {M_CHECK_ACTION, 3},
                                        {99, 1}};
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        say("mallopt %d %d = %d\n", parameters[i][0], parameters[i][1],
            mallopt(parameters[i][0], parameters[i][1]));
        traffic(400, 200 * KIB);
        for (size_t slot = 0; slot < 20; slot++) {
            get(slot, 20 + slot * slot * 1000);
        }
        put_all();
    }
}

static void few_mappings(void) {
    say("M_MMAP_MAX %d\n", mallopt(M_MMAP_MAX, 3));
    for (size_t slot = 0; slot < 8; slot++) {
        get(slot, 300 * KIB);
    }
    put(1);
    get(8, 400 * KIB);
    get(9, 500 * KIB);
    say_figures();
    put_all();
    say_figures();
}

/* ---- scenarios: foreign users of the break --------------------------------------------------- */

static void share_break(size_t grain) {
    for (size_t slot = 0; slot < 200; slot++) {
        get(slot, 1 + random_size(120 * KIB));
        if (slot % 9 == 4) {
            void *theirs = sbrk((intptr_t)(grain * below(9000)));
            say("foreign %zx\n", (uintptr_t)theirs - break_start);
        }
        if (slot % 5 == 3) {
            put(slot - below(3));
        }
    }
    say_figures();
    put_all();
    say("trim %d\n", malloc_trim(0));
    say_figures();
}

static void foreign_break(void) {
    share_break(16);
}
static void foreign_break_odd(void) {
    share_break(1);
}

/* ---- scenarios: a second arena --------------------------------------------------------------- */

static void run_in_thread(void *(*body)(void *)) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, body, NULL) != 0 || pthread_join(thread, NULL) != 0) {
        _exit(1);
    }
}

/* A thread whose first call is memalign has, in glibc, no thread cache until another call: an
 * accident not kept, so each thread begins with malloc. */
static void *thread_body_small(void *unused) {
    get(SLOTS - 1, 24);
    traffic(10000, 2000);
    return unused;
}

static void *thread_body_medium(void *unused) {
    get(SLOTS - 1, 24);
    traffic(20000, 300 * KIB);
    return unused;
}

static void thread_traffic(void) {
    get(0, 100);
    put(0);
    run_in_thread(thread_body_small);
    run_in_thread(thread_body_medium);
    traffic(2000, 3000);
    run_in_thread(thread_body_small);
    say("trim %d\n", malloc_trim(0));
    say_figures();
}

/* 120 KB blocks stay below the mapping threshold: 150 MiB of them need three heaps. */
static void *thread_body_heaps(void *unused) {
    for (size_t slot = 0; slot < 1300; slot++) {
        get(slot, 120000);
    }
    say_figures();
    for (size_t slot = 1300; slot-- > 0;) {
        put(slot);
    }
    say_figures();
    for (size_t slot = 0; slot < 1300; slot++) {
        get(slot, 100000 + slot);
    }
    for (size_t slot = 0; slot < 1300; slot += 2) {
        put(slot);
    }
    say_figures();
    for (size_t slot = 1; slot < 1300; slot += 2) {
        put(slot);
    }
    say_figures();
    return unused;
}

static void thread_heaps(void) {
    get(0, 100);
    run_in_thread(thread_body_heaps);
    run_in_thread(thread_body_heaps);
    get(1, 1000);
    say_figures();
}

/* Large blocks within heaps: the threshold is out of the way. */
static void *thread_body_large(void *unused) {
    for (size_t step = 0; step < 1500; step++) {
        size_t slot = below(40);
        if (slots[slot] != NULL) {
            put(slot);
        } else {
            get(slot, random_size(12 * MIB));
        }
    }
    say_figures();
    put_all();
    say_figures();
    return unused;
}

static void thread_large(void) {
    say("M_MMAP_MAX %d\n", mallopt(M_MMAP_MAX, 0));
    run_in_thread(thread_body_large);
    get(0, 10);
    say_figures();
}

static void *thread_body_free(void *unused) {
    put_all();
    say_figures();
    return unused;
}

/* Blocks of one thread freed by another, and arenas handed on. */
static void thread_handover(void) {
    for (size_t slot = 0; slot < 2000; slot++) {
        get(slot, 1 + random_size(20 * KIB));
    }
    run_in_thread(thread_body_free);
    run_in_thread(thread_body_small);
    for (size_t slot = 0; slot < 2000; slot++) {
        get(slot, 1 + random_size(20 * KIB));
    }
    run_in_thread(thread_body_free);
    say_figures();
}

static const struct scenario {
    const char *name;
    void (*run)(void);
} scenarios[] = {
    {"sweep_up", sweep_up},
    {"sweep_sizes_twice", sweep_sizes_twice},
    {"last_in_first_out", last_in_first_out},
    {"first_in_first_out", first_in_first_out},
    {"every_other", every_other},
    {"traffic_small", traffic_small},
    {"traffic_medium", traffic_medium},
    {"traffic_large", traffic_large},
    {"traffic_unmapped", traffic_unmapped},
    {"traffic_without_fast_bins", traffic_without_fast_bins},
    {"traffic_with_large_fast_bins", traffic_with_large_fast_bins},
    {"realloc_growth", realloc_growth},
    {"memalign_patterns", memalign_patterns},
    {"trimming", trimming},
    {"document_dynamic", document_dynamic},
    {"document_fixed", document_fixed},
    {"dynamic_threshold", dynamic_threshold},
    {"threshold_by_realloc", threshold_by_realloc},
    {"options", options},
    {"few_mappings", few_mappings},
    {"foreign_break", foreign_break},
    {"foreign_break_odd", foreign_break_odd},
    {"thread_traffic", thread_traffic},
    {"thread_heaps", thread_heaps},
    {"thread_large", thread_large},
    {"thread_handover", thread_handover},
};

int main(int argument_count, char **arguments) {
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        if (argument_count < 2) {
            say("%s\n", scenarios[i].name);
        } else if (strcmp(arguments[1], scenarios[i].name) == 0) {
            random_state = argument_count > 2 ? strtoull(arguments[2], NULL, 0) : 1;
            break_start = (uintptr_t)syscall(SYS_brk, 0) & ~(PAGE_BYTES - 1);
            (void)getppid();
            scenarios[i].run();
            _exit(0);
        }
    }
    return argument_count < 2 ? 0 : 2;
}
