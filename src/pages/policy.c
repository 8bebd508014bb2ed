/* policy.c - see policy.h.
 * Layer: pages (includes base). */
#include "pages/policy.h"

struct policy policy = {.region_bytes = REGION_CACHE_DEFAULT_BYTES};
