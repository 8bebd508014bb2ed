/* keepcost.c - what keepcost promises malloc_trim(0) gives back, and pages given back leave the
 * figures: arena follows what is resident.
 * Layer: tests (includes libc only).
 *
 * Each case is a process of its own. Under the other profiles keepcost is main's top, by glibc's
 * definition (test_malloc_h_figures.c). */
#include "outside.h"
#include "support.h"

#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define KIB ((size_t)1024)
#define ALL_BYTES ((size_t)48 << 20)
#define BLOCKS_MAX 400000
#define SLACK_BYTES (160 * KIB) /* libc, stacks, records of ours; ends of pages */
/* keepcost is exact for slabs and free chunks. Freeing what the thread's lists keep joins free
 * chunks: pages that none of them held whole go, too, two for each chunk in a list at most. */
#define JOINED_BYTES (64 * KIB)

static void *blocks[BLOCKS_MAX];

static void expect_near(const char *what, size_t found, size_t wanted, size_t slack) {
    if (found > wanted + slack || wanted > found + slack) {
        printf("%s: %zu, expected %zu\n", what, found, wanted);
        TEST_CHECK(found == wanted);
    }
}

/* Between now and the trim nothing else happens. */
static void check_trim(void) {
    struct mallinfo2 before = mallinfo2();
    TEST_CHECK(before.arena == before.uordblks + before.fordblks);
    int released = malloc_trim(0);
    struct mallinfo2 after = mallinfo2();
    size_t given = before.arena - after.arena;
    expect_near("given back", given, before.keepcost, JOINED_BYTES);
    TEST_CHECK(after.keepcost <= JOINED_BYTES && after.uordblks == before.uordblks);
    TEST_CHECK((released == 1) == (given != 0));
}

static void *fill(void *size) {
    size_t bytes = *(const size_t *)size;
    for (size_t i = 0; i < ALL_BYTES / bytes; i++) {
        blocks[i] = malloc(bytes);
        memset(blocks[i], 1, bytes);
    }
    return NULL;
}

/* Frees all but one of `step`. What stays resident of each block that is left is at least the page
 * it lies in, so only blocks much larger than a page are compared with what is resident. */
static void check_size(size_t bytes, size_t step, bool by_ended_thread) {
    size_t count = ALL_BYTES / bytes;
    size_t resident = test_resident_bytes();
    TEST_CHECK(count <= BLOCKS_MAX);
    pthread_t thread;
    if (!by_ended_thread) {
        fill(&bytes);
    } else {
        TEST_CHECK(pthread_create(&thread, NULL, fill, &bytes) == 0);
        TEST_CHECK(pthread_join(thread, NULL) == 0);
    }
    struct mallinfo2 full = mallinfo2();
    expect_near("full", test_resident_bytes() - resident, full.arena + full.hblkhd,
                ALL_BYTES / 16 + SLACK_BYTES);
    for (size_t i = 0; i < count; i++) {
        if (i % step != 0) {
            free(blocks[i]);
        }
    }
    check_trim();
    struct mallinfo2 left = mallinfo2();
    if (bytes >= 16 * KIB) {
        expect_near("left", test_resident_bytes() - resident, left.arena + left.hblkhd,
                    ALL_BYTES / 16 + SLACK_BYTES);
    }
    for (size_t i = 0; i < count; i += step) {
        free(blocks[i]);
    }
    check_trim();
    expect_near("empty", mallinfo2().arena, 0, SLACK_BYTES);
}

int main(void) {
    static const size_t sizes[] = {200, 1000, 5000, 20000, 100000};
    if (getenv("ARENITE_OPTIONS") != NULL) {
        test_skip("under another profile keepcost is main's top");
    }
    for (size_t i = 0; i < 3 * sizeof sizes / sizeof sizes[0]; i++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            check_size(sizes[i / 3], i % 3 == 1 ? 1000000 : 16, i % 3 == 2);
            _exit(0);
        }
        TEST_CHECK(child > 0 && waitpid(child, &status, 0) == child);
        TEST_CHECK(status == 0);
    }
    return 0;
}
