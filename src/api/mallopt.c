/* mallopt.c - changing options while the process runs.
 * Layer: api (includes thread and below).
 *
 * Return values are glibc's: 0 for a refused M_MXFAST, else 1, for numbers nobody knows too. Like
 * there, the main arena's fast chunks are merged first, whatever is asked for. */
#include "api/names.h"
#include "api/option_change.h"
#include "chunk/params.h"
#include "os/report.h"

#include "arenite/arenite.h"

#include <malloc.h>

/* M_CHECK_ACTION as its manual has it: bit 1 aborts, bit 0 prints. glibc ignores it by now, and so
 * do the profiles that follow glibc. */
static bool convert_action(int value, uint64_t *action) {
    uint64_t milder = (value & 1) != 0 ? REPORT_REPORT : REPORT_IGNORE;
    *action = (value & 2) != 0 ? REPORT_ABORT : milder;
    return params.slabs;
}

/* How glibc reads the int: sizes are widened with their sign, so that -1 means without limit; a
 * negative number of mappings allows none; a number of arenas must be positive. */
static bool convert(enum option_id id, int value, uint64_t *converted) {
    *converted = value < 0 ? (size_t)value : (uint64_t)value;
    switch (id) {
    case OPTION_ARENA_MAX:
    case OPTION_ARENA_TEST:
        return value > 0;
    case OPTION_MMAP_MAX:
        *converted = value < 0 ? 0 : (uint64_t)value;
        return true;
    case OPTION_ON_ERROR:
        return convert_action(value, converted);
    case OPTION_PERTURB:
        *converted = (uint64_t)value & 0xff;
        return true;
    default:
        return true;
    }
}

static enum option_id find_number(int number) {
    enum option_id id = 0;
    while (id < OPTION_COUNT && (number == 0 || options[id].number != number)) {
        id++;
    }
    return id;
}

API_EXPORT_WEAK int API(mallopt)(int number, int value) {
    enum option_id id = find_number(number);
    uint64_t converted = 0;
    if (id == OPTION_COUNT || !convert(id, value, &converted)) {
        (void)option_change(OPTION_COUNT, 0, ARENITE_OPTION_CALL);
        return 1;
    }
    return option_change(id, converted, ARENITE_OPTION_CALL) ? 1 : 0;
}

API_LIBC_ALIAS(mallopt);
