/* bits.h - arithmetic on powers of two, alignment and overflow.
 * Layer: base (includes only base).
 *
 * Every function is pure. Alignments must be powers of two; callers guarantee it. */
#ifndef ARENITE_BASE_BITS_H
#define ARENITE_BASE_BITS_H

#include "base/compiler.h"

INLINE bool is_power_of_two(size_t value) {
    return value != 0 && (value & (value - 1)) == 0;
}

INLINE size_t align_down(size_t value, size_t alignment) {
    return value & ~(alignment - 1);
}

/* Wraps to a small number when value is within alignment of SIZE_MAX; callers bound value first. */
INLINE size_t align_up(size_t value, size_t alignment) {
    return (value + alignment - 1) & ~(alignment - 1);
}

INLINE bool is_aligned(uintptr_t value, size_t alignment) {
    return (value & (alignment - 1)) == 0;
}

/* Largest k with 2^k <= value; value must not be 0. */
INLINE unsigned log2_floor(size_t value) {
    return (unsigned)(sizeof(unsigned long long) * 8 - 1) -
           (unsigned)__builtin_clzll((unsigned long long)value);
}

/* Smallest k with 2^k >= value; value must not be 0. */
INLINE unsigned log2_ceil(size_t value) {
    return value == 1 ? 0 : log2_floor(value - 1) + 1;
}

INLINE unsigned lowest_set_bit(uint64_t word) {
    return (unsigned)__builtin_ctzll((unsigned long long)word);
}

/* True when a + b or a * b does not fit; *result is then meaningless. */
INLINE bool add_overflows(size_t a, size_t b, size_t *result) {
    return __builtin_add_overflow(a, b, result);
}

INLINE bool mul_overflows(size_t a, size_t b, size_t *result) {
    return __builtin_mul_overflow(a, b, result);
}

#endif
