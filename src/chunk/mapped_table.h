/* mapped_table.h - the set of live mapped chunks, by user address.
 * Layer: chunk (includes base, os).
 *
 * Open addressing with linear probing; deletion moves followers back, so there are no tombstones.
 * The first slots are static; more come from os_map, four times as many each time.
 *
 * I1: live + promised <= 3/4 of capacity, so that every probe ends.
 * I2: every filled slot can be reached from its key's home without crossing an empty one.
 * I3: between any two stores of a change each block that is there is found, with its own bounds: a
 *     signal handler may interrupt the change, and a child be forked from it.
 * Not locked: mapped.c does that. */
#ifndef ARENITE_CHUNK_MAPPED_TABLE_H
#define ARENITE_CHUNK_MAPPED_TABLE_H

#include "chunk/mapped.h"

#define MAPPED_STATIC_SLOTS 1024

struct mapped_table {
    struct mapped_block *slots; /* NULL: the static ones are not in use yet */
    size_t capacity;            /* a power of two */
    size_t live;
    size_t promised;                   /* places kept for blocks taken out for a moment */
    struct mapped_block *former_slots; /* not NULL while they are exchanged for the new ones */
    size_t former_capacity;
};

/* The state that mapped.c keeps, for the registry; written under its lock. */
extern struct mapped_table mapped_blocks;
extern struct mapped_totals mapped_counts;
extern struct mapped_block mapped_static_slots[MAPPED_STATIC_SLOTS];

/* Makes room for one more block, and keeps it: false when the kernel refuses. */
bool mapped_table_promise(struct mapped_table *table);
/* Puts a block into a promised place. */
void mapped_table_put(struct mapped_table *table, const struct mapped_block *block);
/* The promise is not needed any more. */
void mapped_table_unpromise(struct mapped_table *table);

/* The entry itself, valid until the table changes; NULL. */
struct mapped_block *mapped_table_at(const struct mapped_table *table, uintptr_t memory);

/* Copies a block out, or takes it out and promises its place; false when it is not there. */
bool mapped_table_find(const struct mapped_table *table, uintptr_t memory,
                       struct mapped_block *block);
bool mapped_table_take(struct mapped_table *table, uintptr_t memory, struct mapped_block *block);

/* Overwrites the entry of a block that is there. */
void mapped_table_replace(struct mapped_table *table, const struct mapped_block *block);

/* By any address within the mapping; visits every slot. */
bool mapped_table_find_around(const struct mapped_table *table, uintptr_t address,
                              struct mapped_block *block);

/* Ends an exchange of slots that was never ended, drops what a deletion left twice, and counts what
 * is live. What was promised stays so. */
void mapped_table_repair(struct mapped_table *table);

/* Recounts; NULL or the first broken invariant. */
const char *mapped_table_audit(const struct mapped_table *table, size_t *count, size_t *bytes);

#endif
