/* canary.h - bytes behind a block that nobody may write.
 * Layer: hardened (includes thread and below).
 *
 *   slot                 slot + request                      slot + slot_bytes
 *   | what was asked for | canary, up to 32 bytes | ... | word |
 *
 * A slot is larger than the request by a word at least. Of what is left over the first bytes and
 * the last word are the canary, which for small slots is all of it: the first byte shows an
 * overflow, the last word, in addition, an underflow of the next slot's block.
 *
 * The pattern depends on the slot's address and a secret, so that no copy of it is another's; it
 * repeats every 8 bytes of address, so that words of it may be written over one another. No byte
 * of it is 0 or a character of ASCII: a string that is too long, or its end, always shows. */
#ifndef ARENITE_HARDENED_CANARY_H
#define ARENITE_HARDENED_CANARY_H

#include "slab/slab.h"

#define CANARY_WORD_BYTES ((size_t)8)
#define CANARY_LEAST_BYTES CANARY_WORD_BYTES
#define CANARY_MOST_BYTES ((size_t)32)

INLINE uint64_t canary_pattern(const void *slot) {
    uint64_t mixed = ((uintptr_t)slot ^ slot_secrets.mask ^ (uint64_t)slot_secrets.tag << 32) *
                     UINT64_C(0x9e3779b97f4a7c15);
    return (mixed ^ mixed >> 32) | UINT64_C(0x8080808080808080);
}

/* The word of the pattern at any address. */
INLINE uint64_t canary_word(uint64_t pattern, uintptr_t address) {
    unsigned turn = (unsigned)(address % CANARY_WORD_BYTES) * 8;
    return turn == 0 ? pattern : pattern >> turn | pattern << (64 - turn);
}

/* The last word first: whoever looks at it from the next slot never sees a part. */
INLINE void canary_write(void *slot, size_t request, size_t slot_bytes) {
    uint64_t pattern = canary_pattern(slot);
    uintptr_t at = (uintptr_t)slot + request, last = (uintptr_t)slot + slot_bytes - 8;
    uintptr_t past = at + CANARY_MOST_BYTES;
    uint64_t word = canary_word(pattern, at);
    memcpy((void *)last, &pattern, sizeof pattern);
    compiler_fence();
    for (; at < last && at < past; at += CANARY_WORD_BYTES) {
        memcpy((void *)at, &word, sizeof word);
    }
}

INLINE uint64_t canary_read(uintptr_t address) {
    uint64_t word;
    memcpy(&word, (const void *)address, sizeof word);
    return word;
}

INLINE bool canary_is_whole(const void *slot, size_t request, size_t slot_bytes) {
    uint64_t pattern = canary_pattern(slot);
    uintptr_t at = (uintptr_t)slot + request, last = (uintptr_t)slot + slot_bytes - 8;
    uintptr_t past = at + CANARY_MOST_BYTES;
    uint64_t word = canary_word(pattern, at), wrong = canary_read(last) ^ pattern;
    for (; at < last && at < past; at += CANARY_WORD_BYTES) {
        wrong |= canary_read(at) ^ word;
    }
    return wrong == 0;
}

/* The last word alone. */
INLINE bool canary_ends_whole(const void *slot, size_t slot_bytes) {
    return canary_read((uintptr_t)slot + slot_bytes - 8) == canary_pattern(slot);
}

#endif
