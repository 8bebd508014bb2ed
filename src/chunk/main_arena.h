/* main_arena.h - the main arena over the program break.
 * Layer: chunk (includes base, os, pages).
 *
 *   start of break                                                  break
 *   | chunk | chunk | ...                                 | top      |
 *
 * It grows by moving the break: what is missing, top_pad (128 KiB) and room for the smallest
 * chunk, in whole pages; so a first small request takes 132 KiB. Others may move the break too:
 * the new piece then does not border the old, the old top is closed with two fence chunks and the
 * gap is theirs, never ours. When the break cannot move, mapped pieces of at least 1 MiB take
 * its place and the arena goes on as non-contiguous.
 *
 * Fork copies the kernel's note of the break before it takes the lock under which it copies the
 * mappings, and a thread may move the break in between. In the child the note is then not where
 * libc's sbrk believes the break to be, and moving it may succeed without giving memory. Such a
 * child never moves it again.
 *
 * Each contiguous piece has a heap record, chained from the newest.
 * I1: only the newest piece has a top; it ends where top ends.
 * I2: no byte between pieces is ever read or written.
 * All functions but the last: under main's lock. Source: ptmalloc's sysmalloc/systrim. */
#ifndef ARENITE_CHUNK_MAIN_ARENA_H
#define ARENITE_CHUNK_MAIN_ARENA_H

#include "chunk/arena.h"

/* Record of the first piece; for the registry. */
extern struct heap main_first_piece;

/* Makes top large enough for a chunk of `bytes` and a rest; 0 or -ENOMEM. */
int main_arena_grow(const struct chunk_caller *caller, size_t bytes);

/* Moves the break down by delta_bytes (whole pages) if it is still where top ends. */
bool main_arena_shrink(size_t delta_bytes);

/* In a forked child: finds out whether the break can still be moved. */
void main_arena_fork_child(void);

#endif
