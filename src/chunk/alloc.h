/* alloc.h - the six steps of malloc within one arena.
 * Layer: chunk (includes base, os, pages).
 *
 * In ptmalloc's order: (1) fast bin, (2) small bin, (3) the unsorted bin, sorting what does not
 * fit, (4) large bin, (5) the next larger bin, (6) top; then the fast bins are consolidated and 3
 * to 6 repeated, or the arena grows: by a mapping of the block's own, the break, a heap. */
#ifndef ARENITE_CHUNK_ALLOC_H
#define ARENITE_CHUNK_ALLOC_H

#include "chunk/arena.h"

/* A chunk of at least `bytes` (a chunk size), marked in use; it may be a mapped one. NULL when
 * the arena cannot grow. While it searches, further chunks of exactly this size go into the
 * caller's quick lists as far as there is room. Under the arena's lock. */
struct chunk *arena_alloc(const struct chunk_caller *caller, size_t bytes);

/* The same, and tells how many bytes of the chunk's memory, counted from its start, may differ
 * from zero: the rest came fresh from the kernel. */
struct chunk *arena_alloc_zero_known(const struct chunk_caller *caller, size_t bytes,
                                     size_t *dirty_bytes);

/* A chunk whose memory is a multiple of `alignment`, a power of two above CHUNK_ALIGNMENT; what
 * lies before and behind it is freed. NULL when the arena cannot grow. */
struct chunk *arena_alloc_aligned(const struct chunk_caller *caller, size_t alignment,
                                  size_t bytes);

/* Makes top large enough for `bytes` and a rest (then *mapped is NULL), or maps the block by
 * itself. 0 or -ENOMEM. Under the arena's lock. */
int arena_grow(const struct chunk_caller *caller, size_t bytes, struct chunk **mapped);

/* Resizes a chunk in use (not a mapped one): in place, into a free successor or top, else by a
 * new chunk, a copy and a free. NULL when the arena cannot grow; the old chunk is then intact. */
struct chunk *arena_resize(const struct chunk_caller *caller, struct chunk *chunk, size_t bytes);

/* Cuts a chunk in use down to `bytes` and frees the rest if it can be a chunk. */
void arena_cut(const struct chunk_caller *caller, struct chunk *chunk, size_t bytes);

#endif
