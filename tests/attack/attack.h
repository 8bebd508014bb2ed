/* attack.h - a program with one bug, and whoever uses it: the parts.
 * Layer: tests (includes libc only).
 *
 * A victim allocates and frees at random. At some point it makes one mistake, with what an attacker
 * would like it to write: forged headers, links to memory of the attacker's choice. Then it goes
 * on, and after each allocation it is seen what the attacker has won:
 *
 *   overlap   the block shares bytes with a live one (handed out twice, or forged to be larger)
 *   outside   the block lies in the program's own data or on its stack
 *
 * The attacker knows the addresses and the headers beside his block, but no secret. */
#ifndef ARENITE_TESTS_ATTACK_ATTACK_H
#define ARENITE_TESTS_ATTACK_ATTACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VICTIM_BLOCKS 120

struct block {
    unsigned char *memory; /* NULL: none */
    size_t bytes;
};

enum prize { PRIZE_NONE, PRIZE_OVERLAP, PRIZE_OUTSIDE };

struct victim {
    uint64_t random;
    struct block blocks[VICTIM_BLOCKS];
    bool has_helper; /* a thread that makes half of the calls, in turns */
    enum prize prize;
};

void victim_init(struct victim *victim, uint64_t seed);
void victim_run(struct victim *victim, size_t steps);

/* A number in [0, limit). */
size_t victim_below(struct victim *victim, size_t limit);

/* A live block, after allocating one if need be; its place in the table. */
size_t victim_pick(struct victim *victim);

/* Frees what is at the place, or a pointer that may be wrong, by either thread. */
void victim_free(struct victim *victim, size_t place);
void victim_pass_to_free(struct victim *victim, void *pointer);

/* Allocates so often as many bytes; sees what comes. */
void victim_take(struct victim *victim, size_t bytes, size_t times);

/* The live block that begins next behind an address; NULL: none. */
const struct block *victim_behind(const struct victim *victim, const unsigned char *address);

/* ---- bugs ---------------------------------------------------------------------------------- */

struct bug {
    const char *name;
    void (*make)(struct victim *victim);
};

extern const struct bug bugs[];
extern const size_t bugs_count;

#endif
