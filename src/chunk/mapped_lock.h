/* mapped_lock.h - the lock of the table of mapped blocks, its counters, and what signal handlers do
 * that interrupt its holder.
 * Layer: chunk (includes base, os).
 *
 * A signal handler may interrupt the holder of the lock, who then cannot go on before the handler
 * returns. The handler reads the table as it is: each store to it leaves every block where it can
 * be found. What it maps is noted as pending until somebody takes the lock, what it frees is
 * deferred until the holder has dropped it.
 *
 * If that handler never returns, the next operation of its thread completes the step that was left
 * (mapped_complete), which I3 of mapped_table.h makes possible from wherever it was.
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
/* For those who know that none of their thread's live operations holds it. */
void mapped_lock_surely(void);
/* Frees what was deferred, too. */
void mapped_unlock(void);

/* Drops the lock if an operation of this thread that was left holds it. */
void mapped_lock_recover(void);

/* Under the lock, when it was left in the middle of a step: makes table and counters whole. */
void mapped_complete(void);

/* For those who cannot have the lock: a new mapping, whose block has no lead yet. False when there
 * is no memory for the note. Another handler may interrupt this one. */
bool mapped_note_pending(uintptr_t start, size_t bytes);
/* The pending block of this address, NULL when there is none. */
struct mapped_block *mapped_find_pending(const void *memory);
void mapped_defer(struct chunk *chunk);

/* Under the lock: a block was entered into the table, or taken out of it. */
void mapped_count_in(size_t bytes);
void mapped_count_out(size_t bytes);

/* In a forked child: frees the lock if another thread of the parent held it. False: the forking
 * thread itself holds it, and will end what it was doing. */
bool mapped_lock_fork_child(void);

#endif
