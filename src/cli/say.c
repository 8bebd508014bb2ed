/* say.c - the tool's own lines on stderr.
 * Layer: cli (may use libc).
 *
 * CMD writes to the same stderr, so each line leaves in one write and cannot be torn apart. */
#include "cli/cli.h"
#include "cli/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((format(printf, 1, 0))) static void write_line(const char *format,
                                                             va_list arguments) {
    char *message = text_format_v(format, arguments);
    char *line = text_format("arenite: %s\n", message);
    ssize_t written = write(STDERR_FILENO, line, strlen(line));
    (void)written; /* a closed stderr leaves nowhere to complain */
    free(line);
    free(message);
}

void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    write_line(format, arguments);
    va_end(arguments);
}

int say_usage(const char *verb, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    write_line(format, arguments);
    va_end(arguments);
    say("`arenite help%s%s` tells more", verb[0] == '\0' ? "" : " ", verb);
    return CLI_USAGE;
}

int say_not_started(const char *command, int error) {
    bool missing = error == ENOENT || error == ENOTDIR;
    say("cannot run %s: %s", command, strerror(error));
    return missing ? CLI_NOT_FOUND : CLI_NOT_EXECUTABLE;
}
