/* policy.h - how much memory there may be, and what of freed large blocks is kept.
 * Layer: pages (includes base).
 *
 * Written before the first allocation or by a call that changes an option, read everywhere without
 * a lock: each is one word. A budget is in bytes of committed memory, 0 for none, or a part of the
 * limit that the process's cgroup has: POLICY_OF_CGROUP + percent. What is kept of other free
 * memory is in retention.h. */
#ifndef ARENITE_PAGES_POLICY_H
#define ARENITE_PAGES_POLICY_H

#include "base/compiler.h"

#define REGION_CACHE_DEFAULT_BYTES ((size_t)64 << 20)

#define POLICY_OF_CGROUP (UINT64_C(1) << 63)

struct policy {
    size_t region_bytes; /* resident, in freed regions that stay mapped; 0: none stays */
    uint64_t limit;      /* a budget beyond which requests fail */
    uint64_t soft_limit; /* a budget beyond which everything free is given back */
    bool has_helper;     /* a thread of the library gives memory back too */
};

extern struct policy policy;

#endif
