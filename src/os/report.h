/* report.h - one line on stderr, without allocating.
 * Layer: os (includes base, os.h).
 *
 * Every line starts with "arenite: ". Formats are those of base/format.h. A line is written by
 * one call, so that lines of several threads do not mix. Thread-safe, async-signal-safe. */
#ifndef ARENITE_OS_REPORT_H
#define ARENITE_OS_REPORT_H

#include "base/compiler.h"

/* Prints a line and returns. */
void report_line(const char *format, ...) PRINTF_LIKE(1, 2);

/* Prints a line about a damaged heap or a misused pointer, then aborts. */
_Noreturn COLD void report_corruption(const char *what, const void *pointer);

/* Prints a line and aborts: nothing sensible can follow. */
_Noreturn COLD void report_fatal(const char *format, ...) PRINTF_LIKE(1, 2);

#endif
