/* writes.c - writes beside blocks, to freed blocks, and to blocks of no bytes.
 * Layer: tests (includes libc only).
 *
 * A write beside a block may hit bytes that an allocator only added, another block, a free one, or
 * what was never handed out: who notices depends on that, so each length is tried alone, among
 * others and beside a freed block. */
#include "misuse.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* A block among its like, freed in the order they came. */
#define AROUND 3

struct row {
    char *blocks[2 * AROUND + 1];
};

static char *take_row(struct row *row, size_t bytes) {
    for (size_t i = 0; i < 2 * AROUND + 1; i++) {
        row->blocks[i] = misuse_block(bytes);
    }
    misuse_about(row->blocks[AROUND]);
    return row->blocks[AROUND];
}

static void free_row(struct row *row) {
    for (size_t i = 0; i < 2 * AROUND + 1; i++) {
        free(row->blocks[i]);
    }
}

/* ---- beside ---------------------------------------------------------------------------------- */

static void overflow(size_t bytes, size_t distance) {
    char *block = misuse_block(bytes);
    misuse_about(block);
    memset(block + bytes, 'O', distance);
    free(block);
}

static void overflow_among_others(size_t bytes, size_t distance) {
    struct row row;
    char *block = take_row(&row, bytes);
    memset(block + bytes, 'O', distance);
    free_row(&row);
}

/* Into a freed neighbour. */
static void overflow_into_freed(size_t bytes, size_t distance) {
    struct row row;
    char *block = take_row(&row, bytes);
    free(row.blocks[AROUND + 1]);
    memset(block + bytes, 'O', distance);
    row.blocks[AROUND + 1] = malloc(bytes);
    free_row(&row);
}

static void underflow(size_t bytes, size_t distance) {
    char *block = misuse_block(bytes);
    misuse_about(block);
    memset(block - distance, 'U', distance);
    free(block);
}

static void underflow_among_others(size_t bytes, size_t distance) {
    struct row row;
    char *block = take_row(&row, bytes);
    memset(block - distance, 'U', distance);
    free_row(&row);
}

static void underflow_into_freed(size_t bytes, size_t distance) {
    struct row row;
    char *block = take_row(&row, bytes);
    free(row.blocks[AROUND - 1]);
    memset(block - distance, 'U', distance);
    row.blocks[AROUND - 1] = malloc(bytes);
    free_row(&row);
}

/* ---- after ----------------------------------------------------------------------------------- */

/* So many allocations take it again. */
#define AGAIN 8

static void take_again(size_t bytes) {
    char *blocks[AGAIN];
    for (size_t i = 0; i < AGAIN; i++) {
        blocks[i] = misuse_block(bytes);
    }
    for (size_t i = 0; i < AGAIN; i++) {
        free(blocks[i]);
    }
}

static void after_free(size_t bytes, size_t distance) {
    char *block = misuse_block(bytes);
    misuse_about(block);
    free(block);
    memset(block, 'F', distance);
}

static void after_free_then_reuse(size_t bytes, size_t distance) {
    after_free(bytes, distance);
    take_again(bytes);
}

static char *freed;

static void write_freed(void *bytes) {
    memset(freed, 'F', *(size_t *)bytes);
}

static void after_free_by_another(size_t bytes, size_t distance) {
    freed = misuse_block(bytes);
    misuse_about(freed);
    free(freed);
    misuse_in_thread(write_freed, &distance);
    take_again(bytes);
}

/* One word of four bytes, where allocators keep links and marks of theirs. */
static void word_after_free(size_t bytes, size_t distance) {
    char *block = misuse_block(bytes);
    misuse_about(block);
    free(block);
    memset(block + distance, 'F', 4);
    take_again(bytes);
}

/* ---- nothing at all -------------------------------------------------------------------------- */

enum zero_source { BY_MALLOC, BY_CALLOC, BY_REALLOC, BY_ALIGNED, BY_POSIX, BY_MEMALIGN };

static char *take_nothing(enum zero_source source) {
    void *memory = NULL;
    switch (source) {
    case BY_MALLOC:
        return malloc(0);
    case BY_CALLOC:
        return calloc(0, 8);
    case BY_REALLOC:
        return realloc(NULL, 0);
    case BY_ALIGNED:
        return aligned_alloc(64, 0);
    case BY_POSIX:
        return posix_memalign(&memory, 64, 0) == 0 ? memory : NULL;
    case BY_MEMALIGN:
        return memalign(64, 0);
    }
    return NULL;
}

/* NULL is an answer, too; it is nothing that a program could write to by mistake for long. */
static void use_nothing(enum zero_source source, void (*use)(volatile char *block)) {
    char *block = take_nothing(source);
    misuse_about(block);
    if (block != NULL) {
        use(block);
    }
    free(block);
}

static void write_byte(volatile char *block) {
    *block = 'Z';
}

static void read_byte(volatile char *block) {
    (void)*block;
}

static void write_nothing(size_t bytes, size_t distance) {
    (void)bytes;
    use_nothing((enum zero_source)distance, write_byte);
}

