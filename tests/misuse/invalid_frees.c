/* invalid_frees.c - frees of what is no block: parts of blocks, and everything else.
 * Layer: tests (includes libc only). */
#include "misuse.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static void free_about(void *pointer) {
    misuse_about(pointer);
    free(pointer);
}

static void inside(size_t bytes, size_t distance) {
    char *block = misuse_block(bytes);
    free_about(block + distance);
    free(block);
}

static void before(size_t bytes, size_t distance) {
    char *other = misuse_block(bytes);
    char *block = misuse_block(bytes);
    free_about(block - distance);
    free(block);
    free(other);
}

/* Where a block of the size could lie, but none has ever been. */
static void never_taken(size_t bytes, size_t distance) {
    char *block = misuse_block(bytes);
    free_about(block + distance);
    free(block);
}

static void of_stack(size_t bytes, size_t distance) {
    char local[256];
    memset(local, 'x', bytes);
    free_about(local + distance);
}

static char global[256];

static void of_global(size_t bytes, size_t distance) {
    memset(global, 'x', bytes);
    free_about(global + distance);
}

static void of_code(size_t bytes, size_t distance) {
    (void)bytes;
    (void)distance;
    free_about((void *)(uintptr_t)of_code);
}

static void of_constant(size_t bytes, size_t distance) {
    static const char text[] = "a text that nobody allocated";
    (void)bytes;
    (void)distance;
    free_about((void *)(uintptr_t)text);
}

static void of_number(size_t bytes, size_t distance) {
    (void)distance;
    free_about((void *)(uintptr_t)bytes);
}

/* A variable that was never set, with text in it. */
static void of_text(size_t bytes, size_t distance) {
    uintptr_t pointer;
    (void)bytes;
    (void)distance;
    memset(&pointer, 'A', sizeof pointer);
    free_about((void *)pointer);
}

static void of_own_mapping(size_t bytes, size_t distance) {
    char *mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    free_about(mapping + distance);
}

static void free_inside(void *pointer) {
    free((char *)pointer + 16);
}

static void inside_by_another(size_t bytes, size_t distance) {
    char *block = misuse_block(bytes);
    misuse_about(block + distance);
    misuse_in_thread(free_inside, block);
    free(block);
}

static const struct misuse cases[] = {
    {"invalid free", "1 byte in", inside, SMALL, 1},
    {"invalid free", "8 bytes in", inside, SMALL, 8},
    {"invalid free", "16 bytes in", inside, SMALL, 16},
    {"invalid free", "16 bytes in, another thread", inside_by_another, SMALL, 16},
    {"invalid free", "16 bytes in", inside, MEDIUM, 16},
    {"invalid free", "in the middle", inside, MEDIUM, 512},
    {"invalid free", "4096 bytes in", inside, LARGE, 4096},
    {"invalid free", "16 bytes in", inside, CHUNK, 16},
    {"invalid free", "65536 bytes in", inside, CHUNK, 65536},
    {"invalid free", "16 bytes in", inside, MAPPED, 16},
    {"invalid free", "65536 bytes in", inside, MAPPED, 65536},
    {"invalid free", "16 bytes before", before, MEDIUM, 16},
    {"invalid free", "never taken", never_taken, SMALL, 3200},
    {"invalid free", "never taken", never_taken, LARGE, 1 << 30},
    {"invalid free", "stack", of_stack, 256, 16},
    {"invalid free", "global", of_global, 256, 16},
    {"invalid free", "code", of_code, 0, 0},
    {"invalid free", "constant", of_constant, 0, 0},
    {"invalid free", "number", of_number, 48, 0},
    {"invalid free", "text", of_text, 0, 0},
    {"invalid free", "own mapping", of_own_mapping, 65536, 4096},
};

const struct misuse_group misuse_invalid_frees = MISUSE_GROUP(cases);
