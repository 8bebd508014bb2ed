/* options.c - the table of options, the places they are read from, and what each value does.
 * Layer: api (includes thread and below). See options.h; values as texts are option_value.c's.
 *
 * Texts are pieces of the environment, never copied but for messages. */
#include "api/options.h"

#include "api/budget.h"
#include "chunk/params.h"
#include "chunk/quick.h"
#include "os/os.h"
#include "os/report.h"
#include "pages/guard.h"
#include "pages/policy.h"
#include "pages/retention.h"
#include "slab/mark.h"
#include "thread/quarantine.h"

#include <limits.h>
#include <malloc.h>
#include <string.h>

const struct option options[OPTION_COUNT] = {
/* The formatter would take the designator apart. */
/* clang-format off */
#define OPTION(id, name, type, unit, normal, least, most, when, number, variable, tunable, help) \
    [OPTION_##id] = {#name,  OPTION_TYPE_##type, unit,   normal,   least,   most, \
                     OPTION_WHEN_##when, number, variable, tunable, help},
/* clang-format on */
#include "api/options.def"
};

struct arenite_option_state option_states[OPTION_COUNT] = {
#define OPTION(id, name, type, unit, normal, least, most, when, number, variable, tunable, help) \
    [OPTION_##id] = {#name, normal, ARENITE_OPTION_DEFAULT, 0},
#include "api/options.def"
};

/* ---- effects -------------------------------------------------------------------------------- */

/* A profile's own default, where it is not the table's. */
static void take_default(enum option_id id, uint64_t value) {
    option_states[id].value = value;
    option_states[id].source =
        value == options[id].normal ? ARENITE_OPTION_DEFAULT : ARENITE_OPTION_PROFILE;
}

static void apply_profile(enum profile profile) {
    params_use_profile(profile);
    policy.region_bytes = profile == PROFILE_DEFAULT ? REGION_CACHE_DEFAULT_BYTES : 0;
    policy.annex_bytes = params.hardened ? MARKS_GRANULE_BYTES : 0;
    take_default(OPTION_TCACHE_COUNT, params.quick_count);
    take_default(OPTION_MMAP_THRESHOLD, params.mmap_threshold);
    take_default(OPTION_REGION_CACHE, policy.region_bytes);
}

/* A trim threshold that was set is kept to where it is above what may be retained anyway; without
 * limit it stops every purge. */
static void apply_retention(size_t retain_bytes, size_t trim_threshold) {
    size_t base = trim_threshold > retain_bytes ? trim_threshold : retain_bytes;
    __atomic_store_n(&retention_base_bytes, base, __ATOMIC_RELAXED);
}

static void apply_retain(size_t bytes) {
    bool is_set = option_states[OPTION_TRIM_THRESHOLD].source > ARENITE_OPTION_PROFILE;
    apply_retention(bytes, is_set ? (size_t)option_states[OPTION_TRIM_THRESHOLD].value : 0);
}

static void apply_trim_threshold(size_t bytes) {
    params_set_trim_threshold(bytes);
    apply_retention((size_t)option_states[OPTION_RETAIN].value, bytes);
}

static void apply_window(uint64_t window_ms) {
    __atomic_store_n(&retention_window_ns, window_ms * 1000000, __ATOMIC_RELAXED);
}

static void apply_to_policy(enum option_id id, uint64_t value) {
    switch (id) {
    case OPTION_RETAIN:
        apply_retain((size_t)value);
        break;
    case OPTION_RETAIN_DECAY:
        apply_window(value);
        break;
    case OPTION_REGION_CACHE:
        policy.region_bytes = (size_t)value;
        break;
    case OPTION_QUARANTINE:
        __atomic_store_n(&quarantine_all_bytes, (size_t)value, __ATOMIC_RELAXED);
        break;
    case OPTION_HELPER:
        policy.has_helper = value != 0;
        break;
    case OPTION_LIMIT:
        budget_set_limit(value);
        break;
    case OPTION_SOFT_LIMIT:
        budget_set_soft_limit(value);
        break;
    case OPTION_SAMPLE_GUARDS:
        guard_interval = (uint32_t)value;
        break;
    case OPTION_ON_ERROR:
        report_on_error = (enum report_action)value;
        break;
    default:
        break; /* looked up when it is needed */
    }
}

static void apply(enum option_id id, uint64_t value) {
    size_t size = (size_t)value;
    switch (id) {
    case OPTION_PROFILE:
        apply_profile((enum profile)value);
        break;
    case OPTION_ARENA_MAX:
        params.arena_max = size;
        break;
    case OPTION_ARENA_TEST:
        params.arena_test = size;
        break;
    case OPTION_MMAP_THRESHOLD:
        params_set_mmap_threshold(size);
        break;
    case OPTION_MMAP_MAX:
        params_set_mmap_max(size);
        break;
    case OPTION_TRIM_THRESHOLD:
        apply_trim_threshold(size);
        break;
    case OPTION_TOP_PAD:
        params_set_top_pad(size);
        break;
    case OPTION_PERTURB:
        params.perturb = (int)(value & 0xff);
        break;
    case OPTION_MXFAST:
        params_set_fast_max(size);
        break;
    case OPTION_TCACHE_COUNT:
        params.quick_count = size;
        break;
    case OPTION_TCACHE_MAX:
        params.quick_bytes = chunk_bytes_for(size);
        break;
    default:
        apply_to_policy(id, value);
        break;
    }
}

bool options_set(enum option_id id, uint64_t value, enum arenite_option_source source) {
    if (value < options[id].least || value > options[id].most) {
        return false;
    }
    apply(id, value);
    option_states[id].value = value;
    option_states[id].source = source;
    return true;
}

uint64_t options_get(enum option_id id) {
    switch (id) {
    case OPTION_MMAP_THRESHOLD:
        return params_mmap_threshold();
    case OPTION_TRIM_THRESHOLD:
        return __atomic_load_n(&params.trim_threshold, __ATOMIC_RELAXED);
    default:
        return option_states[id].value;
    }
}

enum option_id options_find(struct text name) {
    enum option_id id = 0;
    while (id < OPTION_COUNT && !text_equals(name, options[id].name)) {
        id++;
    }
    return id;
}

/* ---- messages ------------------------------------------------------------------------------- */

#define SHOWN_BYTES 48
#define ALLOWED_BYTES 120

/* For messages: a copy that ends in NUL, shortened if it is long. */
struct shown {
    char text[SHOWN_BYTES];
};

static struct shown show(struct text text) {
    struct shown shown = {{0}};
    size_t length = text.length < SHOWN_BYTES - 1 ? text.length : SHOWN_BYTES - 1;
    memcpy(shown.text, text.start, length);
    return shown;
}

static void report_value(const char *place, const struct option *option, struct text text) {
    char allowed[ALLOWED_BYTES];
    option_print_allowed(option, allowed, sizeof allowed);
    report_line("%s: %s=%s ignored: the value is not allowed; allowed is %s", place, option->name,
                show(text).text, allowed);
}

/* Levenshtein's distance: insertions, deletions and replacements that make one of the other. */
static size_t edit_distance(struct text text, const char *name) {
    size_t row[ARENITE_NAME_BYTES + 1];
    size_t name_length = strlen(name);
    for (size_t j = 0; j <= name_length; j++) {
        row[j] = j;
    }
    for (size_t i = 0; i < text.length; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < name_length; j++) {
            size_t replaced = diagonal + (text.start[i] != name[j]);
            size_t shifted = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            diagonal = row[j + 1];
            row[j + 1] = replaced < shifted ? replaced : shifted;
        }
    }
    return row[name_length];
}

/* The beginning of a name counts as the name. */
static size_t name_distance(struct text text, const char *name) {
    bool begins = text.length != 0 && strncmp(text.start, name, text.length) == 0;
    return begins ? 0 : edit_distance(text, name);
}

/* However far it is: a wrong guess tells that names are compared at all. */
static const char *nearest_name(struct text text) {
    size_t best = 0;
    for (size_t id = 1; id < OPTION_COUNT; id++) {
        if (name_distance(text, options[id].name) < name_distance(text, options[best].name)) {
            best = id;
        }
    }
    return options[best].name;
}

/* ---- places --------------------------------------------------------------------------------- */

static void take_value(const char *place, enum option_id id, struct text text,
                       enum arenite_option_source source) {
    uint64_t value;
    if (!option_parse(&options[id], text, &value) || !options_set(id, value, source)) {
        report_value(place, &options[id], text);
    }
}

/* A long name is cut, as far from every real one as before. */
static void report_name(const char *place, struct text name, const char *problem) {
    struct shown shown = show(name);
    name.length = name.length < ARENITE_NAME_BYTES ? name.length : ARENITE_NAME_BYTES;
    report_line("%s: %s ignored: %s; the nearest is %s=VALUE (`arenite options` lists all)", place,
                shown.text, problem, nearest_name(name));
}

/* NAME=VALUE of ARENITE_OPTIONS. */
static void take_option(struct text item) {
    static const char place[] = "ARENITE_OPTIONS";
    struct text value = item;
    struct text name = text_cut(&value, '=');
    enum option_id id = options_find(name);
    if (name.length == item.length) {
        report_name(place, name, "NAME=VALUE is wanted");
    } else if (id == OPTION_COUNT) {
        report_name(place, name, "no option has this name");
    } else if (id != OPTION_PROFILE) {
        take_value(place, id, value, ARENITE_OPTION_ENVIRONMENT);
    }
}

/* Before everything else: it replaces all defaults. */
static void take_profile(struct text item) {
    struct text value = item;
    struct text name = text_cut(&value, '=');
    if (text_equals(name, options[OPTION_PROFILE].name) && name.length < item.length) {
        take_value("ARENITE_OPTIONS", OPTION_PROFILE, value, ARENITE_OPTION_ENVIRONMENT);
    }
}

/* NAME=VALUE of GLIBC_TUNABLES; the many names there that are not malloc's are not our business. */
static void take_tunable(struct text item) {
    struct text value = item;
    struct text name = text_cut(&value, '=');
    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        if (options[id].tunable[0] != '\0' && text_equals(name, options[id].tunable)) {
            take_value("GLIBC_TUNABLES", id, value, ARENITE_OPTION_TUNABLE);
        }
    }
}

static void take_list(const char *variable, char separator, void (*take)(struct text item)) {
    const char *string = os_environment(variable);
    struct text rest = text_of(string != NULL ? string : "");
    while (rest.length != 0) {
        struct text item = text_cut(&rest, separator);
        if (item.length != 0) {
            take(item);
        }
    }
}

static void take_variables(void) {
    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        const char *variable = options[id].variable;
        const char *string = variable[0] != '\0' ? os_environment(variable) : NULL;
        if (string != NULL && string[0] != '\0') {
            take_value(variable, id, text_of(string), ARENITE_OPTION_VARIABLE);
        }
    }
}

void options_load(void) {
    if (os_is_secure()) {
        return;
    }
    take_list("ARENITE_OPTIONS", ',', take_profile);
    take_list("GLIBC_TUNABLES", ':', take_tunable);
    take_variables();
    take_list("ARENITE_OPTIONS", ',', take_option);
}
