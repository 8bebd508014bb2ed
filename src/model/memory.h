/* memory.h - what the model itself lives in: one small pool of its own.
 * Layer: model (includes base).
 *
 * The model never calls malloc, because it can run below an allocator. The host gives it chunks
 * (model_chunks); the pool cuts them into blocks of power-of-two sizes, keeps freed blocks on a
 * list per size, and gives all chunks back at once when it is destroyed. Blocks are zeroed.
 *
 * I1: every block is aligned to its size, up to MODEL_BLOCK_MAX_BYTES.
 * Thread-safety: none; one pool belongs to one machine. */
#ifndef ARENITE_MODEL_MEMORY_H
#define ARENITE_MODEL_MEMORY_H

#include "base/compiler.h"

#define MODEL_CHUNK_BYTES ((size_t)1 << 20)
#define MODEL_BLOCK_MIN_SHIFT 5
#define MODEL_BLOCK_MAX_SHIFT 12
#define MODEL_BLOCK_MAX_BYTES ((size_t)1 << MODEL_BLOCK_MAX_SHIFT)
#define MODEL_BLOCK_SIZES (MODEL_BLOCK_MAX_SHIFT - MODEL_BLOCK_MIN_SHIFT + 1)

/* Where chunks come from: zeroed memory aligned to a page, NULL when there is none. */
struct model_chunks {
    void *(*take)(size_t bytes);
    void (*put)(void *chunk, size_t bytes);
};

struct model_memory {
    const struct model_chunks *chunks;
    struct model_chunk *taken; /* all chunks, newest first */
    unsigned char *fresh;      /* [fresh, fresh_end) of the newest chunk was never handed out */
    unsigned char *fresh_end;
    struct model_free_block *free[MODEL_BLOCK_SIZES];
    size_t used_bytes; /* in blocks handed out */
};

void model_memory_init(struct model_memory *memory, const struct model_chunks *chunks);

/* Gives every chunk back; all blocks are gone. */
void model_memory_destroy(struct model_memory *memory);

/* A zeroed block of at least so many bytes, at most MODEL_BLOCK_MAX_BYTES; or NULL. */
void *model_alloc(struct model_memory *memory, size_t bytes);

/* Gives back a block of model_alloc(memory, bytes). */
void model_free(struct model_memory *memory, void *block, size_t bytes);

/* One zeroed range of any size that lives as long as the pool; NULL when there is no memory. */
void *model_alloc_range(struct model_memory *memory, size_t bytes);

#endif
