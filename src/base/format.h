/* format.h - a printer that never allocates: text into a caller's buffer.
 * Layer: base (includes only base).
 *
 * libc's printf family may allocate (wide fields, %m, locale data) and takes stream locks, so
 * nothing below the tool uses it. This one knows only what the library prints:
 *   %s string (NULL prints "(null)")   %c char          %% percent sign
 *   %d int, %ld long                    %u unsigned      %zu size_t    %llu 64-bit
 *   %x unsigned, %zx size_t, %llx       %p pointer (0x...)
 * with an optional minimum width for numbers and strings, right-aligned (`%10zu`), left-aligned
 * with `-`. Anything else prints itself.
 *
 * I1: the buffer always ends in a NUL when its size is at least 1.
 * I2: the value returned is the length the whole text has, whether it fitted or not.
 * Thread-safety: pure, async-signal-safe. */
#ifndef ARENITE_BASE_FORMAT_H
#define ARENITE_BASE_FORMAT_H

#include "base/compiler.h"

#include <stdarg.h>

/* Writes at most size bytes including the NUL; returns the untruncated length. */
size_t format_text(char *buffer, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);
size_t format_text_v(char *buffer, size_t size, const char *format, va_list list);

#endif
