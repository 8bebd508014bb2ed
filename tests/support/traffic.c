/* traffic.c - see traffic.h.
 * Layer: tests (includes libc only). */
#include "traffic.h"

#include "support.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LIVE_MAX_BYTES ((size_t)64 << 20)
#define SOME_ERRNO 12345
#define LEAST_ALIGNMENT (2 * sizeof(void *))

/* splitmix64, as in test_random.h; its state is one number so that tables can be copied. */
size_t traffic_below(uint64_t *random, size_t limit) {
    uint64_t x = *random += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (size_t)((x ^ (x >> 31)) % limit);
}

size_t traffic_any_bytes(uint64_t *random) {
    size_t kind = traffic_below(random, 200);
    size_t limit = kind < 130 ? 1500 : kind < 170 ? 40000 : kind < 198 ? 300000 : (size_t)4 << 20;
    return traffic_below(random, limit);
}

size_t traffic_slow_bytes(uint64_t *random) {
    return 40000 + traffic_below(random, 300000);
}

void traffic_init(struct traffic *traffic, size_t slots, uint64_t seed) {
    *traffic = (struct traffic){.slots = slots, .random = seed, .some_bytes = traffic_any_bytes};
    traffic->live_max_bytes = LIVE_MAX_BYTES;
    traffic->held = mmap(NULL, slots * sizeof *traffic->held, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    TEST_CHECK(traffic->held != MAP_FAILED);
}

void traffic_destroy(struct traffic *traffic) {
    traffic_empty(traffic);
    munmap(traffic->held, traffic->slots * sizeof *traffic->held);
}

static void let_go(struct traffic *traffic, struct held *held) {
    TEST_CHECK(held_is_intact(held));
    errno = SOME_ERRNO;
    free(held->memory);
    TEST_CHECK(errno == SOME_ERRNO);
    traffic->live_bytes -= held->bytes;
    held->memory = NULL;
}

static bool take_aligned(struct traffic *traffic, struct held *held) {
    size_t alignment = (size_t)16 << traffic_below(&traffic->random, 11);
    void *memory = NULL;
    if (traffic_below(&traffic->random, 2) == 0) {
        memory = memalign(alignment, held->bytes);
    } else {
        errno = posix_memalign(&memory, alignment, held->bytes);
    }
    held->memory = memory;
    TEST_CHECK((uintptr_t)memory % alignment == 0);
    return memory != NULL;
}

static bool take_zeroed(struct held *held) {
    held->memory = calloc(1, held->bytes);
    TEST_CHECK(held->memory == NULL || held_is_zero(held));
    return held->memory != NULL;
}

static bool take_any(struct traffic *traffic, struct held *held) {
    switch (traffic_below(&traffic->random, 8)) {
    case 0:
        return take_zeroed(held);
    case 1:
        return take_aligned(traffic, held);
    case 2:
        held->memory = realloc(NULL, held->bytes);
        return held->memory != NULL;
    default:
        held->memory = malloc(held->bytes);
        return held->memory != NULL;
    }
}

static void take(struct traffic *traffic, struct held *held) {
    held->bytes = traffic->some_bytes(&traffic->random);
    held->tag = traffic_below(&traffic->random, SIZE_MAX);
    errno = 0;
    if (!take_any(traffic, held)) {
        TEST_CHECK(errno == ENOMEM);
        traffic->refused++;
        return;
    }
    TEST_CHECK((uintptr_t)held->memory % LEAST_ALIGNMENT == 0);
    traffic->live_bytes += held->bytes;
    held_fill(held);
}

static void resize(struct traffic *traffic, struct held *held) {
    size_t bytes = 1 + traffic->some_bytes(&traffic->random);
    TEST_CHECK(held_is_intact(held));
    errno = 0;
    unsigned char *moved = realloc(held->memory, bytes);
    if (moved == NULL) {
        TEST_CHECK(errno == ENOMEM && held_is_intact(held));
        traffic->refused++;
        return;
    }
    held->memory = moved;
    TEST_CHECK(held_begins(held, bytes < held->bytes ? bytes : held->bytes));
    traffic->live_bytes += bytes - held->bytes;
    held->bytes = bytes;
    held_fill(held);
}

static struct held *some_slot(struct traffic *traffic) {
    return &traffic->held[traffic_below(&traffic->random, traffic->slots)];
}

void traffic_step(struct traffic *traffic) {
    struct held *held = some_slot(traffic);
    if (held->memory == NULL) {
        take(traffic, held);
    } else if (traffic_below(&traffic->random, 4) == 0) {
        resize(traffic, held);
    } else {
        let_go(traffic, held);
    }
    while (traffic->live_bytes > traffic->live_max_bytes) {
        held = some_slot(traffic);
        if (held->memory != NULL) {
            let_go(traffic, held);
        }
    }
}

void traffic_run(struct traffic *traffic, size_t steps) {
    for (; steps > 0; steps--) {
        traffic_step(traffic);
    }
}

void traffic_check(const struct traffic *traffic) {
    for (size_t i = 0; i < traffic->slots; i++) {
        TEST_CHECK(traffic->held[i].memory == NULL || held_is_intact(&traffic->held[i]));
    }
    TEST_CHECK(!held_overlap(traffic->held, traffic->slots));
}

void traffic_empty(struct traffic *traffic) {
    traffic_check(traffic);
    for (size_t i = 0; i < traffic->slots; i++) {
        if (traffic->held[i].memory != NULL) {
            let_go(traffic, &traffic->held[i]);
        }
    }
}
