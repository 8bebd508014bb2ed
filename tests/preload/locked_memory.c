/* locked_memory.c - the kernel refuses to take back what is locked: in slabs, in free chunks, in
 * cached blocks. Contents stay, zeros are zeros, audits pass, the rest goes back, and all of it
 * once it is unlocked.
 * Layer: tests (includes arenite.h and libc). Each case is a process of its own. */
#include "arenite/arenite.h"
#include "outside.h"
#include "support.h"
#include "test_random.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#pragma weak arenite_audit

#define MIB ((size_t)1 << 20)
#define ALL_BYTES (24 * MIB)
#define LOCKED_BYTES MIB
#define BLOCKS_MAX 6000
#define PAGE ((uintptr_t)4096)

static char *blocks[BLOCKS_MAX];

static void expect_sound(void) {
    const char *broken = arenite_audit();
    if (broken != NULL) {
        fprintf(stderr, "%s\n", broken);
    }
    TEST_CHECK(broken == NULL);
}

/* Whole pages around a block. */
static void lock(const char *block, size_t bytes, int (*call)(const void *start, size_t bytes)) {
    uintptr_t start = (uintptr_t)block & ~(PAGE - 1);
    uintptr_t end = ((uintptr_t)block + bytes + PAGE - 1) & ~(PAGE - 1);
    TEST_CHECK(call((const void *)start, end - start) == 0);
}

/* Blocks of a few places are locked, those beside them in use as well as free. */
static void lock_some(size_t count, size_t bytes, int (*call)(const void *start, size_t bytes)) {
    size_t places = LOCKED_BYTES / bytes > 4 ? 4 : LOCKED_BYTES / bytes;
    for (size_t place = 0; place < places; place++) {
        for (size_t i = 0; i < 3; i++) {
            lock(blocks[(place + 1) * count / (places + 2) + i], bytes, call);
        }
    }
}

static void check_blocks(size_t bytes) {
    size_t count = ALL_BYTES / bytes, resident = test_resident_bytes();
    TEST_CHECK(count <= BLOCKS_MAX);
    for (size_t i = 0; i < count; i++) {
        blocks[i] = malloc(bytes);
        test_pattern_fill(blocks[i], bytes, i);
    }
    lock_some(count, bytes, mlock);
    for (size_t i = 0; i < count; i++) {
        if (i % 16 != 0) {
            free(blocks[i]);
        }
    }
    expect_sound();
    malloc_trim(0);
    expect_sound();
    TEST_CHECK(test_resident_bytes() - resident <= ALL_BYTES / 100 * 13 + 3 * LOCKED_BYTES);
    for (size_t i = 0; i < count; i += 16) {
        TEST_CHECK(test_pattern_holds(blocks[i], bytes, i));
    }
    lock_some(count, bytes, munlock);
    for (size_t i = 0; i < count; i += 16) {
        free(blocks[i]);
    }
    TEST_CHECK(malloc_trim(0) == 1);
    expect_sound();
    TEST_CHECK(test_resident_bytes() - resident <= MIB);
}

/* A cached block whose pages cannot go stays, or goes as a whole; calloc's are of zeros. */
static void check_cached(size_t bytes) {
    for (int turn = 0; turn < 6; turn++) {
        char *block = malloc(bytes);
        memset(block, 0x5a, bytes);
        lock(block + bytes / 4, LOCKED_BYTES, mlock);
        free(block);
        expect_sound();
        char *zeroed = calloc(1, bytes);
        for (size_t at = 0; at < bytes; at++) {
            TEST_CHECK(zeroed[at] == 0);
        }
        free(zeroed);
        expect_sound();
    }
    malloc_trim(0);
    expect_sound();
}

static void in_child(void (*body)(size_t bytes), size_t bytes) {
    fflush(stdout);
    pid_t child = fork();
    TEST_CHECK(child >= 0);
    if (child == 0) {
        body(bytes);
        _exit(0);
    }
    int status = 0;
    TEST_CHECK(waitpid(child, &status, 0) == child);
    if (status != 0) {
        fprintf(stderr, "blocks of %zu bytes\n", bytes);
    }
    TEST_CHECK(status == 0);
}

int main(void) {
    const char *options = getenv("ARENITE_OPTIONS");
    if (options != NULL && strstr(options, "profile=") != NULL) {
        test_skip("only the default profile gives back from everywhere");
    }
    void *page = mmap(NULL, 4 * LOCKED_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mlock(page, 4 * LOCKED_BYTES) != 0) {
        test_skip("mlock is not allowed here");
    }
    munmap(page, 4 * LOCKED_BYTES);
    in_child(check_blocks, 5000);
    in_child(check_blocks, 20000);
    in_child(check_blocks, 100000);
    in_child(check_cached, 2 * MIB);
    in_child(check_cached, 40 * MIB);
    return 0;
}
