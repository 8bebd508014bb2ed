/* mallopt.c - changing options while the process runs.
 * Layer: api (includes thread and below).
 *
 * Return values are glibc's: 0 for a refused M_MXFAST, else 1, for numbers nobody knows too. Like
 * there, the main arena's fast chunks are merged first, whatever is asked for. */
#include "api/names.h"
#include "api/options.h"
#include "api/start.h"
#include "chunk/fast_bin.h"
#include "thread/operation.h"

#include "arenite/arenite.h"

#include <malloc.h>

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
    case OPTION_PERTURB:
        *converted = (uint64_t)value & 0xff;
        return true;
    default:
        return true;
    }
}

static int set_option(int number, int value) {
    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        uint64_t converted;
        if (options[id].number != number || number == 0) {
            continue;
        }
        if (!convert(id, value, &converted)) {
            return 1;
        }
        return options_set(id, converted, ARENITE_OPTION_CALL) ? 1 : 0;
    }
    return 1;
}

API_EXPORT_WEAK int API(mallopt)(int number, int value) {
    start_ensure();
    bool outermost = operation_enter();
    bool locked = arena_is_usable(&main_arena);
    if (locked && outermost) {
        arena_lock(&main_arena);
    } else if (locked) {
        locked = arena_try_lock(&main_arena);
    }
    if (locked) {
        fast_bin_consolidate(&main_arena);
    }
    int result = set_option(number, value);
    if (locked) {
        arena_unlock(&main_arena);
    }
    operation_leave();
    return result;
}

API_LIBC_ALIAS(mallopt);
