/* option_change.c - arenite_option_get, _set and _at; see option_change.h.
 * Layer: api (includes thread and below).
 *
 * Lock: changes are made under the main arena's; a handler that interrupts an operation of its
 * thread goes without where the lock is taken, each value being one word. */
#include "api/option_change.h"

#include "api/start.h"
#include "base/format.h"
#include "chunk/fast_bin.h"
#include "chunk/params.h"
#include "thread/operation.h"

#include "arenite/options.h"

#include <errno.h>
#include <string.h>

/* ---- changing ------------------------------------------------------------------------------- */

static bool lock_main(bool outermost) {
    if (!arena_is_usable(&main_arena)) {
        return false;
    }
    return outermost ? arena_lock(&main_arena) : arena_try_lock(&main_arena);
}

/* Filling needs every call to take the long way; slots live on as they are. */
static void reroute_threads(void) {
    if (params.slabs) {
        thread_detour_all(params_wants_detour());
    }
}

bool option_change(enum option_id id, uint64_t value, enum arenite_option_source source) {
    struct operation operation;
    start_ensure();
    bool outermost = operation_enter(&operation);
    bool locked = lock_main(outermost);
    if (locked) {
        fast_bin_consolidate(&main_arena);
    }
    bool done = id < OPTION_COUNT && options_set(id, value, source);
    if (locked) {
        arena_unlock(&main_arena);
    }
    if (done && id == OPTION_PERTURB) {
        reroute_threads();
    }
    operation_leave(&operation);
    return done;
}

/* ---- the public functions ------------------------------------------------------------------- */

EXPORT int arenite_option_set(const char *name, const char *value) {
    start_ensure();
    enum option_id id = options_find(text_of(name));
    uint64_t number;
    if (id == OPTION_COUNT) {
        return ENOENT;
    }
    if (options[id].when != OPTION_WHEN_ANY) {
        return EPERM;
    }
    if (!option_parse(&options[id], text_of(value), &number)) {
        return EINVAL;
    }
    return option_change(id, number, ARENITE_OPTION_SET) ? 0 : EINVAL;
}

EXPORT size_t arenite_option_get(const char *name, char *buffer, size_t size) {
    start_ensure();
    enum option_id id = options_find(text_of(name));
    return id == OPTION_COUNT ? 0 : option_print(&options[id], options_get(id), buffer, size);
}

static const char *place_of(enum option_id id) {
    static const char places[][20] = {
        [ARENITE_OPTION_DEFAULT] = "default",
        [ARENITE_OPTION_PROFILE] = "profile",
        [ARENITE_OPTION_TUNABLE] = "GLIBC_TUNABLES",
        [ARENITE_OPTION_ENVIRONMENT] = "ARENITE_OPTIONS",
        [ARENITE_OPTION_CALL] = "mallopt",
        [ARENITE_OPTION_SET] = "arenite_option_set",
    };
    uint32_t source = option_states[id].source;
    return source == ARENITE_OPTION_VARIABLE ? options[id].variable : places[source];
}

EXPORT int arenite_option_at(size_t index, struct arenite_option *description) {
    start_ensure();
    if (index >= OPTION_COUNT) {
        return ENOENT;
    }
    const struct option *option = &options[index];
    *description = (struct arenite_option){
        .name = option->name,
        .type = option_type_name(option->type),
        .unit = option->type == OPTION_TYPE_WORD ? "" : option->unit,
        .source = place_of((enum option_id)index),
        .variable = option->variable,
        .tunable = option->tunable,
        .help = option->help,
        .mallopt_number = option->number,
        .may_change = option->when == OPTION_WHEN_ANY,
    };
    option_print(option, option->normal, description->normal, sizeof description->normal);
    option_print(option, options_get((enum option_id)index), description->value,
                 sizeof description->value);
    option_print_allowed(option, description->allowed, sizeof description->allowed);
    return 0;
}
