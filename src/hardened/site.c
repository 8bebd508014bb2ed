/* site.c - see site.h.
 * Layer: hardened (includes thread and below). */
#include "hardened/site.h"

#include "pages/meta.h"

uintptr_t *site_table;

void site_init(void) {
    site_table = meta_alloc(SITE_PLACES * sizeof *site_table, CACHE_LINE_BYTES);
}

/* Whether the place is the site's now. */
static bool claim(uintptr_t *place, uintptr_t address) {
    uintptr_t found = __atomic_load_n(place, __ATOMIC_RELAXED);
    if (found == 0 && __atomic_compare_exchange_n(place, &found, address, false, __ATOMIC_RELAXED,
                                                  __ATOMIC_RELAXED)) {
        return true;
    }
    return found == address;
}

uint32_t site_enter(uintptr_t address) {
    size_t home = site_home(address);
    for (size_t i = 0; i < SITE_REACH; i++) {
        size_t place = (home + i) % SITE_PLACES;
        if (claim(&site_table[place], address)) {
            return (uint32_t)place + 1;
        }
    }
    return 0;
}

const void *site_address(uint32_t site) {
    bool is_known = site_table != NULL && site != 0 && site <= SITE_PLACES;
    return is_known ? (const void *)LOAD_RELAXED(&site_table[site - 1]) : NULL;
}
