/* policy.c - see policy.h.
 * Layer: pages (includes base). */
#include "pages/policy.h"

#define DEFAULTS                                                                        \
    {                                                                                   \
        .retain_bytes = RETAIN_DEFAULT_BYTES, .retain_percent = RETAIN_DEFAULT_PERCENT, \
        .decay_ms = RETAIN_DECAY_DEFAULT_MS, .region_bytes = REGION_CACHE_DEFAULT_BYTES \
    }

struct policy policy = DEFAULTS;

void policy_use_defaults(void) {
    policy = (struct policy)DEFAULTS;
}

void policy_use_ptmalloc(void) {
    policy = (struct policy){.retain_bytes = SIZE_MAX};
}
