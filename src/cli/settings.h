/* settings.h - the allocator options given with `-o NAME=VALUE`.
 * Layer: cli (may use libc).
 *
 * I1: joined is NULL or "NAME=VALUE,NAME=VALUE": what ARENITE_OPTIONS takes. */
#ifndef ARENITE_CLI_SETTINGS_H
#define ARENITE_CLI_SETTINGS_H

#include "cli/environment.h"

struct settings {
    char *joined;
};

/* Adds one; CLI_OK, or CLI_USAGE after saying what is wrong with it. Which names there are, the
 * library knows: it names an unknown one itself. */
int settings_add(struct settings *settings, const char *verb, const char *setting);
void settings_destroy(struct settings *settings);

/* Puts them behind what ARENITE_OPTIONS holds already, so that they win. */
void settings_apply(const struct settings *settings, struct environment *environment);

#endif
