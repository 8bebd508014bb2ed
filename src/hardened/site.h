/* site.h - places in the program that allocate and free, as numbers of 32 bits.
 * Layer: hardened (includes thread and below).
 *
 * A table of return addresses, entered at the first use and never left, by open addressing: the
 * number of a site is its place in the table, plus one. When its neighbourhood is full a site has
 * no number and is "not known", which is 0.
 *
 * The table is read and written without a lock: a place goes from 0 to its address once. */
#ifndef ARENITE_HARDENED_SITE_H
#define ARENITE_HARDENED_SITE_H

#include "base/compiler.h"

#define SITE_BITS 14
#define SITE_PLACES ((size_t)1 << SITE_BITS)
/* How far from its own place a site may lie. */
#define SITE_REACH 16u

extern uintptr_t *site_table; /* NULL: no site is known */

/* Makes the table, once, at the start under profile=hardened. */
void site_init(void);

INLINE size_t site_home(uintptr_t address) {
    return (size_t)((uint64_t)address * UINT64_C(0x9e3779b97f4a7c15) >> (64 - SITE_BITS));
}

/* Of a site that is not in its own place. */
uint32_t site_enter(uintptr_t address);

/* The number of a return address, 0 for NULL. */
INLINE uint32_t site_of(const void *caller) {
    uintptr_t address = (uintptr_t)caller;
    size_t home = site_home(address);
    if (UNLIKELY(site_table == NULL || address == 0)) {
        return 0;
    }
    bool is_home = LOAD_RELAXED(&site_table[home]) == address;
    return LIKELY(is_home) ? (uint32_t)home + 1 : site_enter(address);
}

/* The return address, NULL when it is not known. */
const void *site_address(uint32_t site);

#endif
