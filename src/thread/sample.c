/* sample.c - see sample.h.
 * Layer: thread (includes slab and below). */
#include "thread/sample.h"

#include "chunk/params.h"
#include "pages/guard.h"
#include "pages/meta.h"

/* After Marsaglia, "Xorshift RNGs" (2003), and Vigna's multiplication. The state is never 0. */
static uint64_t next_random(struct sampler *sampler) {
    uint64_t random = sampler->random;
    random ^= random >> 12;
    random ^= random << 25;
    random ^= random >> 27;
    sampler->random = random;
    return random * UINT64_C(0x2545f4914f6cdd1d);
}

/* An exponential interval is -log(u). Of the logarithm to base 2 the whole part is the number of
 * leading zeros and one, less a fraction that is nearly the bits behind them: 1.5 on average. */
#define FRACTION_BITS 16

static uint32_t draw_interval(struct sampler *sampler) {
    uint64_t random = next_random(sampler) | 1;
    unsigned zeros = (unsigned)__builtin_clzll(random);
    uint64_t behind = zeros < 63 ? random << (zeros + 1) : 0;
    uint64_t whole = (uint64_t)(zeros + 1) << FRACTION_BITS;
    uint64_t logarithm = whole - (behind >> (64 - FRACTION_BITS));
    uint64_t interval = ((uint64_t)(guard_interval - 1) * logarithm * 2 / 3) >> FRACTION_BITS;
    return interval < UINT32_MAX ? (uint32_t)interval : UINT32_MAX;
}

/* Those that fit into a page. */
static void draw_all(struct sampler *sampler) {
    size_t i = 0;
    while (i < SLAB_LONE_FIRST && class_bytes(i) <= guard_most_bytes()) {
        sampler->left[i++] = draw_interval(sampler);
    }
    sampler->classes = i;
}

void sample_attach(struct thread *thread) {
    if (guard_most_bytes() == 0 || !params.slabs) {
        return;
    }
    if (thread->sampler == NULL) {
        thread->sampler = meta_alloc(sizeof *thread->sampler, CACHE_LINE_BYTES);
    }
    if (thread->sampler != NULL) {
        thread->sampler->random = os_random() | 1;
        draw_all(thread->sampler);
    }
}

void *sample_take(struct thread *thread, size_t class_index, size_t alignment, size_t bytes) {
    struct sampler *sampler = thread->sampler;
    sampler->left[class_index] = draw_interval(sampler);
    bool at_end = next_random(sampler) >> 63 != 0;
    return guard_alloc(alignment, bytes, at_end);
}
