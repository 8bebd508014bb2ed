/* mapped_lock.h - the lock of the table of mapped blocks, its counters, and what signal handlers do
 * that interrupt its holder.
 * Layer: chunk (includes base, os).
 *
 * A signal handler may interrupt the holder of the lock, who then cannot go on before the handler
 * returns. The handler reads the table as it is: each store to it leaves every block where it can
 * be found. What it maps is noted as pending until somebody takes the lock, what it frees is
 * deferred until the holder has dropped it.
 *
 * Who holds the lock signs after taking it, and clears that before dropping it. A handler that
 * finds it taken but unsigned for so long has interrupted its thread just there.
 *
 * I1: whoever holds the lock finds all blocks in the table, but those pending ones that it has no
 *     room for.
 * I2: a block that is pending, or in the table, is always in one of the two.
 * Lock: LOCK_RANK_MAPPED, the last: its holder waits for no other. */
#ifndef ARENITE_CHUNK_MAPPED_LOCK_H
#define ARENITE_CHUNK_MAPPED_LOCK_H

#include "chunk/mapped.h"

/* False: a handler interrupted the holder, and must do without the lock. */
bool mapped_lock(void);
/* For those who know that their thread does not hold it. */
void mapped_lock_surely(void);
/* Frees what was deferred, too. */
void mapped_unlock(void);

/* For those who cannot have the lock: a new mapping, whose block has no lead yet. False when there
 * is no place left. Another handler may interrupt this one. */
bool mapped_note_pending(uintptr_t start, size_t bytes);
/* The pending block of this address, NULL when there is none. */
struct mapped_block *mapped_find_pending(const void *memory);
void mapped_defer(struct chunk *chunk);

/* Under the lock: a block was entered into the table, or taken out of it. */
void mapped_count_in(size_t bytes);
void mapped_count_out(size_t bytes);

/* In a forked child: frees the lock if a thread of the parent held it. */
void mapped_lock_fork_child(void);

#endif
