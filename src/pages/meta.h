/* meta.h - memory for the library's own records: mapped, zeroed, never given back.
 * Layer: pages (includes base, os).
 *
 * A bump allocator over blocks from os_map; the first, small block is static, so that a process
 * which needs few records maps nothing. Users keep free lists of their own record type: records
 * are type-stable, which lets other threads look at one that its owner has just given up.
 *
 * I1: every byte handed out is zero and belongs to no other caller.
 * Thread-safe. Lock: LOCK_RANK_META. */
#ifndef ARENITE_PAGES_META_H
#define ARENITE_PAGES_META_H

#include "base/compiler.h"

/* bytes > 0; alignment a power of two up to the page size. NULL when the kernel refuses. */
void *meta_alloc(size_t bytes, size_t alignment);

/* Bytes mapped for records so far, the static block included, and those handed out. */
size_t meta_mapped_bytes(void);
size_t meta_used_bytes(void);

/* In a forked child: frees the lock if a thread of the parent held it. */
void meta_fork_child(void);

#endif
