/* options.c - the table of options, their parser, and what each value does.
 * Layer: api (includes thread and below). See options.h.
 *
 * Texts are pieces of the environment, never copied but for messages. */
#include "api/options.h"

#include "chunk/params.h"
#include "chunk/quick.h"
#include "os/os.h"
#include "os/report.h"

#include <limits.h>
#include <malloc.h>
#include <string.h>

const struct option options[OPTION_COUNT] = {
/* The formatter would take the designator apart. */
/* clang-format off */
#define OPTION(id, name, type, normal, least, most, number, variable, tunable, help)            \
    [OPTION_##id] = {#name, OPTION_TYPE_##type, normal, least, most, number, variable, tunable, \
                     help},
/* clang-format on */
#include "api/options.def"
};

struct arenite_option_state option_states[OPTION_COUNT] = {
#define OPTION(id, name, type, normal, least, most, number, variable, tunable, help) \
    [OPTION_##id] = {#name, normal, ARENITE_OPTION_DEFAULT, 0},
#include "api/options.def"
};

/* ---- effects -------------------------------------------------------------------------------- */

static void apply(enum option_id id, size_t value) {
    switch (id) {
    case OPTION_PROFILE:
        params_use_profile((enum profile)value);
        option_states[OPTION_TCACHE_COUNT].value = params.quick_count;
        break;
    case OPTION_ARENA_MAX:
        params.arena_max = value;
        break;
    case OPTION_ARENA_TEST:
        params.arena_test = value;
        break;
    case OPTION_MMAP_THRESHOLD:
        params_set_mmap_threshold(value);
        break;
    case OPTION_MMAP_MAX:
        params_set_mmap_max(value);
        break;
    case OPTION_TRIM_THRESHOLD:
        params_set_trim_threshold(value);
        break;
    case OPTION_TOP_PAD:
        params_set_top_pad(value);
        break;
    case OPTION_PERTURB:
        params.perturb = (int)(value & 0xff);
        break;
    case OPTION_MXFAST:
        params_set_fast_max(value);
        break;
    case OPTION_TCACHE_COUNT:
        params.quick_count = value;
        break;
    case OPTION_TCACHE_MAX:
        params.quick_bytes = chunk_bytes_for(value);
        break;
    case OPTION_STATS_AT_EXIT:
    case OPTION_COUNT:
    default:
        break; /* looked up when it is needed */
    }
}

bool options_set(enum option_id id, uint64_t value, enum arenite_option_source source) {
    if (value < options[id].least || value > options[id].most) {
        return false;
    }
    apply(id, (size_t)value);
    option_states[id].value = value;
    option_states[id].source = source;
    return true;
}

/* ---- texts ---------------------------------------------------------------------------------- */

/* A piece of text that no NUL ends. */
struct text {
    const char *start;
    size_t length;
};

static struct text text_of(const char *string) {
    return (struct text){string, strlen(string)};
}

static bool text_equals(struct text text, const char *string) {
    return strlen(string) == text.length && memcmp(text.start, string, text.length) == 0;
}

/* Cuts off what stands before the first separator; the rest starts behind it. */
static struct text text_cut(struct text *rest, char separator) {
    struct text piece = {rest->start, 0};
    while (piece.length < rest->length && piece.start[piece.length] != separator) {
        piece.length++;
    }
    size_t skipped = piece.length < rest->length ? piece.length + 1 : piece.length;
    rest->start += skipped;
    rest->length -= skipped;
    return piece;
}

#define SHOWN_BYTES 48

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

/* ---- values --------------------------------------------------------------------------------- */

static int digit_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : INT_MAX;
}

/* Digits in decimal, or in hexadecimal behind 0x; returns how many characters they take, 0 when
 * there are none or the number does not fit. */
static size_t parse_digits(struct text text, uint64_t *value) {
    bool is_hex = text.length > 2 && text.start[0] == '0' && (text.start[1] | 0x20) == 'x';
    int base = is_hex ? 16 : 10;
    size_t first = is_hex ? 2 : 0;
    size_t at = first;
    *value = 0;
    for (; at < text.length && digit_value(text.start[at]) < base; at++) {
        uint64_t digit = (uint64_t)digit_value(text.start[at]);
        if (__builtin_mul_overflow(*value, (uint64_t)base, value) ||
            __builtin_add_overflow(*value, digit, value)) {
            return 0;
        }
    }
    return at == first ? 0 : at;
}

/* 64K, 2M, 1G: the shift that a suffix means, or -1. */
static int suffix_shift(struct text suffix) {
    if (suffix.length == 0) {
        return 0;
    }
    static const char letters[] = "kmgt";
    for (int i = 0; letters[i] != '\0'; i++) {
        if (suffix.length == 1 && (suffix.start[0] | 0x20) == letters[i]) {
            return 10 * (i + 1);
        }
    }
    return -1;
}

