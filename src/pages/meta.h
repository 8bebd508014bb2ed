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

#include "os/lock.h"

/* Stands at the start of every block but the static one. */
struct meta_block {
    struct meta_block *prev; /* mapped before this one */
    size_t bytes;            /* of the block, this record included */
};

struct meta_state {
    struct lock lock;
    uintptr_t next; /* 0 until the first request: the static block is then the current one */
    uintptr_t end;
    struct meta_block *blocks; /* newest */
    size_t mapped_bytes;       /* by os_map: the static block is not counted here */
    size_t used_bytes;
};

/* For the registry: who reads all of the library's memory finds the records through these. */
#define META_STATIC_BYTES ((size_t)16 << 10)
extern struct meta_state meta_state;
extern char meta_static_block[META_STATIC_BYTES];

/* bytes > 0; alignment a power of two up to the page size. NULL when the kernel refuses, and
 * perhaps in a handler that interrupted another call. */
void *meta_alloc(size_t bytes, size_t alignment);

/* Bytes mapped for records so far, the static block included, and those handed out. */
size_t meta_mapped_bytes(void);
size_t meta_used_bytes(void);

/* In a forked child: frees the lock if a thread of the parent held it. */
void meta_fork_child(void);
/* After an operation of this thread that was left: frees the lock if that one held it. */
void meta_recover(void);

#endif
