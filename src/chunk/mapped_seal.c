/* mapped_seal.c - see mapped_seal.h.
 * Layer: chunk (includes base, os). */
#include "chunk/mapped_seal.h"

#include "chunk/quick.h"
#include "os/report.h"

#include <string.h>

#define SEAL_BYTES ((size_t)32)

struct seal {
    uint64_t words[SEAL_BYTES / sizeof(uint64_t)];
};

/* No byte of it is 0 or a character of ASCII: a string that is a byte too long, or its end, is what
 * it mostly has to show. */
static struct seal seal_of(const struct mapped_block *block) {
    uint64_t mixed = (block->memory ^ quick_secret) * UINT64_C(0x9e3779b97f4a7c15);
    uint64_t word = (mixed ^ mixed >> 32) | UINT64_C(0x8080808080808080);
    return (struct seal){{word, word, word, word}};
}

static size_t seal_length(const struct mapped_block *block) {
    size_t left = block->start + block->bytes - (block->memory + block->request);
    return left < SEAL_BYTES ? left : SEAL_BYTES;
}

void mapped_seal_write(const struct mapped_block *block) {
    struct seal seal = seal_of(block);
    memcpy((void *)(block->memory + block->request), &seal, seal_length(block));
}

bool mapped_seal_is_whole(const struct mapped_block *block) {
    struct seal seal = seal_of(block);
    return memcmp((const void *)(block->memory + block->request), &seal, seal_length(block)) == 0;
}

/* The blocks unmapped last: a second free of one is called so. Others may write meanwhile, which
 * costs a worse description at most. */
#define RECENT_BLOCKS 32u
static struct mapped_freed recent[RECENT_BLOCKS];
static uint32_t recent_count;

READS_RACILY void mapped_note_freed(const struct mapped_block *block) {
    uint32_t place = __atomic_fetch_add(&recent_count, 1, __ATOMIC_RELAXED) % RECENT_BLOCKS;
    recent[place] = (struct mapped_freed){.memory = block->memory,
                                          .bytes = mapped_usable_bytes(block),
                                          .allocated_by = block->caller,
                                          .freed_by = report_caller};
}

/* The newest first: an address may have been freed several times. */
READS_RACILY bool mapped_was_freed(const void *memory, struct mapped_freed *freed) {
    uint32_t count = __atomic_load_n(&recent_count, __ATOMIC_RELAXED);
    for (uint32_t i = 1; i <= RECENT_BLOCKS; i++) {
        *freed = recent[(count - i) % RECENT_BLOCKS];
        if (freed->memory == (uintptr_t)memory) {
            return true;
        }
    }
    return false;
}
