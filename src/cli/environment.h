/* environment.h - the environment that a child is started with: a copy that can be edited.
 * Layer: cli (may use libc).
 *
 * I1: entries[count] is NULL, so that entries serves as envp at any time.
 * I2: every entry is owned by the environment and has a '='-terminated name. */
#ifndef ARENITE_CLI_ENVIRONMENT_H
#define ARENITE_CLI_ENVIRONMENT_H

#include <stddef.h>

struct environment {
    char **entries;
    size_t count;
};

/* A copy of the tool's own environment. */
void environment_init(struct environment *environment);
void environment_destroy(struct environment *environment);

/* The value, or NULL; it stays valid until the variable is set or taken. */
const char *environment_find(const struct environment *environment, const char *name);

/* Sets a variable, in place of an old value. */
void environment_put(struct environment *environment, const char *name, const char *value);

/* Takes a variable out, when it is there. */
void environment_take(struct environment *environment, const char *name);

/* Puts value before (or after) what the variable holds already, with the separator between. */
void environment_prepend(struct environment *environment, const char *name, const char *value,
                         char separator);
void environment_append(struct environment *environment, const char *name, const char *value,
                        char separator);

#endif
