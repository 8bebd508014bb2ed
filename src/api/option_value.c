/* option_value.c - see option_value.h.
 * Layer: api (includes thread and below). */
#include "api/option_value.h"

#include "api/budget.h"
#include "base/format.h"

#include <limits.h>
#include <string.h>

/* ---- texts ---------------------------------------------------------------------------------- */

struct text text_of(const char *string) {
    return (struct text){string, strlen(string)};
}

bool text_equals(struct text text, const char *string) {
    return strlen(string) == text.length && memcmp(text.start, string, text.length) == 0;
}

struct text text_cut(struct text *rest, char separator) {
    struct text piece = {rest->start, 0};
    while (piece.length < rest->length && piece.start[piece.length] != separator) {
        piece.length++;
    }
    size_t skipped = piece.length < rest->length ? piece.length + 1 : piece.length;
    rest->start += skipped;
    rest->length -= skipped;
    return piece;
}

/* ---- numbers with suffixes ------------------------------------------------------------------ */

/* What a suffix multiplies by; without one a number is in the option's unit. */
struct suffix {
    char text[4];
    uint64_t factor; /* 0: nobody knows the suffix */
};

static const struct suffix plain_suffixes[] = {{"", 1}, {"", 0}};

static const struct suffix size_suffixes[] = {
    {"", 1},
    {"K", UINT64_C(1) << 10},
    {"M", UINT64_C(1) << 20},
    {"G", UINT64_C(1) << 30},
    {"T", UINT64_C(1) << 40},
    {"", 0},
};

static const struct suffix time_suffixes[] = {
    {"", 1}, {"ms", 1}, {"s", 1000}, {"min", 60000}, {"", 0},
};

static const struct suffix *suffixes_of(enum option_type type) {
    if (type == OPTION_TYPE_SIZE || type == OPTION_TYPE_BUDGET) {
        return size_suffixes;
    }
    return type == OPTION_TYPE_TIME ? time_suffixes : plain_suffixes;
}

static bool equals_ignoring_case(struct text text, const char *string) {
    size_t i = 0;
    while (i < text.length && string[i] != '\0' && (text.start[i] | 0x20) == (string[i] | 0x20)) {
        i++;
    }
    return i == text.length && string[i] == '\0';
}

static uint64_t factor_of(const struct suffix *suffixes, struct text text) {
    while (suffixes->factor != 0 && !equals_ignoring_case(text, suffixes->text)) {
        suffixes++;
    }
    return suffixes->factor;
}

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

static bool is_unlimited(const struct option *option) {
    return option->most == SIZE_MAX &&
           (option->type == OPTION_TYPE_COUNT || option->type == OPTION_TYPE_SIZE);
}

static bool parse_number(const struct option *option, struct text text, uint64_t *value) {
    if (is_unlimited(option) && text_equals(text, "-1")) {
        *value = SIZE_MAX;
        return true;
    }
    size_t digits = parse_digits(text, value);
    struct text rest = {text.start + digits, text.length - digits};
    uint64_t factor = factor_of(suffixes_of(option->type), rest);
    return digits != 0 && factor != 0 && !__builtin_mul_overflow(*value, factor, value);
}

/* ---- words ---------------------------------------------------------------------------------- */

static bool parse_word(const char *words, struct text text, uint64_t *value) {
    struct text rest = text_of(words);
    for (*value = 0; rest.length != 0; (*value)++) {
        struct text word = text_cut(&rest, '|');
        if (word.length == text.length && memcmp(word.start, text.start, text.length) == 0) {
            return true;
        }
    }
    return false;
}

static bool parse_flag(struct text text, uint64_t *value) {
    bool known = parse_word("0|1|no|yes|off|on|false|true", text, value);
    *value %= 2;
    return known;
}

/* cgroup, or cgroup:75%. Without a part nine tenths: the group's limit counts stacks, files and
 * page tables, too. */
static bool parse_cgroup(struct text text, uint64_t *value) {
    struct text part = text;
    uint64_t percent = 90;
    if (!text_equals(text_cut(&part, ':'), "cgroup")) {
        return false;
    }
    if (part.length != 0) {
        size_t digits = parse_digits(part, &percent);
        struct text sign = {part.start + digits, part.length - digits};
        if (digits == 0 || !text_equals(sign, "%")) {
            return false;
        }
    }
    *value = BUDGET_OF_CGROUP | percent;
    return percent >= 1 && percent <= 100;
}

