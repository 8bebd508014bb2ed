/* model_random.h - scripts that are made up.
 * Layer: cli (may use libc).
 *
 * The same seed and number give the same script on every machine. */
#ifndef ARENITE_CLI_MODEL_RANDOM_H
#define ARENITE_CLI_MODEL_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* The text of one script; freed by the caller. */
char *random_script(uint64_t seed, uint64_t number, uint64_t ops);

size_t random_count_lines(const char *text);

/* A copy without one line (from 0); freed by the caller. */
char *random_drop_line(const char *text, size_t line);

#endif
