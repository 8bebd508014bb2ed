/* check_failed.c - what a failed check of the model says, where nobody else says it.
 * Layer: model (includes base).
 *
 * Weak: in a program that holds the library as well, the library's own is taken. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

__attribute__((weak)) void check_failed(const char *what, const char *file, int line) {
    fprintf(stderr, "arenite: check failed: %s (%s:%d)\n", what, file, line);
    abort();
}
