/* trim.h - giving memory back: the end of a heap, whole heaps, whole pages inside free chunks.
 * Layer: chunk (includes base, os, pages).
 *
 * After a free that merged 64 KiB or more, top is looked at: beyond trim_threshold the main
 * arena's break moves down, another arena drops the pages of its heap's end and deletes heaps
 * that became empty. trim_all (malloc_trim) also drops whole free pages inside binned chunks,
 * wherever they lie.
 * All functions but trim_all: under the arena's lock. */
#ifndef ARENITE_CHUNK_TRIM_H
#define ARENITE_CHUNK_TRIM_H

#include "chunk/arena.h"

/* Lets top shrink if it has passed the threshold (ptmalloc's rules; else see sweep.h). */
void trim_after_free(struct arena *arena);

/* Shrinks main's top down to pad_bytes, whatever the threshold. True when memory went back. */
bool trim_main_top(size_t pad_bytes);

/* Deletes the newest heap of an arena if it is empty; false when it is not, or shall stay. */
bool trim_empty_heap(struct arena *arena);
/* Shrinks the newest heap by at most so much of top, down to pad_bytes. True when it did. */
bool trim_top_by(struct arena *arena, size_t most_bytes, size_t pad_bytes);

/* Every arena: consolidates, drops whole free pages inside chunks, then trims main's top to
 * pad_bytes. Takes each arena's lock in turn. True when memory went back to the kernel. */
bool trim_all(size_t pad_bytes);

#endif
