/* budget.c - takes memory until there is no more, then gives it back and does something else.
 * Layer: tests (includes libc only).
 *
 * Exit status 0: malloc returned NULL with ENOMEM, and the program went on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 50000
#define BLOCKS_MAX 100000 /* 5 GB */

static void *blocks[BLOCKS_MAX];

int main(void) {
    size_t count = 0;
    while (count < BLOCKS_MAX && (blocks[count] = malloc(BLOCK_BYTES)) != NULL) {
        memset(blocks[count], 1, BLOCK_BYTES);
        count++;
    }
    if (count == BLOCKS_MAX || errno != ENOMEM) {
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        free(blocks[i]);
    }
    char *text = malloc(1000);
    if (text == NULL) {
        return 2;
    }
    snprintf(text, 1000, "%zu MB, then ENOMEM", count * BLOCK_BYTES / 1000000);
    puts(text);
    free(text);
    return 0;
}
