/* memory.c - the pool that the model lives in.
 * Layer: model (includes base).
 *
 * Every chunk begins with a header page that links it to the others:
 *
 *   | model_chunk, rest unused | block | block | ... | */
#include "model/memory.h"

#include "base/bits.h"

#include <string.h>

struct model_chunk {
    struct model_chunk *next;
    size_t bytes;
};

struct model_free_block {
    struct model_free_block *next;
};

void model_memory_init(struct model_memory *memory, const struct model_chunks *chunks) {
    *memory = (struct model_memory){.chunks = chunks};
}

void model_memory_destroy(struct model_memory *memory) {
    struct model_chunk *chunk = memory->taken;
    while (chunk != NULL) {
        struct model_chunk *next = chunk->next;
        memory->chunks->put(chunk, chunk->bytes);
        chunk = next;
    }
    model_memory_init(memory, memory->chunks);
}

static struct model_chunk *take_chunk(struct model_memory *memory, size_t bytes) {
    struct model_chunk *chunk = memory->chunks->take(bytes);
    if (chunk != NULL) {
        chunk->bytes = bytes;
        chunk->next = memory->taken;
        memory->taken = chunk;
    }
    return chunk;
}

static unsigned shift_of(size_t bytes) {
    unsigned shift = log2_ceil(bytes);
    return shift < MODEL_BLOCK_MIN_SHIFT ? MODEL_BLOCK_MIN_SHIFT : shift;
}

/* Carves from the newest chunk; aligning to the size wastes less than one block of each size. */
static void *carve(struct model_memory *memory, size_t block_bytes) {
    uintptr_t start = align_up((uintptr_t)memory->fresh, block_bytes);
    if (memory->fresh == NULL || start + block_bytes > (uintptr_t)memory->fresh_end) {
        struct model_chunk *chunk = take_chunk(memory, MODEL_CHUNK_BYTES);
        if (chunk == NULL) {
            return NULL;
        }
        memory->fresh_end = (unsigned char *)chunk + MODEL_CHUNK_BYTES;
        start = (uintptr_t)chunk + MODEL_BLOCK_MAX_BYTES;
    }
    memory->fresh = (unsigned char *)(start + block_bytes);
    return (void *)start;
}

void *model_alloc(struct model_memory *memory, size_t bytes) {
    unsigned shift = shift_of(bytes);
    struct model_free_block *block = memory->free[shift - MODEL_BLOCK_MIN_SHIFT];
    if (block == NULL) {
        block = carve(memory, (size_t)1 << shift);
    } else {
        memory->free[shift - MODEL_BLOCK_MIN_SHIFT] = block->next;
        memset(block, 0, (size_t)1 << shift);
    }
    if (block != NULL) {
        memory->used_bytes += (size_t)1 << shift;
    }
    return block;
}

void model_free(struct model_memory *memory, void *block, size_t bytes) {
    unsigned shift = shift_of(bytes);
    struct model_free_block *freed = block;
    freed->next = memory->free[shift - MODEL_BLOCK_MIN_SHIFT];
    memory->free[shift - MODEL_BLOCK_MIN_SHIFT] = freed;
    memory->used_bytes -= (size_t)1 << shift;
}

void *model_alloc_range(struct model_memory *memory, size_t bytes) {
    size_t whole = align_up(bytes, MODEL_BLOCK_MAX_BYTES) + MODEL_BLOCK_MAX_BYTES;
    struct model_chunk *chunk = take_chunk(memory, whole);
    return chunk == NULL ? NULL : (unsigned char *)chunk + MODEL_BLOCK_MAX_BYTES;
}
