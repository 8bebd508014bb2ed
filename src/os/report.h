/* report.h - lines on stderr, without allocating; and what becomes of the process.
 * Layer: os (includes base, os.h).
 *
 * Every line starts with "arenite: ". Formats are those of base/format.h. A line is written by
 * one call, so that lines of several threads do not mix. Thread-safe, async-signal-safe.
 *
 * A line about a pointer has four parts:
 *
 *   arenite: double free: 0x7f52c8000410: 64-byte slot, free; size class 4, slab 0x7f52c8000000 of
 *            `- what     `- pointer      `- what lies there    thread 71; thread 71, called from
 *                                                              demo+0x1189
 *
 * What lies there is known to higher layers only, who hang their description in at start. The
 * caller is whoever called the public function. */
#ifndef ARENITE_OS_REPORT_H
#define ARENITE_OS_REPORT_H

#include "base/compiler.h"

/* The option on_error. */
enum report_action {
    REPORT_ABORT,  /* a line, then SIGABRT */
    REPORT_REPORT, /* a line; the misused pointer is left alone */
    REPORT_IGNORE, /* the same without the line */
};
extern enum report_action report_on_error;

/* Return address of the public function that the thread is in. Set where its slow side begins. */
extern THREAD_LOCAL const void *report_caller;

/* Frame of a function that the public one jumped to (REPORT_FRAME), or of any other, for trace.h:
 * it looks whether report_caller stands beside it. */
extern THREAD_LOCAL const void *report_frame;
#define REPORT_FRAME() __builtin_frame_address(0)

/* Describes what lies at a pointer, safe for any pointer and under any lock; returns the length
 * that the whole text has. NULL: nobody can. */
extern size_t (*report_describe)(const void *pointer, char *text, size_t size);

/* Prints a line and returns. */
void report_line(const char *format, ...) PRINTF_LIKE(1, 2);

/* The program misused a pointer, and nothing has been changed yet. Prints a line about it and
 * aborts, unless on_error says otherwise: then the caller drops the operation. */
COLD void report_misuse(const char *what, const void *pointer);

struct trace;

/* An access that the kernel refused, told in its handler: what, "" or by what, where, and the
 * callers of the instruction. Prints the line. */
COLD void report_fault(const char *what, const char *by, const void *address,
                       const struct trace *trace);

/* The heap is damaged where the library works on it: prints a line about the place and aborts,
 * whatever on_error says. */
_Noreturn COLD void report_corruption(const char *what, const void *pointer);

/* Prints a line and aborts: nothing sensible can follow. */
_Noreturn COLD void report_fatal(const char *format, ...) PRINTF_LIKE(1, 2);

#endif
