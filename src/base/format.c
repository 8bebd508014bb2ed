/* format.c - the printer that never allocates (contract in format.h).
 * Layer: base (includes only base).
 *
 * A directive is parsed into a struct, its value is turned into text from the last digit backwards
 * in a small buffer, and one function pads and appends. Appending counts always and stores only
 * while there is room, which gives I1 and I2 of format.h for free. */
#include "base/format.h"

/* Digits of the longest number, 2^64 - 1 in decimal, with a sign. */
#define NUMBER_TEXT_MAX 24

struct sink {
    char *buffer;
    size_t size;
    size_t length; /* of the whole text, fitted or not */
};

enum length_modifier { LENGTH_INT, LENGTH_LONG, LENGTH_LONG_LONG, LENGTH_SIZE };

struct directive {
    bool left_aligned;
    size_t width;
    enum length_modifier modifier;
    char conversion;
};

/* va_list may be an array type, which cannot be passed on by address; a struct can. */
struct arguments {
    va_list list;
};

static void sink_char(struct sink *sink, char c) {
    if (sink->length + 1 < sink->size) {
        sink->buffer[sink->length] = c;
    }
    sink->length++;
}

static void sink_padding(struct sink *sink, size_t count) {
    for (size_t i = 0; i < count; i++) {
        sink_char(sink, ' ');
    }
}

static void sink_field(struct sink *sink, const struct directive *directive, const char *text,
                       size_t length) {
    size_t padding = directive->width > length ? directive->width - length : 0;
    if (!directive->left_aligned) {
        sink_padding(sink, padding);
    }
    for (size_t i = 0; i < length; i++) {
        sink_char(sink, text[i]);
    }
    if (directive->left_aligned) {
        sink_padding(sink, padding);
    }
}

static void sink_number(struct sink *sink, const struct directive *directive, uint64_t value,
                        unsigned base, const char *prefix) {
    char text[NUMBER_TEXT_MAX];
    size_t start = sizeof text;
    do {
        text[--start] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    for (size_t i = 0; prefix[i] != '\0'; i++) {
        start--;
    }
    for (size_t i = 0; prefix[i] != '\0'; i++) {
        text[start + i] = prefix[i];
    }
    sink_field(sink, directive, text + start, sizeof text - start);
}

static int64_t take_signed(struct arguments *arguments, enum length_modifier modifier) {
    switch (modifier) {
    case LENGTH_LONG:
        return va_arg(arguments->list, long);
    case LENGTH_LONG_LONG:
        return va_arg(arguments->list, long long);
    case LENGTH_SIZE:
        return va_arg(arguments->list, ptrdiff_t);
    case LENGTH_INT:
    default:
        return va_arg(arguments->list, int);
    }
}

static uint64_t take_unsigned(struct arguments *arguments, enum length_modifier modifier) {
    switch (modifier) {
    case LENGTH_LONG:
        return va_arg(arguments->list, unsigned long);
    case LENGTH_LONG_LONG:
        return va_arg(arguments->list, unsigned long long);
    case LENGTH_SIZE:
        return va_arg(arguments->list, size_t);
    case LENGTH_INT:
    default:
        return va_arg(arguments->list, unsigned);
    }
}

static void sink_signed(struct sink *sink, const struct directive *directive, int64_t value) {
    uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    sink_number(sink, directive, magnitude, 10, value < 0 ? "-" : "");
}

static void sink_string(struct sink *sink, const struct directive *directive, const char *text) {
    if (text == NULL) {
        text = "(null)";
    }
    size_t length = 0;
    while (text[length] != '\0') {
        length++;
    }
    sink_field(sink, directive, text, length);
}

/* Parses what follows a percent sign; returns the position after the conversion character, which
 * is NUL when the format ends too early. */
static const char *parse_directive(const char *at, struct directive *directive) {
    *directive = (struct directive){.modifier = LENGTH_INT};
    if (*at == '-') {
        directive->left_aligned = true;
        at++;
    }
    for (; *at >= '0' && *at <= '9'; at++) {
        directive->width = directive->width * 10 + (size_t)(*at - '0');
    }
    if (*at == 'z') {
        directive->modifier = LENGTH_SIZE;
        at++;
    } else if (*at == 'l') {
        bool twice = at[1] == 'l';
        directive->modifier = twice ? LENGTH_LONG_LONG : LENGTH_LONG;
        at += twice ? 2 : 1;
    }
    directive->conversion = *at;
    return *at == '\0' ? at : at + 1;
}

/* False when the directive is none of ours; no argument is then consumed. */
static bool sink_directive(struct sink *sink, const struct directive *directive,
                           struct arguments *arguments) {
    char c;
    switch (directive->conversion) {
    case '%':
        sink_char(sink, '%');
        return true;
    case 'c':
        c = (char)va_arg(arguments->list, int);
        sink_field(sink, directive, &c, 1);
        return true;
    case 's':
        sink_string(sink, directive, va_arg(arguments->list, const char *));
        return true;
    case 'd':
        sink_signed(sink, directive, take_signed(arguments, directive->modifier));
        return true;
    case 'u':
        sink_number(sink, directive, take_unsigned(arguments, directive->modifier), 10, "");
        return true;
    case 'x':
        sink_number(sink, directive, take_unsigned(arguments, directive->modifier), 16, "");
        return true;
    case 'p':
        sink_number(sink, directive, (uintptr_t)va_arg(arguments->list, void *), 16, "0x");
        return true;
    default:
        return false;
    }
}

size_t format_text_v(char *buffer, size_t size, const char *format, va_list list) {
    struct sink sink = {.buffer = buffer, .size = size};
    struct arguments arguments;
    va_copy(arguments.list, list);
    for (const char *at = format; *at != '\0';) {
        if (*at != '%') {
            sink_char(&sink, *at++);
            continue;
        }
        struct directive directive;
        const char *after = parse_directive(at + 1, &directive);
        if (!sink_directive(&sink, &directive, &arguments)) {
            for (; at < after; at++) {
                sink_char(&sink, *at);
            }
        }
        at = after;
    }
    va_end(arguments.list);
    if (size > 0) {
        buffer[sink.length < size ? sink.length : size - 1] = '\0';
    }
    return sink.length;
}

size_t format_text(char *buffer, size_t size, const char *format, ...) {
    va_list list;
    va_start(list, format);
    size_t length = format_text_v(buffer, size, format, list);
    va_end(list);
    return length;
}
