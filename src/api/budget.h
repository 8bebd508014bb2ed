/* budget.h - how much memory the process may have: limit= and soft_limit=.
 * Layer: api (includes thread and below).
 *
 * What counts is committed memory: what brk, heaps, slabs, mapped blocks and the library's records
 * have from the kernel and have not given back; touched or not. It is looked at before an operation
 * that the thread's own lists cannot serve. A request that would go beyond the limit first makes
 * the library give back all that is free; if that is not enough a callback is told, and it fails
 * with ENOMEM. Growth in steps may pass the limit by one step (1 MiB).
 *
 * Without a budget all this costs one load on slow paths. */
#ifndef ARENITE_API_BUDGET_H
#define ARENITE_API_BUDGET_H

#include "base/compiler.h"

#define BUDGET_OF_CGROUP (UINT64_C(1) << 63)

/* Whether there is a limit or a soft limit. */
extern bool budget_is_set;

/* Puts limits into force: bytes, 0 for none, or BUDGET_OF_CGROUP + percent, which reads what the
 * process's control group may have now. */
void budget_set_limit(uint64_t limit);
void budget_set_soft_limit(uint64_t limit);

/* True when so many bytes more are within the limit. May give memory back and call the callback;
 * not inside an operation. A handler that interrupted one is always allowed. */
bool budget_allows_slow(size_t bytes);

INLINE bool budget_allows(size_t bytes) {
    return LIKELY(!LOAD_RELAXED(&budget_is_set)) || budget_allows_slow(bytes);
}

/* What counts now, in bytes. */
size_t budget_committed(void);

#endif