static bool parse_number(const struct option *option, struct text text, uint64_t *value) {
    if (text_equals(text, "-1") && option->most == SIZE_MAX) {
        *value = SIZE_MAX;
        return true;
    }
    size_t digits = parse_digits(text, value);
    struct text suffix = {text.start + digits, text.length - digits};
    if (digits == 0 || (suffix.length != 0 && option->type != OPTION_TYPE_SIZE)) {
        return false;
    }
    int shift = suffix_shift(suffix);
    if (shift < 0 || *value > UINT64_MAX >> shift) {
        return false;
    }
    *value <<= shift;
    return true;
}

static bool parse_word(struct text text, const char *const words[], size_t count, uint64_t *value) {
    for (size_t i = 0; i < count; i++) {
        if (text_equals(text, words[i])) {
            *value = i;
            return true;
        }
    }
    return false;
}

static bool parse_profile(struct text text, uint64_t *value) {
    static const char *const words[] = {"default", "ptmalloc", "glibc"}; /* as enum profile */
    return parse_word(text, words, sizeof words / sizeof words[0], value);
}

static bool parse_flag(struct text text, uint64_t *value) {
    static const char *const words[] = {"0", "1", "no", "yes", "off", "on", "false", "true"};
    bool known = parse_word(text, words, sizeof words / sizeof words[0], value);
    *value %= 2;
    return known;
}

static bool parse_value(const struct option *option, struct text text, uint64_t *value) {
    switch (option->type) {
    case OPTION_TYPE_FLAG:
        return parse_flag(text, value);
    case OPTION_TYPE_PROFILE:
        return parse_profile(text, value);
    default:
        return parse_number(option, text, value);
    }
}

/* ---- messages ------------------------------------------------------------------------------- */

/* "a size" or "a number", as a wrong value's message calls what is wanted. */
static const char *noun_of(const struct option *option) {
    return option->type == OPTION_TYPE_SIZE ? "bytes, or a size as 64K, 2M or 1G," : "a number";
}

static void report_value(const char *place, const struct option *option, struct text text) {
    struct shown shown = show(text);
    if (option->type == OPTION_TYPE_FLAG) {
        report_line("%s: %s=%s ignored: allowed are 0 and 1", place, option->name, shown.text);
    } else if (option->type == OPTION_TYPE_PROFILE) {
        report_line("%s: %s=%s ignored: allowed are default, ptmalloc and glibc", place,
                    option->name, shown.text);
    } else if (option->most == SIZE_MAX) {
        report_line("%s: %s=%s ignored: allowed is %s from %llu on, or -1 for no limit", place,
                    option->name, shown.text, noun_of(option), (unsigned long long)option->least);
    } else {
        report_line("%s: %s=%s ignored: allowed is %s from %llu to %llu", place, option->name,
                    shown.text, noun_of(option), (unsigned long long)option->least,
                    (unsigned long long)option->most);
    }
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

/* NULL when none is near: a third of the letters may be wrong. */
static const char *nearest_name(struct text text) {
    size_t best = 0;
    for (size_t id = 1; id < OPTION_COUNT; id++) {
        if (name_distance(text, options[id].name) < name_distance(text, options[best].name)) {
            best = id;
        }
    }
    bool is_near = text.length != 0 && 3 * name_distance(text, options[best].name) <= text.length;
    return is_near ? options[best].name : NULL;
}

/* ---- places --------------------------------------------------------------------------------- */

static void take_value(const char *place, enum option_id id, struct text text,
                       enum arenite_option_source source) {
    uint64_t value;
    if (!parse_value(&options[id], text, &value) || !options_set(id, value, source)) {
        report_value(place, &options[id], text);
    }
}

/* NAME=VALUE of ARENITE_OPTIONS. */
static void take_option(struct text item) {
    static const char place[] = "ARENITE_OPTIONS";
    struct text value = item;
    struct text name = text_cut(&value, '=');
    bool has_value = name.length < item.length;
    for (enum option_id id = 0; id < OPTION_COUNT; id++) {
        if (text_equals(name, options[id].name) && has_value) {
            if (id != OPTION_PROFILE) {
                take_value(place, id, value, ARENITE_OPTION_ENVIRONMENT);
            }
            return;
        }
    }
    struct shown shown = show(name);
    if (name.length >= ARENITE_NAME_BYTES) {
        name.length = ARENITE_NAME_BYTES;
    }
    const char *problem = has_value ? "no option has this name" : "NAME=VALUE is wanted";
    const char *nearest = nearest_name(name);
    if (nearest != NULL) {
        report_line("%s: %s ignored: %s; the nearest is %s=VALUE", place, shown.text, problem,
                    nearest);
    } else {
        report_line("%s: %s ignored: %s; docs/options.md lists them", place, shown.text, problem);
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
