/* victim.c - the victim's traffic (see attack.h).
 * Layer: tests (includes libc only). */
#include "attack.h"

#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A program's own code and data, where no heap is. */
extern char __executable_start, end;

/* splitmix64 (Steele, Lea, Flood 2014). */
size_t victim_below(struct victim *victim, size_t limit) {
    uint64_t x = victim->random += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (size_t)((x ^ (x >> 31)) % limit);
}

/* ---- two threads by turns -------------------------------------------------------------------- */

struct call {
    void *pointer;
    size_t bytes; /* 0: the pointer is freed, else such a block allocated */
};

static struct {
    sem_t asked, done;
    struct call *call;
} helper;

static void perform(struct call *call) {
    if (call->bytes == 0) {
        free(call->pointer);
    } else {
        call->pointer = malloc(call->bytes);
    }
}

static void wait_for(sem_t *semaphore) {
    while (sem_wait(semaphore) != 0) {
    }
}

static void *help(void *argument) {
    for (;;) {
        wait_for(&helper.asked);
        perform(helper.call);
        sem_post(&helper.done);
    }
    return argument;
}

static void start_helper(void) {
    pthread_t thread;
    sem_init(&helper.asked, 0, 0);
    sem_init(&helper.done, 0, 0);
    if (pthread_create(&thread, NULL, help, NULL) != 0) {
        _exit(2);
    }
}

static void make_call(struct victim *victim, struct call *call) {
    if (victim->has_helper && victim_below(victim, 2) == 0) {
        helper.call = call;
        sem_post(&helper.asked);
        wait_for(&helper.done);
    } else {
        perform(call);
    }
}

/* ---- seeing what comes ----------------------------------------------------------------------- */

static bool is_outside(const void *memory) {
    uintptr_t at = (uintptr_t)memory, here = (uintptr_t)__builtin_frame_address(0);
    bool on_stack = at - (here - 65536) < 2 * 65536;
    return on_stack || (at >= (uintptr_t)&__executable_start && at < (uintptr_t)&end);
}

static bool overlaps(const struct victim *victim, const struct block *block) {
    for (size_t i = 0; i < VICTIM_BLOCKS; i++) {
        const struct block *live = &victim->blocks[i];
        if (live->memory != NULL && block->memory < live->memory + live->bytes &&
            live->memory < block->memory + block->bytes) {
            return true;
        }
    }
    return false;
}

static void look_at(struct victim *victim, const struct block *block) {
    if (is_outside(block->memory)) {
        victim->prize = PRIZE_OUTSIDE;
    } else if (overlaps(victim, block)) {
        victim->prize = PRIZE_OVERLAP;
    }
}

/* ---- traffic --------------------------------------------------------------------------------- */

static void allocate(struct victim *victim, size_t place, size_t bytes) {
    struct call call = {NULL, bytes};
    make_call(victim, &call);
    struct block block = {call.pointer, bytes};
    if (block.memory == NULL) {
        return;
    }
    look_at(victim, &block);
    victim->blocks[place] = block;
    if (victim->prize == PRIZE_NONE) {
        memset(block.memory, (int)victim_below(victim, 256), bytes < 256 ? bytes : 256);
    }
}

void victim_pass_to_free(struct victim *victim, void *pointer) {
    struct call call = {pointer, 0};
    make_call(victim, &call);
}

void victim_free(struct victim *victim, size_t place) {
    struct block *block = &victim->blocks[place];
    victim_pass_to_free(victim, block->memory);
    block->memory = NULL;
}

static size_t some_bytes(struct victim *victim) {
    static const size_t most[] = {64, 64, 256, 256, 1024, 1024, 4096, 32768, 131072, 524288};
    return 1 + victim_below(victim, most[victim_below(victim, sizeof most / sizeof most[0])]);
}

static void step(struct victim *victim) {
    size_t place = victim_below(victim, VICTIM_BLOCKS);
    if (victim->blocks[place].memory != NULL) {
        victim_free(victim, place);
    } else {
        allocate(victim, place, some_bytes(victim));
    }
}

void victim_run(struct victim *victim, size_t steps) {
    while (steps-- > 0 && victim->prize == PRIZE_NONE) {
        step(victim);
    }
}

void victim_take(struct victim *victim, size_t bytes, size_t times) {
    for (size_t i = 0; i < VICTIM_BLOCKS && times > 0 && victim->prize == PRIZE_NONE; i++) {
        if (victim->blocks[i].memory == NULL) {
            allocate(victim, i, bytes);
            times--;
        }
    }
}

size_t victim_pick(struct victim *victim) {
    size_t place = victim_below(victim, VICTIM_BLOCKS);
    while (victim->blocks[place].memory == NULL) {
        allocate(victim, place, some_bytes(victim));
    }
    return place;
}

const struct block *victim_behind(const struct victim *victim, const unsigned char *address) {
    const struct block *next = NULL;
    for (size_t i = 0; i < VICTIM_BLOCKS; i++) {
        const struct block *block = &victim->blocks[i];
        if (block->memory > address && (next == NULL || block->memory < next->memory)) {
            next = block;
        }
    }
    return next;
}

void victim_init(struct victim *victim, uint64_t seed) {
    memset(victim, 0, sizeof *victim);
    victim->random = seed;
    victim->has_helper = victim_below(victim, 4) == 0;
    if (victim->has_helper) {
        start_helper();
    }
}
