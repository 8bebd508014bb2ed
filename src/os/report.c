/* report.c - lines on stderr (contract in report.h), and the failing end of check.h.
 * Layer: os (includes base, os.h).
 *
 * The line is built on the stack and written by one call. A line that does not fit is cut, its
 * newline kept. */
#include "os/report.h"

#include "base/check.h"
#include "base/format.h"
#include "os/os.h"
#include "os/trace.h"

#define LINE_BYTES 1536
#define STDERR_DESCRIPTOR 2

enum report_action report_on_error;
THREAD_LOCAL const void *report_caller;
THREAD_LOCAL const void *report_frame;
size_t (*report_describe)(const void *pointer, char *text, size_t size);

struct line {
    char text[LINE_BYTES];
    size_t length;
};

static void add_v(struct line *line, const char *format, va_list arguments) PRINTF_LIKE(2, 0);
static void add(struct line *line, const char *format, ...) PRINTF_LIKE(2, 3);

/* What was written, of a text that may not have fitted. */
static void grow(struct line *line, size_t length) {
    size_t room = LINE_BYTES - 1 - line->length; /* one byte is the newline's */
    line->length += length < room ? length : room - 1;
}

static void add_v(struct line *line, const char *format, va_list arguments) {
    size_t room = LINE_BYTES - 1 - line->length;
    grow(line, format_text_v(line->text + line->length, room, format, arguments));
}

static void add(struct line *line, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    add_v(line, format, arguments);
    va_end(arguments);
}

static void begin(struct line *line) {
    line->length = 0;
    add(line, "arenite: ");
}

static void end(struct line *line) {
    line->text[line->length++] = '\n';
    /* Nothing can be done about a closed stderr. */
    (void)os_write(STDERR_DESCRIPTOR, line->text, line->length);
}

static void write_line(const char *format, va_list arguments) PRINTF_LIKE(1, 0);

static void write_line(const char *format, va_list arguments) {
    struct line line;
    begin(&line);
    add_v(&line, format, arguments);
    end(&line);
}

void report_line(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    write_line(format, arguments);
    va_end(arguments);
}

/* ---- lines about a pointer ------------------------------------------------------------------ */

static void add_caller(struct line *line) {
    struct os_module module;
    if (report_caller == NULL) {
        return;
    }
    if (os_find_module(report_caller, &module)) {
        add(line, ", called from %s+0x%zx", module.name, (size_t)module.offset);
    } else {
        add(line, ", called from %p", report_caller);
    }
}

static void add_description(struct line *line, const void *pointer) {
    if (report_describe != NULL) {
        add(line, ": ");
        grow(line,
             report_describe(pointer, line->text + line->length, LINE_BYTES - 1 - line->length));
    }
}

static void write_about(const char *what, const void *pointer) {
    struct line line;
    begin(&line);
    add(&line, "%s: %p", what, pointer);
    add_description(&line, pointer);
    add(&line, "; thread %d", os_thread_id());
    add_caller(&line);
    end(&line);
}

void report_fault(const char *what, const char *by, const void *address,
                  const struct trace *trace) {
    struct line line;
    begin(&line);
    add(&line, "%s%s: %p", what, by, address);
    add_description(&line, address);
    add(&line, "; thread %d, at ", os_thread_id());
    grow(&line, trace_print(trace, line.text + line.length, LINE_BYTES - 1 - line.length));
    end(&line);
}

void report_misuse(const char *what, const void *pointer) {
    if (report_on_error != REPORT_IGNORE) {
        write_about(what, pointer);
    }
    if (report_on_error == REPORT_ABORT) {
        os_abort();
    }
}

void report_corruption(const char *what, const void *pointer) {
    write_about(what, pointer);
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
