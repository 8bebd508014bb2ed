/* address.h - the model's two kinds of number: virtual addresses and page frames.
 * Layer: model (includes only base).
 *
 * Addresses are 64 bits wide whatever the host is: the model of a 32-bit process only has a lower
 * top. A frame number is a struct, so that the compiler refuses one where the other is meant. */
#ifndef ARENITE_MODEL_ADDRESS_H
#define ARENITE_MODEL_ADDRESS_H

#include "base/compiler.h"

/* A byte of the modelled process's address space; never a pointer of the host's. */
typedef uint64_t vaddr;

/* A page frame of the modelled machine, counted from 0. */
struct pfn {
    uint64_t number;
};

#define MODEL_PAGE_SHIFT 12
#define MODEL_PAGE_BYTES ((uint64_t)1 << MODEL_PAGE_SHIFT)

/* No address at all: the top of the space is never the start of anything. */
#define VADDR_NONE UINT64_MAX

#endif
