/* stats_report.c - arenite_stats_json and arenite_stats_text: the ledger, and a row for each arena,
 * size class and thread.
 * Layer: api (includes thread and below).
 *
 * Both forms walk the same figures; a form is how it begins, separates and ends its rows. */
#include "api/ledger.h"
#include "api/options.h"
#include "api/start.h"
#include "base/format.h"

#include "arenite/arenite.h"

#include <stdarg.h>

/* The caller's buffer, and how long the whole text is so far. */
struct sink {
    char *buffer;
    size_t size;
    size_t length;
    bool is_json;
    const char *separator; /* before the next row */
};

static void say(struct sink *sink, const char *format, ...) PRINTF_LIKE(2, 3);

static void say(struct sink *sink, const char *format, ...) {
    size_t used = sink->length < sink->size ? sink->length : sink->size;
    va_list arguments;
    va_start(arguments, format);
    sink->length += format_text_v(sink->size == used ? NULL : sink->buffer + used,
                                  sink->size - used, format, arguments);
    va_end(arguments);
}

/* The beginning of a row: JSON puts commas between them. */
static void say_separator(struct sink *sink) {
    if (sink->is_json) {
        say(sink, "%s\n    ", sink->separator);
        sink->separator = ",";
    }
}

static void begin_rows(struct sink *sink, const char *key, const char *heading) {
    sink->separator = "";
    if (sink->is_json) {
        say(sink, "  \"%s\": [", key);
    } else {
        say(sink, "%s\n", heading);
    }
}

static void end_rows(struct sink *sink) {
    if (sink->is_json) {
        say(sink, "\n  ],\n");
    }
}

/* ---- rows ----------------------------------------------------------------------------------- */

static void say_arena(const struct arena_statistics *arena, size_t number, void *state) {
    struct sink *sink = state;
    size_t binned = arena->free_bytes - arena->top_bytes;
    if (arena->incomplete) {
        binned = 0;
    }
    say_separator(sink);
    say(sink,
        sink->is_json ? "{\"arena\": %zu, \"system\": %zu, \"system_max\": %zu, \"used\": %zu, "
                        "\"free_in_bins\": %zu, \"top\": %zu, \"heaps\": %zu}"
                      : "%7zu %13zu %13zu %13zu %13zu %13zu %13zu\n",
        number, arena->system_bytes, arena->system_max_bytes, arena->used_bytes, binned,
        arena->incomplete ? 0 : arena->top_bytes, arena->heap_count);
}

static NOINLINE void say_classes(struct sink *sink) {
    struct ledger_class classes[SLAB_CLASSES];
    begin_rows(sink, "size_classes",
               "   size         slabs          live          free      uncarved    live bytes");
    bool is_read = ledger_count_classes(classes);
    for (size_t i = 0; i < SLAB_CLASSES && is_read; i++) {
        const struct ledger_class *class = &classes[i];
        if (class->slabs == 0) {
            continue;
        }
        say_separator(sink);
        say(sink,
            sink->is_json ? "{\"size\": %zu, \"slabs\": %zu, \"live\": %zu, \"free\": %zu, "
                            "\"uncarved\": %zu, \"live_bytes\": %zu}"
                          : "%7zu %13zu %13zu %13zu %13zu %13zu\n",
            class_bytes(i), class->slabs, class->live, class->free, class->uncarved,
            class->live * class_bytes(i));
    }
    end_rows(sink);
}

static void say_thread(const struct ledger_thread *thread, void *state) {
    struct sink *sink = state;
    say_separator(sink);
    say(sink,
        sink->is_json ? "{\"tid\": %d, \"arena\": %zu, \"slabs\": %zu, \"live\": %zu, "
                        "\"free_in_slabs\": %zu, \"spare\": %zu, \"free_in_lists\": %zu, "
                        "\"queued\": %zu}"
                      : "%7d %13zu %13zu %13zu %13zu %13zu %13zu %13zu\n",
        thread->id, thread->arena, thread->slabs, thread->live_bytes, thread->free_bytes,
        thread->spare_bytes, thread->list_bytes, thread->queued_bytes);
}

static NOINLINE void say_threads(struct sink *sink) {
    begin_rows(sink, "threads",
               " thread         arena         slabs          live free in slabs         spare "
               "free in lists        queued");
    ledger_visit_threads(say_thread, sink);
    end_rows(sink);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static NOINLINE void say_arenas(struct sink *sink, struct heap_statistics *sum) {
    begin_rows(sink, "arenas",
               "  arena        system       at most          used       in bins           top"
               "         heaps");
    statistics_collect(sum, say_arena, sink);
    end_rows(sink);
}

static void say_row(struct sink *sink, const char *name, const char *text, size_t bytes) {
    if (sink->is_json) {
        say(sink, "    \"%s\": %zu,\n", name, bytes);
    } else {
        say(sink, "%-44s %16zu bytes\n", text, bytes);
    }
}

static void say_ledger(struct sink *sink, const struct heap_statistics *sum) {
    struct ledger ledger;
    ledger_make(sum, &ledger);
    say(sink, "%s", sink->is_json ? "  \"bytes\": {\n" : "");
#define SAY_ROW(name, text) say_row(sink, #name, text, ledger.name);
    LEDGER_ROWS(SAY_ROW)
#undef SAY_ROW
    if (sink->is_json) {
        say(sink, "    \"total\": %zu\n  }\n}\n", ledger.total);
    } else {
        say_row(sink, "total", "= in all", ledger.total);
    }
}

static size_t report(struct sink *sink) {
    struct heap_statistics sum;
    char profile[16];
    start_ensure();
    option_print(&options[OPTION_PROFILE], options_get(OPTION_PROFILE), profile, sizeof profile);
    say(sink, sink->is_json ? "{\n  \"version\": 1,\n  \"profile\": \"%s\",\n" : "profile %s\n",
        profile);
    say_arenas(sink, &sum);
    say_classes(sink);
    say_threads(sink);
    say_ledger(sink, &sum);
    return sink->length;
}

EXPORT size_t arenite_stats_json(char *buf, size_t size) {
    return report(&(struct sink){.buffer = buf, .size = size, .is_json = true});
}

EXPORT size_t arenite_stats_text(char *buf, size_t size) {
    return report(&(struct sink){.buffer = buf, .size = size});
}
