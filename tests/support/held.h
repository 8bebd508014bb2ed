/* held.h - blocks that a test holds, with contents that tell them apart.
 * Layer: tests (includes libc only).
 *
 * A block's contents follow from its tag. Small blocks are filled whole; of large ones the edges
 * and the start of every page, which is what an allocator's own words and the kernel's pages would
 * damage. */
#ifndef ARENITE_TESTS_SUPPORT_HELD_H
#define ARENITE_TESTS_SUPPORT_HELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct held {
    unsigned char *memory; /* NULL: nothing is held */
    size_t bytes;
    uint64_t tag;
};

void held_fill(const struct held *held);
/* Whether the first `bytes` hold what held_fill wrote into a block of at least as many. */
bool held_begins(const struct held *held, size_t bytes);
bool held_is_intact(const struct held *held);

/* Whether all bytes of a fresh block are zero. */
bool held_is_zero(const struct held *held);

/* Whether two of the blocks share a byte. */
bool held_overlap(const struct held *blocks, size_t count);

#endif
