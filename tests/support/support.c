/* support.c - see support.h.
 * Layer: tests (includes libc only). */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SKIP_STATUS 77

unsigned long test_knob(const char *name, unsigned long fallback) {
    const char *given = getenv(name);
    return given != NULL ? strtoul(given, NULL, 0) : fallback;
}

/* Differs between tags, between positions, and from what an allocator writes (links, zeros). */
static unsigned char pattern_byte(size_t index, uint64_t tag) {
    return (unsigned char)((tag + index / 8) * 0x9du + index);
}

void test_pattern_fill(void *memory, size_t bytes, uint64_t tag) {
    unsigned char *at = memory;
    for (size_t index = 0; index < bytes; index++) {
        at[index] = pattern_byte(index, tag);
    }
}

bool test_pattern_holds(const void *memory, size_t bytes, uint64_t tag) {
    const unsigned char *at = memory;
    for (size_t index = 0; index < bytes; index++) {
        if (at[index] != pattern_byte(index, tag)) {
            return false;
        }
    }
    return true;
}

void test_skip(const char *reason) {
    printf("skipped: %s\n", reason);
    fflush(stdout);
    _exit(SKIP_STATUS);
}

void test_failed(const char *what, const char *file, int line) {
    fflush(stdout);
    fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
    _exit(1);
}
