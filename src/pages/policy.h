/* policy.h - what of freed large blocks is kept, who gives memory back, what lies beside heaps.
 * Layer: pages (includes base).
 *
 * Written before the first allocation or by a call that changes an option, read everywhere without
 * a lock: each is one word. What is kept of other free memory is in retention.h. */
#ifndef ARENITE_PAGES_POLICY_H
#define ARENITE_PAGES_POLICY_H

#include "base/compiler.h"

#define REGION_CACHE_DEFAULT_BYTES ((size_t)256 << 20)

struct policy {
    size_t region_bytes; /* resident, in freed regions that stay mapped; 0: none stays */
    bool has_helper;     /* a thread of the library gives memory back too */
    size_t annex_bytes;  /* of records beside each granule of a page heap, whole pages; 0: none */
};

extern struct policy policy;

#endif
