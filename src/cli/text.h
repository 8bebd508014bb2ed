/* text.h - strings and arrays from malloc that never come back NULL.
 * Layer: cli (may use libc).
 *
 * The tool has nothing useful to do without memory, so these end the process with a message. What
 * they return is the caller's to free. */
#ifndef ARENITE_CLI_TEXT_H
#define ARENITE_CLI_TEXT_H

#include <stdarg.h>
#include <stddef.h>

/* A zeroed array of count elements. */
void *text_array(size_t count, size_t element_bytes);

/* The array with room for count elements; the old contents stay, what is new is not zeroed. */
void *text_array_grow(void *array, size_t count, size_t element_bytes);

char *text_copy(const char *text);
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
char *text_format_v(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

/* What follows the last slash. Points into path. */
const char *text_base_name(const char *path);

#endif
