/* program.h - what kind of program CMD is, as far as preloading is concerned.
 * Layer: cli (may use libc). */
#ifndef ARENITE_CLI_PROGRAM_H
#define ARENITE_CLI_PROGRAM_H

/* Why a library preloaded into the command would not become its allocator, or NULL when its file
 * gives no reason: statically linked, for another machine, setuid, with a malloc of its own ...
 * A script is judged by its interpreter. Only a prediction: what really happened is learned from
 * the process itself. The string is the caller's to free. */
char *program_find_obstacle(const char *command);

#endif
