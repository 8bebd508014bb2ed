/* text.c - strings and arrays from malloc that never come back NULL.
 * Layer: cli (may use libc). */
#include "cli/text.h"

#include "cli/cli.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Written without say(), which would itself need memory. */
static void *need(void *memory) {
    if (memory != NULL) {
        return memory;
    }
    static const char message[] = "arenite: out of memory\n";
    ssize_t written = write(STDERR_FILENO, message, sizeof message - 1);
    (void)written;
    exit(CLI_FAILED);
}

void *text_array(size_t count, size_t element_bytes) {
    return need(calloc(count == 0 ? 1 : count, element_bytes));
}

void *text_array_grow(void *array, size_t count, size_t element_bytes) {
    return need(reallocarray(array, count == 0 ? 1 : count, element_bytes));
}

char *text_copy(const char *text) {
    return need(strdup(text));
}

char *text_format(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = text_format_v(format, arguments);
    va_end(arguments);
    return text;
}

char *text_format_v(const char *format, va_list arguments) {
    char *text = NULL;
    if (vasprintf(&text, format, arguments) < 0) {
        text = NULL;
    }
    return need(text);
}

const char *text_base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}
