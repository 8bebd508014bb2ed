/* mapped_seal.c - see mapped_seal.h.
 * Layer: chunk (includes base). */
#include "chunk/mapped_seal.h"

#include "chunk/quick.h"

#define SEAL_BYTES ((size_t)32)

/* Never 0: a string's end that is one byte too far is what a seal mostly has to show. */
static unsigned char seal_byte(uintptr_t address) {
    uintptr_t mixed = (address ^ quick_secret) * (uintptr_t)UINT64_C(0x9e3779b97f4a7c15);
    return (unsigned char)(mixed >> (8 * sizeof mixed - 8)) | 1;
}

static size_t seal_length(const struct mapped_block *block) {
    size_t left = block->start + block->bytes - (block->memory + block->request);
    return left < SEAL_BYTES ? left : SEAL_BYTES;
}

void mapped_seal_write(const struct mapped_block *block) {
    unsigned char *end = (unsigned char *)(block->memory + block->request);
    for (size_t i = 0; i < seal_length(block); i++) {
        end[i] = seal_byte((uintptr_t)&end[i]);
    }
}

bool mapped_seal_is_whole(const struct mapped_block *block) {
    const unsigned char *end = (const unsigned char *)(block->memory + block->request);
    bool whole = true;
    for (size_t i = 0; i < seal_length(block); i++) {
        whole = whole && end[i] == seal_byte((uintptr_t)&end[i]);
    }
    return whole;
}

/* The blocks unmapped last: a second free of one is called so. Others may write meanwhile, which
 * costs a worse description at most. */
#define RECENT_BLOCKS 32u
static uintptr_t recent[RECENT_BLOCKS];
static uint32_t recent_count;

void mapped_note_freed(const void *memory) {
    uint32_t place = __atomic_fetch_add(&recent_count, 1, __ATOMIC_RELAXED) % RECENT_BLOCKS;
    __atomic_store_n(&recent[place], (uintptr_t)memory, __ATOMIC_RELAXED);
}

bool mapped_was_freed(const void *memory) {
    bool found = false;
    for (size_t i = 0; i < RECENT_BLOCKS && !found; i++) {
        found = __atomic_load_n(&recent[i], __ATOMIC_RELAXED) == (uintptr_t)memory;
    }
    return found;
}
