/* option_value.h - values of options as texts: read, written, described.
 * Layer: api (includes thread and below).
 *
 * Every value is one 64-bit number; what it means is the type's. What option_print writes,
 * option_parse reads back. Nothing here allocates or copies: texts are pieces of the environment.
 *
 *   COUNT   the number            SIZE    bytes                  TIME  milliseconds
 *   FLAG    0 or 1                WORD    place in the list      BUDGET  bytes, 0 for none, or
 *   ONE_IN  N of 1/N, 0 for none                                 BUDGET_OF_CGROUP + percent */
#ifndef ARENITE_API_OPTION_VALUE_H
#define ARENITE_API_OPTION_VALUE_H

#include "base/compiler.h"

enum option_type {
    OPTION_TYPE_COUNT,
    OPTION_TYPE_SIZE,
    OPTION_TYPE_TIME,
    OPTION_TYPE_FLAG,
    OPTION_TYPE_WORD,
    OPTION_TYPE_BUDGET,
    OPTION_TYPE_ONE_IN,
};

enum option_when { OPTION_WHEN_START, OPTION_WHEN_ANY };

struct option {
    const char *name;
    enum option_type type;
    const char *unit;     /* of a WORD: its words, separated by | */
    uint64_t normal;      /* default */
    uint64_t least, most; /* range, both ends allowed */
    enum option_when when;
    int number;           /* mallopt's, 0: none */
    const char *variable; /* glibc's environment variable, "": none */
    const char *tunable;  /* name in GLIBC_TUNABLES, "": none */
    const char *help;
};

/* A piece of text that no NUL ends. */
struct text {
    const char *start;
    size_t length;
};

struct text text_of(const char *string);
bool text_equals(struct text text, const char *string);
/* Cuts off what stands before the first separator; the rest starts behind it. */
struct text text_cut(struct text *rest, char separator);

/* True, and the value, when the text is one that the option allows. */
bool option_parse(const struct option *option, struct text text, uint64_t *value);

/* Both write at most size bytes, NUL included, and return the whole length. The second says what
 * is allowed, as messages and `arenite options` do. */
size_t option_print(const struct option *option, uint64_t value, char *buffer, size_t size);
size_t option_print_allowed(const struct option *option, char *buffer, size_t size);

/* "size", "word" ...: how the documentation calls the type. */
const char *option_type_name(enum option_type type);

#endif
