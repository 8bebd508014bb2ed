/* policy.h - how much free memory is kept and how much memory there may be, as the options say.
 * Layer: pages (includes base).
 *
 * Written before the first allocation or by a call that changes an option, read everywhere without
 * a lock: each is one word. policy.keeps_all is trim_threshold=-1: nothing is given back but by
 * malloc_trim. A budget is in bytes of committed memory, 0 for none, or a part of the limit that
 * the process's cgroup has: POLICY_OF_CGROUP + percent. */
#ifndef ARENITE_PAGES_POLICY_H
#define ARENITE_PAGES_POLICY_H

#include "base/compiler.h"

#define RETAIN_DEFAULT_BYTES ((size_t)1 << 20)
#define RETAIN_DEFAULT_PERCENT ((size_t)3)
#define RETAIN_DECAY_DEFAULT_MS ((size_t)10000)
#define REGION_CACHE_DEFAULT_BYTES ((size_t)64 << 20)

#define POLICY_OF_CGROUP (UINT64_C(1) << 63)

struct policy {
    size_t retain_bytes;   /* free and resident: stays */
    size_t retain_percent; /* of the bytes in use: stays where that is more */
    size_t decay_ms;       /* what was kept because it was asked for again goes after this */
    size_t region_bytes;   /* resident, in freed regions that stay mapped; 0: none stays */
    uint64_t limit;        /* a budget beyond which requests fail */
    uint64_t soft_limit;   /* a budget beyond which everything free is given back */
    bool keeps_all;
    bool has_helper; /* a thread of the library gives memory back too */
};

extern struct policy policy;

/* The defaults; or ptmalloc's, which keeps no regions and purges nothing that a trim leaves. */
void policy_use_defaults(void);
void policy_use_ptmalloc(void);

#endif
