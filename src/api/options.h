/* options.h - options of the library: read once from the environment, changed by mallopt.
 * Layer: api (includes thread and below).
 *
 * A profile acts first, wherever it stands. Where an option is named several times the strongest
 * place wins, weakest first: the profile's default,
 * GLIBC_TUNABLES, a MALLOC_... variable, ARENITE_OPTIONS, mallopt. A name or value that is wrong
 * costs a line on stderr and changes nothing else. With AT_SECURE the environment is ignored. */
#ifndef ARENITE_API_OPTIONS_H
#define ARENITE_API_OPTIONS_H

#include "base/compiler.h"

#include "arenite/registry.h"

enum option_id {
#define OPTION(id, name, type, normal, least, most, number, variable, tunable, help) OPTION_##id,
#include "api/options.def"
    OPTION_COUNT
};

enum option_type { OPTION_TYPE_COUNT, OPTION_TYPE_SIZE, OPTION_TYPE_FLAG, OPTION_TYPE_PROFILE };

struct option {
    const char *name;
    enum option_type type;
    uint64_t normal;      /* default */
    uint64_t least, most; /* range, both ends allowed */
    int number;           /* mallopt's, 0: none */
    const char *variable; /* glibc's environment variable, "": none */
    const char *tunable;  /* name in GLIBC_TUNABLES, "": none */
    const char *help;
};

extern const struct option options[OPTION_COUNT];

/* Values now in force, and where they came from; indexed by option_id. Part of the registry. */
extern struct arenite_option_state option_states[OPTION_COUNT];

/* Reads the environment. Once, before the first allocation; allocates nothing. */
void options_load(void);

/* Puts a value into force; false when the option does not allow it. */
bool options_set(enum option_id id, uint64_t value, enum arenite_option_source source);

INLINE uint64_t options_get(enum option_id id) {
    return option_states[id].value;
}

#endif
