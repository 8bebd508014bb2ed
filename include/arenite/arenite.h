/* arenite.h - the public interface of Arenite beyond the functions that libc declares.
 * Layer: include (includes libc headers only).
 *
 * Programs need not include it: preloading or linking the library replaces malloc and its family,
 * declared in <stdlib.h> and <malloc.h>. Here is what those headers lack. */
#ifndef ARENITE_ARENITE_H
#define ARENITE_ARENITE_H

#include <features.h>
#include <malloc.h>
#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- allocation: functions that libc's headers do not declare -------------------------------- */

/* C23: free, by a caller who knows the size it asked for last (and the alignment). What is said is
 * compared with what is true; a size that the block cannot have had ends the process with a line
 * on stderr. NULL does nothing. */
void free_sized(void *memory, size_t bytes) __THROW;
void free_aligned_sized(void *memory, size_t alignment, size_t bytes) __THROW;

/* free, under a name that old programs use. */
void cfree(void *memory) __THROW;

/* ---- checking ------------------------------------------------------------------------------- */

/* Recounts every heap chunk by chunk, every list and table, from the memory itself. NULL when all
 * invariants hold; else a line that names the first broken one and an address, valid until the next
 * call. Takes each arena's lock in turn, in time proportional to the number of blocks; the quick
 * lists of other running threads are left out. Allocates nothing. */
const char *arenite_audit(void);

/* ---- statistics ----------------------------------------------------------------------------- */

/* Where the process's memory is, as JSON and as a text for people: bytes live, lost inside slabs
 * (guards, colours, ends), free in slabs, in bins and in lists, retained, metadata and mapped,
 * which add up to the total; and a row for each arena, size class and thread. Both write at most
 * size bytes, NUL included, and return the length of the whole text without its NUL, like snprintf:
 * call with (NULL, 0), then with room for what may be added in between. They allocate nothing, take
 * each arena's lock in turn, and may be called by any thread. Figures are exact when no other
 * thread allocates meanwhile. */
size_t arenite_stats_json(char *buf, size_t size);
size_t arenite_stats_text(char *buf, size_t size);

/* ---- a budget -------------------------------------------------------------------------------- */

/* What is called, outside of locks, when a request of so many bytes is about to fail because of
 * limit=, after everything free was given back. It may free memory: then the request is tried once
 * more. If it allocates, nothing is called for that. committed_bytes is what counts against the
 * limit. Any thread may be the caller, and several at a time. libc's headers tell the compiler that
 * malloc calls nothing of your file: what the function changes there must be volatile. */
typedef void (*arenite_limit_callback)(size_t bytes, size_t committed_bytes, void *argument);

/* Has this function called from now on; NULL: none. */
void arenite_set_limit_callback(arenite_limit_callback function, void *argument);

/* ---- allocation: the prefixed library ----------------------------------------------------------
 * libarenite-prefixed.a has the family under these names and stands beside another malloc; blocks
 * of the two must not be mixed. Meanings are those of the functions without the prefix. */

void *arenite_malloc(size_t bytes);
void arenite_free(void *memory);
void *arenite_calloc(size_t count, size_t each_bytes);
void *arenite_realloc(void *memory, size_t bytes);
void *arenite_reallocarray(void *memory, size_t count, size_t each_bytes);
void *arenite_memalign(size_t alignment, size_t bytes);
void *arenite_aligned_alloc(size_t alignment, size_t bytes);
int arenite_posix_memalign(void **memory, size_t alignment, size_t bytes);
void *arenite_valloc(size_t bytes);
void *arenite_pvalloc(size_t bytes);
size_t arenite_malloc_usable_size(void *memory);
void arenite_free_sized(void *memory, size_t bytes);
void arenite_free_aligned_sized(void *memory, size_t alignment, size_t bytes);
void arenite_cfree(void *memory);

/* Those of <malloc.h>: the same structures, counting this heap. */
struct mallinfo2 arenite_mallinfo2(void);
struct mallinfo arenite_mallinfo(void);
void arenite_malloc_stats(void);
int arenite_malloc_info(int options, FILE *stream);
int arenite_malloc_trim(size_t pad_bytes);
int arenite_mallopt(int number, int value);

#ifdef __cplusplus
}
#endif

#endif
