/* record.h - records of slabs and of their holes: made once, reused, never unmapped.
 * Layer: slab (includes base, os, pages). All slabs' records: depot_records.
 *
 * I1: a record whose slab is unused has no owner and is on the list of unused ones, or in the hands
 *     of whoever is about to use it.
 * Lock: LOCK_RANK_SLAB_RECORDS. */
#ifndef ARENITE_SLAB_RECORD_H
#define ARENITE_SLAB_RECORD_H

#include "slab/holes.h"

/* A record without a slab; NULL: no memory. */
struct slab *record_take(void);
/* The slab is no more, nor are its holes. */
void record_put(struct slab *slab);

struct slab_holes *record_take_holes(void);
void record_put_holes(struct slab_holes *holes);
/* The slab has no holes any more. */
void record_end_holes(struct slab *slab);
/* Pages went back, and are counted in depot_holes_bytes. */
void record_add_hole_pages(size_t pages);

/* In a forked child: frees the lock if another thread held it; unused records are lost then. */
void record_fork_child(void);
/* The same after an operation of this thread that was left. */
void record_recover(void);

#endif
