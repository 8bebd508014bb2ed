/* ledger.h - where the memory is: rows that add up, and the same by size class and by thread.
 * Layer: api (includes thread and below).
 *
 * I1: live + slack + free in slabs, bins and lists + retained + metadata + mapped = total.
 * Counted from statistics.h's sums, so figures of a running process may be a moment apart; what
 * would break I1 then is cut to what is left. */
#ifndef ARENITE_API_LEDGER_H
#define ARENITE_API_LEDGER_H

#include "api/statistics.h"
#include "slab/class.h"

/* The ledger's rows: name in JSON, text for people. */
#define LEDGER_ROWS(ROW)                                             \
    ROW(live, "in use")                                              \
    ROW(internal_slack, "lost inside slabs: guards, colours, ends")  \
    ROW(free_in_slabs, "free, in slabs that are not empty")          \
    ROW(free_in_bins, "free, in bins and at the ends of heaps")      \
    ROW(free_in_lists, "free, kept by threads or on the way to one") \
    ROW(retained, "free, whole granules and large blocks kept")      \
    ROW(metadata, "records of the library")                          \
    ROW(mapped, "blocks with a mapping of their own")

struct ledger {
#define LEDGER_FIELD(name, text) size_t name;
    LEDGER_ROWS(LEDGER_FIELD)
#undef LEDGER_FIELD
    size_t total;
};

void ledger_make(const struct heap_statistics *sum, struct ledger *ledger);

/* Slots of one size class. */
struct ledger_class {
    size_t slabs;
    size_t live, free, uncarved;
};

/* Counts every class; false when the library's records cannot be read. */
bool ledger_count_classes(struct ledger_class classes[SLAB_CLASSES]);

/* What one thread has. A thread id of 0 stands for the slabs that no thread owns. */
struct ledger_thread {
    int32_t id;
    size_t arena; /* its number in the ring */
    size_t slabs;
    size_t live_bytes, free_bytes; /* of carved slots */
    size_t spare_bytes;            /* its empty slabs */
    size_t list_bytes, queued_bytes;
};

typedef void (*ledger_thread_visitor)(const struct ledger_thread *thread, void *state);

/* Every attached thread, newest first, then what no thread owns. Walks all slabs once for each few
 * dozen threads. */
void ledger_visit_threads(ledger_thread_visitor visit, void *state);

#endif
