/* option_change.h - changing an option of a running process.
 * Layer: api (includes thread and below). */
#ifndef ARENITE_API_OPTION_CHANGE_H
#define ARENITE_API_OPTION_CHANGE_H

#include "api/options.h"

/* Puts a value into force, one caller at a time. As in glibc's mallopt, the main arena's fast
 * chunks are merged first, whatever is asked for; id OPTION_COUNT does only that. False when the
 * value is not allowed. */
bool option_change(enum option_id id, uint64_t value, enum arenite_option_source source);

#endif
