/* large.h - large blocks of a thread: those it freed serve it again (chunk/region.h).
 * Layer: thread (includes base, os, pages, chunk). */
#ifndef ARENITE_THREAD_LARGE_H
#define ARENITE_THREAD_LARGE_H

#include "thread/thread.h"

/* Memory of a cached region for a request of REGION_MIN_BYTES or more, NULL: none fits. zeroed: of
 * zeros. Not inside an operation. */
void *large_pop(size_t bytes, bool zeroed);

/* Maps a block for a thread that keeps few; NULL: let the arena decide. Inside an operation. */
struct chunk *large_map(struct thread *thread, size_t bytes);

/* A mapped block was allocated by this thread: remembers it. Inside an operation. */
void large_remember(struct thread *thread, struct chunk *chunk);

/* A chunk (NULL: none) that was resized to so many bytes may have become a mapped block, which then
 * begins here. Inside an operation. */
void large_begin_resized(struct thread *thread, struct chunk *chunk, size_t bytes);

/* Keeps a live block of the thread's slots, for a thread that is in no operation; false: it is in
 * none of them, or has something wrong with it. */
bool large_push(void *memory);

/* Frees a mapped block of any thread: into a slot of this one, or to the kernel. False when no such
 * block is live. Inside an operation. */
bool large_free(struct thread *thread, void *memory);

/* Notes, and tells, which functions a mapped block is from, in bits of the caller's; 0: not known.
 * Nothing is noted of what is no mapped block. */
void large_note_family(void *memory, unsigned family);
unsigned large_family_of(const void *memory);

/* Unmaps what the thread caches. True when something was. Inside an operation. */
bool large_release(struct thread *thread);
/* The thread ends: its live ones are nobody's. Of those it caches it leaves what has pages, up to
 * so many bytes, to whoever gets its record; the rest is unmapped. Returns what is left. Inside an
 * operation. */
size_t large_leave(struct thread *thread, size_t most_bytes);

/* In a forked child, for a thread that is not there. */
void large_abandon(struct thread *thread);

/* NULL, or the first broken invariant. */
const char *large_audit(const struct thread *thread);

#endif
