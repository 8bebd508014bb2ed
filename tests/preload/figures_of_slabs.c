/* figures_of_slabs.c - mallinfo2, malloc_info and malloc_trim say the same about small blocks.
 * Layer: tests (includes libc only). */
#include "support.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 40000
#define TEXT_BYTES 65536

static void *blocks[BLOCKS];

static struct mallinfo2 look(void) {
    struct mallinfo2 info = mallinfo2();
    TEST_CHECK(info.arena == info.uordblks + info.fordblks);
    TEST_CHECK(info.fsmblks <= info.fordblks && info.keepcost <= info.fordblks);
    return info;
}

/* The sizes are multiples of 16, and at most 16 bytes more are charged for each. */
static void fill(void) {
    struct mallinfo2 before = look();
    size_t asked = 0;
    for (size_t i = 0; i < BLOCKS; i++) {
        size_t bytes = 16 + i % 60 * 16;
        blocks[i] = malloc(bytes);
        asked += bytes;
    }
    size_t grown = look().uordblks - before.uordblks;
    TEST_CHECK(grown >= asked && grown <= asked + (size_t)BLOCKS * 16 + 4096);
}

/* The rows of the size classes add up to the element that they stand in. */
static void add_up_classes(const char *text, size_t slabs, size_t used, size_t free_count) {
    size_t last_bytes = 0;
    for (const char *at = strstr(text, "<class "); at != NULL; at = strstr(at + 1, "<class ")) {
        size_t bytes, rows_slabs, rows_used, rows_free, uncarved;
        TEST_CHECK(sscanf(at,
                          "<class size=\"%zu\" slabs=\"%zu\" used=\"%zu\" free=\"%zu\" "
                          "uncarved=\"%zu\"/>",
                          &bytes, &rows_slabs, &rows_used, &rows_free, &uncarved) == 5);
        TEST_CHECK(bytes > last_bytes && rows_slabs != 0);
        last_bytes = bytes;
        slabs -= rows_slabs;
        used -= rows_used;
        free_count -= rows_free;
    }
    TEST_CHECK(slabs == 0 && used == 0 && free_count == 0);
}

/* The element is there in the default profile only; then it agrees with mallinfo2. */
static void compare_with_report(void) {
    static char text[TEXT_BYTES];
    FILE *stream = fmemopen(text, sizeof text, "w");
    TEST_CHECK(stream != NULL && malloc_info(0, stream) == 0 && fclose(stream) == 0);
    const char *options = getenv("ARENITE_OPTIONS");
    const char *at = strstr(text, "<slabs ");
    bool wanted = options == NULL || strstr(options, "profile=") == NULL ||
                  strstr(options, "profile=hardened") != NULL;
    TEST_CHECK((at != NULL) == wanted);
    size_t slabs, used, used_bytes, free_count, free_bytes, bytes;
    if (at != NULL) {
        TEST_CHECK(sscanf(at,
                          "<slabs count=\"%zu\" used=\"%zu\" used_size=\"%zu\" free=\"%zu\" "
                          "free_size=\"%zu\" size=\"%zu\"",
                          &slabs, &used, &used_bytes, &free_count, &free_bytes, &bytes) == 6);
        TEST_CHECK(used >= BLOCKS / 2 && used_bytes + free_bytes <= bytes);
        TEST_CHECK(slabs * 65536 <= bytes);
        add_up_classes(at, slabs, used, free_count);
    }
}

int main(void) {
    fill();
    for (size_t i = 0; i < BLOCKS; i += 2) {
        free(blocks[i]);
    }
    compare_with_report();
    for (size_t i = 1; i < BLOCKS; i += 2) {
        free(blocks[i]);
    }
    struct mallinfo2 freed = look();
    TEST_CHECK(malloc_trim(0) == (freed.keepcost > 8192));
    struct mallinfo2 trimmed = look();
    TEST_CHECK(freed.arena - trimmed.arena + 8192 >= freed.keepcost);
    TEST_CHECK(trimmed.keepcost <= 8192);
    return 0;
}
