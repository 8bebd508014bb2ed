/* malloc_stats.c - glibc's short report on stderr, in glibc's words.
 * Layer: api (includes thread and below).
 *
 * Written straight to the descriptor: a stream could allocate. Numbers have all their digits, where
 * glibc's lose those above 4 GiB. */
#include "api/names.h"
#include "api/statistics.h"
#include "base/format.h"
#include "os/os.h"

#include "arenite/arenite.h"

#include <malloc.h>

#define STDERR_DESCRIPTOR 2
#define TEXT_BYTES 512

static void write_text(const char *text, size_t length) {
    (void)os_write(STDERR_DESCRIPTOR, text, length < TEXT_BYTES ? length : TEXT_BYTES - 1);
}

static void write_arena(const struct arena_statistics *arena, size_t number, void *state) {
    char text[TEXT_BYTES];
    (void)state;
    write_text(text, format_text(text, sizeof text,
                                 "Arena %zu:\n"
                                 "system bytes     = %10zu\n"
                                 "in use bytes     = %10zu\n",
                                 number, arena->system_bytes, arena->used_bytes));
}

API_EXPORT_WEAK void API(malloc_stats)(void) {
    struct heap_statistics sum;
    char text[TEXT_BYTES];
    statistics_collect(&sum, write_arena, NULL);
    write_text(text, format_text(text, sizeof text,
                                 "Total (incl. mmap):\n"
                                 "system bytes     = %10zu\n"
                                 "in use bytes     = %10zu\n"
                                 "max mmap regions = %10zu\n"
                                 "max mmap bytes   = %10zu\n",
                                 statistics_system(&sum) + sum.mapped.bytes,
                                 statistics_used(&sum) + sum.mapped.bytes, sum.mapped.count_max,
                                 sum.mapped.bytes_max));
}