/* 1/N, or 0. */
static bool parse_one_in(struct text text, uint64_t *value) {
    struct text number = text;
    if (text_equals(text, "0")) {
        *value = 0;
        return true;
    }
    bool is_one = text_equals(text_cut(&number, '/'), "1");
    return is_one && parse_digits(number, value) == number.length && number.length != 0 &&
           *value != 0;
}

/* ---- reading and writing -------------------------------------------------------------------- */

static bool parse(const struct option *option, struct text text, uint64_t *value) {
    switch (option->type) {
    case OPTION_TYPE_FLAG:
        return parse_flag(text, value);
    case OPTION_TYPE_WORD:
        return parse_word(option->unit, text, value);
    case OPTION_TYPE_BUDGET:
        return parse_cgroup(text, value) ||
               (parse_number(option, text, value) && *value < BUDGET_OF_CGROUP);
    case OPTION_TYPE_ONE_IN:
        return parse_one_in(text, value);
    default:
        return parse_number(option, text, value);
    }
}

bool option_parse(const struct option *option, struct text text, uint64_t *value) {
    return parse(option, text, value) && *value >= option->least && *value <= option->most;
}

static size_t print_word(const struct option *option, uint64_t value, char *buffer, size_t size) {
    struct text rest = text_of(option->unit);
    struct text word = text_cut(&rest, '|');
    for (; value != 0 && rest.length != 0; value--) {
        word = text_cut(&rest, '|');
    }
    size_t shown = word.length < size ? word.length : size - (size != 0);
    memcpy(buffer, word.start, shown);
    if (size != 0) {
        buffer[shown] = '\0';
    }
    return word.length;
}

size_t option_print(const struct option *option, uint64_t value, char *buffer, size_t size) {
    if (option->type == OPTION_TYPE_WORD) {
        return print_word(option, value, buffer, size);
    }
    if (option->type == OPTION_TYPE_BUDGET && (value & BUDGET_OF_CGROUP) != 0) {
        return format_text(buffer, size, "cgroup:%llu%%",
                           (unsigned long long)(value & ~BUDGET_OF_CGROUP));
    }
    if (option->type == OPTION_TYPE_ONE_IN && value != 0) {
        return format_text(buffer, size, "1/%llu", (unsigned long long)value);
    }
    if (is_unlimited(option) && value == SIZE_MAX) {
        return format_text(buffer, size, "-1");
    }
    return format_text(buffer, size, "%llu", (unsigned long long)value);
}

/* ---- what is allowed ------------------------------------------------------------------------ */

static const char *noun_of(enum option_type type) {
    switch (type) {
    case OPTION_TYPE_SIZE:
        return "bytes, or a size as 64K, 2M or 1G,";
    case OPTION_TYPE_TIME:
        return "milliseconds, or a time as 500ms, 10s or 2min,";
    default:
        return "a number";
    }
}

static size_t print_words(const struct option *option, char *buffer, size_t size) {
    size_t length = format_text(buffer, size, "one of %s", option->unit);
    for (size_t i = 0; i + 1 < size && buffer[i] != '\0'; i++) {
        buffer[i] = buffer[i] == '|' ? '/' : buffer[i];
    }
    return length;
}

size_t option_print_allowed(const struct option *option, char *buffer, size_t size) {
    char least[32];
    char most[32];
    switch (option->type) {
    case OPTION_TYPE_FLAG:
        return format_text(buffer, size, "0 or 1");
    case OPTION_TYPE_WORD:
        return print_words(option, buffer, size);
    case OPTION_TYPE_BUDGET:
        return format_text(buffer, size,
                           "bytes, a size as 500M, cgroup, or a part as cgroup:90%%; "
                           "0 for none");
    case OPTION_TYPE_ONE_IN:
        return format_text(buffer, size, "1/N with N from 1 to %llu; 0 for none",
                           (unsigned long long)option->most);
    default:
        break;
    }
    option_print(option, option->least, least, sizeof least);
    option_print(option, option->most, most, sizeof most);
    if (is_unlimited(option)) {
        return format_text(buffer, size, "%s from %s on, or -1 for no limit", noun_of(option->type),
                           least);
    }
    return format_text(buffer, size, "%s from %s to %s", noun_of(option->type), least, most);
}

const char *option_type_name(enum option_type type) {
    static const char names[][12] = {"number", "size",   "duration", "flag",
                                     "word",   "budget", "share"};
    return names[type];
}