static void read_nothing(size_t bytes, size_t distance) {
    (void)bytes;
    use_nothing((enum zero_source)distance, read_byte);
}

/* ---- the cases ------------------------------------------------------------------------------- */

static const struct misuse cases[] = {
    {"overflow", "by 1", overflow, SMALL, 1},
    {"overflow", "by 8", overflow, SMALL, 8},
    {"overflow", "by 32", overflow, SMALL, 32},
    {"overflow", "by 32, among others", overflow_among_others, SMALL, 32},
    {"overflow", "by 32, into a freed one", overflow_into_freed, SMALL, 32},
    {"overflow", "by 8", overflow, MEDIUM, 8},
    {"overflow", "by 32", overflow, MEDIUM, 32},
    {"overflow", "by 32, among others", overflow_among_others, MEDIUM, 32},
    {"overflow", "by 32, into a freed one", overflow_into_freed, MEDIUM, 32},
    {"overflow", "by 32", overflow, LARGE, 32},
    {"overflow", "by 4096", overflow, LARGE, 4096},
    {"overflow", "by 4096, into a freed one", overflow_into_freed, LARGE, 4096},
    {"overflow", "by 1", overflow, CHUNK, 1},
    {"overflow", "by 8, among others", overflow_among_others, CHUNK, 8},
    {"overflow", "by 32", overflow, CHUNK, 32},
    {"overflow", "by 1", overflow, MAPPED, 1},
    {"overflow", "by 32, among others", overflow_among_others, MAPPED, 32},
    {"overflow", "by 65536", overflow, MAPPED, 65536},
    {"underflow", "by 1", underflow, SMALL, 1},
    {"underflow", "by 8", underflow, SMALL, 8},
    {"underflow", "by 32", underflow, SMALL, 32},
    {"underflow", "by 32, among others", underflow_among_others, SMALL, 32},
    {"underflow", "by 32, into a freed one", underflow_into_freed, SMALL, 32},
    {"underflow", "by 8", underflow, MEDIUM, 8},
    {"underflow", "by 32", underflow, MEDIUM, 32},
    {"underflow", "by 1008, into a freed one", underflow_into_freed, MEDIUM, 1008},
    {"underflow", "by 8", underflow, LARGE, 8},
    {"underflow", "by 32", underflow, LARGE, 32},
    {"underflow", "by 4096, among others", underflow_among_others, LARGE, 4096},
    {"underflow", "by 1", underflow, CHUNK, 1},
    {"underflow", "by 8, among others", underflow_among_others, CHUNK, 8},
    {"underflow", "by 32", underflow, CHUNK, 32},
    {"underflow", "by 32, into a freed one", underflow_into_freed, CHUNK, 32},
    {"underflow", "by 1", underflow, MAPPED, 1},
    {"underflow", "by 8, among others", underflow_among_others, MAPPED, 8},
    {"underflow", "by 4096", underflow, MAPPED, 4096},
    {"write after free", "all, then the end", after_free, SMALL, SMALL},
    {"write after free", "all, then malloc", after_free_then_reuse, SMALL, SMALL},
    {"write after free", "all, another thread", after_free_by_another, MEDIUM, MEDIUM},
    {"write after free", "all, then malloc", after_free_then_reuse, LARGE, LARGE},
    {"write after free", "all, then malloc", after_free_then_reuse, CHUNK, CHUNK},
    {"write after free", "all, then malloc", after_free_then_reuse, MAPPED, MAPPED},
    {"write to a freed word", "bytes 0 to 3", word_after_free, SMALL, 0},
    {"write to a freed word", "bytes 4 to 7", word_after_free, SMALL, 4},
    {"write to a freed word", "bytes 8 to 11", word_after_free, SMALL, 8},
    {"write to a freed word", "bytes 12 to 15", word_after_free, SMALL, 12},
    {"zero-size access", "malloc, write", write_nothing, 0, BY_MALLOC},
    {"zero-size access", "malloc, read", read_nothing, 0, BY_MALLOC},
    {"zero-size access", "calloc, write", write_nothing, 0, BY_CALLOC},
    {"zero-size access", "calloc, read", read_nothing, 0, BY_CALLOC},
    {"zero-size access", "realloc, write", write_nothing, 0, BY_REALLOC},
    {"zero-size access", "realloc, read", read_nothing, 0, BY_REALLOC},
    {"zero-size access", "aligned_alloc, write", write_nothing, 0, BY_ALIGNED},
    {"zero-size access", "aligned_alloc, read", read_nothing, 0, BY_ALIGNED},
    {"zero-size access", "posix_memalign, write", write_nothing, 0, BY_POSIX},
    {"zero-size access", "posix_memalign, read", read_nothing, 0, BY_POSIX},
    {"zero-size access", "memalign, write", write_nothing, 0, BY_MEMALIGN},
    {"zero-size access", "memalign, read", read_nothing, 0, BY_MEMALIGN},
};

const struct misuse_group misuse_writes = MISUSE_GROUP(cases);
