/* cli.h - what the verbs of `arenite` share: their entry points, exit statuses and messages.
 * Layer: cli (the tool; never links the allocator that it preloads into others).
 *
 * Every verb is one function with main's shape; argv[0] is the verb itself. It returns the exit
 * status of the process. Messages of the tool's own go to stderr, one line each, each beginning
 * with "arenite: ", because stdout belongs to the program that is run, or to the verb's result. */
#ifndef ARENITE_CLI_CLI_H
#define ARENITE_CLI_CLI_H

#include <stdbool.h>

/* Exit statuses of the tool itself; `run` passes on CMD's in all other cases. */
enum cli_status {
    CLI_OK = 0,
    CLI_FAILED = 1, /* the verb could not do its work: `compare`, a library not loaded */
    CLI_USAGE = 2,  /* the command line is wrong */
    CLI_NOT_EXECUTABLE = 126,
    CLI_NOT_FOUND = 127,
    CLI_SIGNAL_BASE = 128, /* plus the number of the signal that killed CMD */
};

int run_verb(int argc, char **argv);
int compare_verb(int argc, char **argv);
int model_verb(int argc, char **argv);
int options_verb(int argc, char **argv);

extern const char run_help[];
extern const char compare_help[];
extern const char model_help[];
extern const char options_help[];

/* One line on stderr, "arenite: " before it and a line feed after it, in a single write. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, then where to read more. Returns CLI_USAGE, so that callers can return it. */
int say_usage(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says why CMD could not be started; returns CLI_NOT_FOUND or CLI_NOT_EXECUTABLE. */
int say_not_started(const char *command, int error);

#endif
