/* bugs.c - the mistakes, with what an attacker makes of them (see attack.h).
 * Layer: tests (includes libc only). */
#include "attack.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* Allocations of the same size afterwards: whatever a list leads to comes up. */
#define TAKEN_AFTER 10

/* A piece of the program's own data that looks like blocks of a heap with headers, if `size_word`
 * says how long they are: the target of all forged links. */
#define FAKE_WORDS 512
static _Alignas(4096) size_t fake[FAKE_WORDS];

static size_t *forge_target(struct victim *victim) {
    size_t words = 2 * (2 + victim_below(victim, 32));
    for (size_t i = 1; i + words < FAKE_WORDS; i += words) {
        fake[i] = words * sizeof fake[0] | 1;
    }
    return &fake[2];
}

/* What a freed block's words may be made to say: a link to the target, as it is or as lists that
 * mangle links by their place want it; zeros; chance. */
static size_t forged_link(struct victim *victim, const void *place) {
    size_t target = (size_t)forge_target(victim);
    switch (victim_below(victim, 5)) {
    case 0:
        return target;
    case 1:
        return target ^ ((size_t)place >> 12);
    case 2:
        return target - 2 * sizeof(size_t);
    case 3:
        return 0;
    default:
        return victim_below(victim, SIZE_MAX);
    }
}

static size_t bytes_of(const struct victim *victim, size_t place) {
    return victim->blocks[place].bytes;
}

/* ---- frees ----------------------------------------------------------------------------------- */

static bool is_live(const struct victim *victim, const unsigned char *memory) {
    for (size_t i = 0; i < VICTIM_BLOCKS; i++) {
        if (victim->blocks[i].memory == memory) {
            return true;
        }
    }
    return false;
}

/* Of a block that has a new user meanwhile the second free is the right one: then of another. */
static void free_twice(struct victim *victim, size_t steps_between) {
    struct block block;
    do {
        size_t place = victim_pick(victim);
        block = victim->blocks[place];
        victim_free(victim, place);
        victim_run(victim, steps_between);
    } while (is_live(victim, block.memory));
    victim_pass_to_free(victim, block.memory);
    victim_take(victim, block.bytes, TAKEN_AFTER);
}

static void free_twice_at_once(struct victim *victim) {
    free_twice(victim, 0);
}

static void free_twice_later(struct victim *victim) {
    free_twice(victim, 1 + victim_below(victim, 60));
}

/* With a header in front, where there is room for one. */
static void free_inside(struct victim *victim) {
    size_t place = victim_pick(victim);
    struct block *block = &victim->blocks[place];
    size_t words = malloc_usable_size(block->memory) / sizeof(size_t);
    size_t at = 2 * (1 + victim_below(victim, words / 2 + 1));
    size_t *inside = (size_t *)(void *)block->memory + at;
    size_t forged = 32 + 16 * victim_below(victim, 16);
    if (at < words) {
        inside[-1] = forged | 1;
        if (at + forged / sizeof(size_t) < words) {
            inside[forged / sizeof(size_t) - 1] = forged | 1;
        }
    }
    victim_pass_to_free(victim, inside);
    victim_take(victim, forged - sizeof(size_t), TAKEN_AFTER);
}

static void free_fake(struct victim *victim) {
    size_t *target = forge_target(victim);
    size_t bytes = (target[-1] & ~(size_t)15) - sizeof(size_t);
    victim_pass_to_free(victim, target);
    victim_take(victim, bytes, TAKEN_AFTER);
}

/* ---- writes ---------------------------------------------------------------------------------- */

static void write_after_free(struct victim *victim) {
    size_t place = victim_pick(victim), bytes = bytes_of(victim, place);
    size_t *memory = (size_t *)(void *)victim->blocks[place].memory;
    victim_free(victim, place);
    size_t words = 1 + victim_below(victim, 3);
    for (size_t i = 0; i < words && (i + 1) * sizeof memory[0] <= bytes; i++) {
        memory[i] = forged_link(victim, &memory[i]);
    }
    victim_take(victim, bytes, TAKEN_AFTER);
}

/* A header that claims more, or less, than it had, or covers the live block behind as well. */
static size_t forged_size(struct victim *victim, const unsigned char *header) {
    size_t old;
    memcpy(&old, header, sizeof old);
    const struct block *next = victim_behind(victim, header + 2 * sizeof old);
    switch (victim_below(victim, 3)) {
    case 0:
        return old + 16 * (1 + victim_below(victim, 32));
    case 1:
        return next != NULL ? old + ((next->bytes + 23) & ~(size_t)15) : old + 16;
    default:
        return (32 + 16 * victim_below(victim, 64)) | 1;
    }
}

static void overflow(struct victim *victim, size_t length) {
    size_t place = victim_pick(victim), bytes = bytes_of(victim, place);
    unsigned char *end =
        victim->blocks[place].memory + malloc_usable_size(victim->blocks[place].memory);
    size_t words[4] = {forged_size(victim, end), forged_link(victim, end + 8),
                       forged_link(victim, end + 16), victim_below(victim, SIZE_MAX)};
    memcpy(end, words, length);
    const struct block *behind = victim_behind(victim, end - 1);
    if (behind != NULL && victim_below(victim, 2) == 0) {
        size_t size = (words[0] & ~(size_t)15) - sizeof(size_t);
        victim_free(victim, (size_t)(behind - victim->blocks));
        victim_take(victim, size < 1 << 20 ? size : bytes, TAKEN_AFTER);
    }
    victim_take(victim, bytes, TAKEN_AFTER);
}

static void overflow_1(struct victim *victim) {
    overflow(victim, 1);
}

static void overflow_8(struct victim *victim) {
    overflow(victim, 8);
}

static void overflow_32(struct victim *victim) {
    overflow(victim, 32);
}

const struct bug bugs[] = {
    {"double free, at once", free_twice_at_once},
    {"double free, later", free_twice_later},
    {"free inside a block", free_inside},
    {"free of a forged block", free_fake},
    {"write after free", write_after_free},
    {"overflow by 1", overflow_1},
    {"overflow by 8", overflow_8},
    {"overflow by 32", overflow_32},
};
const size_t bugs_count = sizeof bugs / sizeof bugs[0];
