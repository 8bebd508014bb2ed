/* mapped.h - chunks that are mappings of their own, and the table that knows them all.
 * Layer: chunk (includes base, os, pages).
 *
 *   mapping start      memory
 *   | lead | prev_size | size|M | user ...                    | slack to the page's end |
 *           prev_size = lead
 *
 * The bytes behind what the user asked for are sealed (mapped_seal): a pattern that differs from
 * block to block, looked at when the block is freed or resized, shows an overflow. Such a block's
 * usable size is what was asked for.
 *
 * A request from mmap_threshold on that no free chunk serves gets pages of its own, which go back
 * to the kernel when it is freed. The table, out of line, holds every live one by the exact
 * address its user has; a pointer is such a block or it is not, and nothing at the pointer is
 * read to find out.
 *
 * I1: the table holds exactly the live mapped chunks; count and bytes are its sums.
 * I2: the chunk's header says what the table says, or it was overwritten.
 * A signal handler that interrupts the lock's holder is served without it: see mapped.c.
 * Thread-safe; lock: LOCK_RANK_MAPPED, never held over a kernel call but the table's own growth.
 * Source: ptmalloc's mmapped chunks. */
#ifndef ARENITE_CHUNK_MAPPED_H
#define ARENITE_CHUNK_MAPPED_H

#include "chunk/region.h"

struct mapped_block {
    uintptr_t memory;      /* the user's address; the key */
    uintptr_t start;       /* of the mapping */
    size_t bytes;          /* of the mapping */
    size_t request;        /* bytes that the user asked for; 0: not sealed */
    struct region *region; /* slot of the thread that keeps it, NULL: nobody's */
    const void *caller;    /* who asked for it, as far as that is known */
    size_t family;         /* of functions that it is from, in bits of who notes it; 0: none */
};

/* One that was freed: what is left of it. */
struct mapped_freed {
    uintptr_t memory;
    size_t bytes; /* usable ones */
    const void *allocated_by, *freed_by;
};

struct mapped_totals {
    size_t count, bytes;         /* live */
    size_t count_max, bytes_max; /* since the start */
    size_t stuck_bytes;          /* freed, but the kernel refused to unmap */
};

/* Makes an empty slot, by its owner, that of a live block which has none; false when there is no
 * such block. */
bool mapped_associate(void *memory, struct region *region);
/* Empties a slot: the block is nobody's. False when it was not the slot's. */
bool mapped_dissociate(struct region *region);

/* Freed by the thread that keeps it. */
INLINE bool mapped_is_cached(const struct mapped_block *block) {
    return block->region != NULL && region_state(block->region) == REGION_CACHED;
}

/* Whether params.mmap_max allows another mapped chunk. */
bool mapped_is_allowed(void);

/* Maps a chunk of at least `bytes` (a chunk size). NULL when the kernel refuses. */
struct chunk *mapped_alloc(size_t bytes);

/* The live block with this very address; false when there is none. Any address is safe. */
bool mapped_find(const void *memory, struct mapped_block *block);

/* The live block that an address lies in, for diagnosis; false when there is none. Slow. */
bool mapped_find_around(const void *address, struct mapped_block *block);

/* Notes what the user of a block asked for, and who that is, and seals the bytes behind that. */
void mapped_seal(void *memory, size_t request);

/* Notes which functions a block is from; nothing if there is no such block. */
void mapped_note_family(void *memory, unsigned family);

/* Bytes that the user of a block may write. */
size_t mapped_usable_bytes(const struct mapped_block *block);

/* Whether this was the address of one of the blocks freed last, and of which. */
bool mapped_was_freed(const void *memory, struct mapped_freed *freed);

/* Frees the block with this address and adapts the dynamic thresholds; false when there is none.
 * A damaged header is reported. */
bool mapped_free(void *memory);

/* Resizes the mapping to serve a chunk of `bytes`, moving it if need be: the new memory, or NULL
 * with the old block untouched. The address must be a live mapped block's. */
void *mapped_resize(void *memory, size_t bytes);

/* Moves a block's user address up to an alignment within its mapping; the new memory. The rest of
 * the mapping must be large enough. */
void *mapped_align(void *memory, size_t alignment);

void mapped_totals(struct mapped_totals *out);

/* NULL when the table keeps its invariants, else the first broken one. */
const char *mapped_audit(void);

/* In a forked child: frees the lock if a thread of the parent held it and recounts. */
void mapped_fork_child(void);

#endif
