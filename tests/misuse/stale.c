/* stale.c - realloc and malloc_usable_size of what is no live block.
 * Layer: tests (includes libc only). */
#include "misuse.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

static void realloc_freed(size_t bytes, size_t distance) {
    (void)distance;
    char *block = misuse_block(bytes);
    misuse_about(block);
    free(block);
    free(realloc(block, 2 * bytes));
}

static void realloc_inside(size_t bytes, size_t distance) {
    char *block = misuse_block(bytes);
    misuse_about(block + distance);
    free(realloc(block + distance, 2 * bytes));
    free(block);
}

static void realloc_stack(size_t bytes, size_t distance) {
    char local[256];
    memset(local, 'x', bytes);
    misuse_about(local + distance);
    free(realloc(local + distance, 2 * bytes));
}

static void usable_freed(size_t bytes, size_t distance) {
    (void)distance;
    char *block = misuse_block(bytes);
    misuse_about(block);
    free(block);
    malloc_usable_size(block);
}

static void usable_inside(size_t bytes, size_t distance) {
    char *block = misuse_block(bytes);
    misuse_about(block + distance);
    malloc_usable_size(block + distance);
    free(block);
}

static const struct misuse cases[] = {
    {"realloc of no block", "freed", realloc_freed, SMALL, 0},
    {"realloc of no block", "freed", realloc_freed, MEDIUM, 0},
    {"realloc of no block", "freed", realloc_freed, CHUNK, 0},
    {"realloc of no block", "freed", realloc_freed, MAPPED, 0},
    {"realloc of no block", "8 bytes in", realloc_inside, SMALL, 8},
    {"realloc of no block", "16 bytes in", realloc_inside, MEDIUM, 16},
    {"realloc of no block", "stack", realloc_stack, 256, 16},
    {"usable size of no block", "freed", usable_freed, SMALL, 0},
    {"usable size of no block", "freed", usable_freed, CHUNK, 0},
    {"usable size of no block", "freed", usable_freed, MAPPED, 0},
    {"usable size of no block", "16 bytes in", usable_inside, MEDIUM, 16},
};

const struct misuse_group misuse_stale = MISUSE_GROUP(cases);
