/* report.c - one line on stderr (contract in report.h), and the failing end of check.h.
 * Layer: os (includes base, os.h).
 *
 * The line is built on the stack and written by one call. A line that does not fit is cut, its
 * newline kept. */
#include "os/report.h"

#include "base/check.h"
#include "base/format.h"
#include "os/os.h"

#define LINE_BYTES 512
#define STDERR_DESCRIPTOR 2

static void write_line(const char *format, va_list arguments) PRINTF_LIKE(1, 0);

static void write_line(const char *format, va_list arguments) {
    char line[LINE_BYTES];
    size_t room = sizeof line - 1;
    size_t prefix = format_text(line, room, "arenite: ");
    size_t length = prefix + format_text_v(line + prefix, room - prefix, format, arguments);
    length = length < room ? length : room - 1;
    line[length++] = '\n';
    /* Nothing can be done about a closed stderr. */
    (void)os_write(STDERR_DESCRIPTOR, line, length);
}

void report_line(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    write_line(format, arguments);
    va_end(arguments);
}

void report_corruption(const char *what, const void *pointer) {
    report_line("%s: %p", what, pointer);
    os_abort();
}

void report_fatal(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    write_line(format, arguments);
    va_end(arguments);
    os_abort();
}

void check_failed(const char *what, const char *file, int line) {
    report_line("check failed: %s (%s:%d)", what, file, line);
    os_abort();
}
