/* traffic.h - random traffic over one table of blocks that checks every answer and all contents.
 * Layer: tests (includes libc only).
 *
 * A step takes, resizes or gives back one block by any function of the family. Whatever happens: an
 * allocation gives aligned memory or NULL with ENOMEM, contents stay, free leaves errno alone. */
#ifndef ARENITE_TESTS_SUPPORT_TRAFFIC_H
#define ARENITE_TESTS_SUPPORT_TRAFFIC_H

#include "held.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct traffic {
    struct held *held; /* mapped, not allocated */
    size_t slots;
    uint64_t random;
    size_t (*some_bytes)(uint64_t *random);
    size_t live_bytes;
    size_t live_max_bytes;
    size_t refused; /* requests that got NULL */
};

/* A table of empty slots; at most 64 MiB live. */
void traffic_init(struct traffic *traffic, size_t slots, uint64_t seed);
void traffic_destroy(struct traffic *traffic);

void traffic_step(struct traffic *traffic);
void traffic_run(struct traffic *traffic, size_t steps);
/* All contents, and that no two blocks share a byte. */
void traffic_check(const struct traffic *traffic);
/* Checks and frees every block. */
void traffic_empty(struct traffic *traffic);

/* Sizes: mostly small, of every magnitude up to 4 MiB; and such that no fast path serves. */
size_t traffic_any_bytes(uint64_t *random);
size_t traffic_slow_bytes(uint64_t *random);

/* A number in [0, limit). */
size_t traffic_below(uint64_t *random, size_t limit);

#endif
