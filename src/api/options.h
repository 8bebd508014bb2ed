/* options.h - options of the library: read once from the environment, some changed later.
 * Layer: api (includes thread and below).
 *
 * A profile acts first, wherever it stands. Where an option is named several times the strongest
 * place wins, weakest first: the profile's default, GLIBC_TUNABLES, a MALLOC_... variable,
 * ARENITE_OPTIONS, mallopt and arenite_option_set. A name or value that is wrong costs a line on
 * stderr and changes nothing else. With AT_SECURE the environment is ignored. */
#ifndef ARENITE_API_OPTIONS_H
#define ARENITE_API_OPTIONS_H

#include "api/option_value.h"

#include "arenite/registry.h"

enum option_id {
#define OPTION(id, name, type, unit, normal, least, most, when, number, variable, tunable, help) \
    OPTION_##id,
#include "api/options.def"
    OPTION_COUNT
};

extern const struct option options[OPTION_COUNT];

/* Values now in force, and where they came from; indexed by option_id. Part of the registry. */
extern struct arenite_option_state option_states[OPTION_COUNT];

/* Reads the environment. Once, before the first allocation; allocates nothing. */
void options_load(void);

/* Puts a value into force; false when the option does not allow it. */
bool options_set(enum option_id id, uint64_t value, enum arenite_option_source source);

/* The option of this name, OPTION_COUNT when there is none. */
enum option_id options_find(struct text name);

/* The value in force: of thresholds that adapt themselves, what they are now. */
uint64_t options_get(enum option_id id);

#endif
