/* double_frees.c - blocks freed twice, wherever they are by then.
 * Layer: tests (includes libc only). */
#include "misuse.h"

#include <malloc.h>
#include <stdlib.h>

/* So many blocks around it that it comes to lie in the middle of whatever keeps freed ones. */
#define OTHERS 12

static void free_it(void *pointer) {
    free(pointer);
}

static void free_twice(void *pointer) {
    free(pointer);
    free(pointer);
}

static void at_once(size_t bytes, size_t distance) {
    (void)distance;
    char *block = misuse_block(bytes);
    misuse_about(block);
    free_twice(block);
}

static void later(size_t bytes, size_t distance) {
    (void)distance;
    char *others[OTHERS];
    for (size_t i = 0; i < OTHERS; i++) {
        others[i] = misuse_block(bytes);
    }
    for (size_t i = 0; i < OTHERS; i++) {
        free(others[i]);
    }
    misuse_about(others[OTHERS / 2]);
    free(others[OTHERS / 2]);
}

/* Among blocks that stay: no neighbour is free. */
static void between_others(size_t bytes, size_t distance) {
    (void)distance;
    char *others[OTHERS];
    for (size_t i = 0; i < OTHERS; i++) {
        others[i] = misuse_block(bytes);
    }
    misuse_about(others[1]);
    free(others[1]);
    free(others[OTHERS / 2]);
    free(others[1]);
}

/* What was kept has been given back to the kernel, or at least sorted. */
static void after_trim(size_t bytes, size_t distance) {
    (void)distance;
    char *block = misuse_block(bytes);
    char *other = misuse_block(bytes);
    misuse_about(block);
    free(block);
    malloc_trim(0);
    free(block);
    free(other);
}

static void second_by_another(size_t bytes, size_t distance) {
    (void)distance;
    char *block = misuse_block(bytes);
    misuse_about(block);
    free(block);
    misuse_in_thread(free_it, block);
}

/* It waits, on its way home, with a thread that is still there. */
static void first_by_another(size_t bytes, size_t distance) {
    (void)distance;
    char *block = misuse_block(bytes);
    misuse_about(block);
    misuse_in_lasting_thread(free_it, block);
    free(block);
}

/* It has come home with its freer's end. */
static void first_by_an_ended_one(size_t bytes, size_t distance) {
    (void)distance;
    char *block = misuse_block(bytes);
    misuse_about(block);
    misuse_in_thread(free_it, block);
    free(block);
}

static void both_by_another(size_t bytes, size_t distance) {
    (void)distance;
    char *block = misuse_block(bytes);
    misuse_about(block);
    misuse_in_thread(free_twice, block);
}

static void allocate_for(void *pointer) {
    *(char **)pointer = misuse_block(SMALL);
}

static void after_owners_end(size_t bytes, size_t distance) {
    (void)bytes;
    (void)distance;
    char *block;
    misuse_in_thread(allocate_for, &block);
    misuse_about(block);
    free_twice(block);
}

static const struct misuse cases[] = {
    {"double free", "at once", at_once, SMALL, 0},
    {"double free", "later", later, SMALL, 0},
    {"double free", "after malloc_trim", after_trim, SMALL, 0},
    {"double free", "second by another thread", second_by_another, SMALL, 0},
    {"double free", "first by another thread", first_by_another, SMALL, 0},
    {"double free", "first by a thread that ended", first_by_an_ended_one, SMALL, 0},
    {"double free", "both by another thread", both_by_another, SMALL, 0},
    {"double free", "after the owner's end", after_owners_end, SMALL, 0},
    {"double free", "between others", between_others, MEDIUM, 0},
    {"double free", "first by another thread", first_by_another, LARGE, 0},
    {"double free", "at once", at_once, CHUNK, 0},
    {"double free", "between others", between_others, CHUNK, 0},
    {"double free", "after malloc_trim", after_trim, CHUNK, 0},
    {"double free", "at once", at_once, MAPPED, 0},
    {"double free", "second by another thread", second_by_another, MAPPED, 0},
};

const struct misuse_group misuse_double_frees = MISUSE_GROUP(cases);
