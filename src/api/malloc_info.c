/* malloc_info.c - the XML report, in glibc's schema.
 * Layer: api (includes thread and below).
 *
 * For each arena: one element for every bin that holds chunks (fast bins first, the unsorted bin
 * last), sums, and what it has from the kernel; then the sums over all arenas. As in glibc, sizes
 * of binned chunks include the flag bits of their size words, and "rest" includes top. Pages inside
 * free chunks that were given back are in the chunks' sizes, but in no sum.
 * Where there are slabs, one more element stands among the last sums, with one for each size class
 * in it; they are in no other.
 * The stream is written outside of locks: it may allocate its buffer. */
#include "api/ledger.h"
#include "api/names.h"
#include "api/statistics.h"
#include "base/format.h"

#include "arenite/arenite.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>

#define TEXT_BYTES 512

/* Where the text goes, and the sums of what was shown. */
struct report {
    FILE *stream;
    size_t fast_count, fast_bytes;
    size_t rest_count, rest_bytes;
    size_t system_bytes, system_max_bytes;
    size_t space_bytes, space_writable_bytes;
};

static void say(struct report *report, const char *format, ...) PRINTF_LIKE(2, 3);

static void say(struct report *report, const char *format, ...) {
    char text[TEXT_BYTES];
    va_list arguments;
    va_start(arguments, format);
    format_text_v(text, sizeof text, format, arguments);
    va_end(arguments);
    fputs(text, report->stream);
}

static void say_bin(struct report *report, const char *element, const struct bin_statistics *bin,
                    size_t from) {
    if (bin->count != 0) {
        say(report, "  <%s from=\"%zu\" to=\"%zu\" total=\"%zu\" count=\"%zu\"/>\n", element, from,
            bin->to, bin->total, bin->count);
    }
}

/* A fast bin is shown with the requests that it serves. */
static void say_bins(struct report *report, const struct arena_statistics *arena) {
    say(report, "<sizes>\n");
    for (size_t i = 0; i < FAST_BINS; i++) {
        const struct bin_statistics *bin = &arena->fast[i];
        say_bin(report, "size", bin, bin->from - (CHUNK_ALIGNMENT - 1));
    }
    for (size_t i = BIN_FIRST_SMALL; i < BIN_COUNT; i++) {
        say_bin(report, "size", &arena->bins[i], arena->bins[i].from);
    }
    say_bin(report, "unsorted", &arena->bins[BIN_UNSORTED], arena->bins[BIN_UNSORTED].from);
    say(report, "</sizes>\n");
}

static void say_sums(struct report *report, const struct report *sums) {
    say(report,
        "<total type=\"fast\" count=\"%zu\" size=\"%zu\"/>\n"
        "<total type=\"rest\" count=\"%zu\" size=\"%zu\"/>\n",
        sums->fast_count, sums->fast_bytes, sums->rest_count, sums->rest_bytes);
}

static void say_system(struct report *report, const struct report *sums) {
    say(report,
        "<system type=\"current\" size=\"%zu\"/>\n"
        "<system type=\"max\" size=\"%zu\"/>\n"
        "<aspace type=\"total\" size=\"%zu\"/>\n"
        "<aspace type=\"mprotect\" size=\"%zu\"/>\n",
        sums->system_bytes, sums->system_max_bytes, sums->space_bytes, sums->space_writable_bytes);
}

static struct report sums_of(const struct arena_statistics *arena) {
    struct report sums = {
        .fast_count = arena->fast_count,
        .fast_bytes = arena->fast_bytes,
        .rest_count = 1 + arena->bin_count,
        .rest_bytes = arena->top_bytes,
        .system_bytes = arena->system_bytes,
        .system_max_bytes = arena->system_max_bytes,
        .space_bytes = arena->is_main ? arena->system_bytes : arena->heap_bytes,
        .space_writable_bytes = arena->is_main ? arena->system_bytes : arena->heap_committed_bytes,
    };
    for (size_t i = 0; i < BIN_COUNT; i++) {
        sums.rest_bytes += arena->bins[i].total;
    }
    sums.rest_bytes -= arena->purged_bytes;
    return sums;
}

static void add_sums(struct report *report, const struct report *sums) {
    report->fast_count += sums->fast_count;
    report->fast_bytes += sums->fast_bytes;
    report->rest_count += sums->rest_count;
    report->rest_bytes += sums->rest_bytes;
    report->system_bytes += sums->system_bytes;
    report->system_max_bytes += sums->system_max_bytes;
    report->space_bytes += sums->space_bytes;
    report->space_writable_bytes += sums->space_writable_bytes;
}

static void say_arena(const struct arena_statistics *arena, size_t number, void *state) {
    struct report *report = state;
    struct report sums = sums_of(arena);
    say(report, "<heap nr=\"%zu\">\n", number);
    say_bins(report, arena);
    say_sums(report, &sums);
    say_system(report, &sums);
    if (!arena->is_main) {
        say(report, "<aspace type=\"subheaps\" size=\"%zu\"/>\n", arena->heap_count);
    }
    say(report, "</heap>\n");
    add_sums(report, &sums);
}

/* Slots of each size that has slabs. */
static NOINLINE void say_classes(struct report *report) {
    struct ledger_class classes[SLAB_CLASSES];
    bool is_read = ledger_count_classes(classes);
    for (size_t i = 1; i < SLAB_CLASSES && is_read; i++) {
        if (classes[i].slabs != 0) {
            say(report,
                "  <class size=\"%zu\" slabs=\"%zu\" used=\"%zu\" free=\"%zu\" "
                "uncarved=\"%zu\"/>\n",
                class_bytes(i), classes[i].slabs, classes[i].live, classes[i].free,
                classes[i].uncarved);
        }
    }
}

static void say_slabs(struct report *report, const struct slab_statistics *slabs) {
    if (slabs->committed_bytes != 0) {
        say(report,
            "<slabs count=\"%zu\" used=\"%zu\" used_size=\"%zu\" free=\"%zu\" free_size=\"%zu\" "
            "size=\"%zu\">\n",
            slabs->slabs, slabs->live_count, slabs->live_bytes, slabs->free_count,
            slabs->free_bytes, slabs->committed_bytes);
        say_classes(report);
        say(report, "</slabs>\n");
    }
}

API_EXPORT_WEAK int API(malloc_info)(int options, FILE *stream) {
    if (options != 0) {
        return EINVAL;
    }
    struct heap_statistics sum;
    struct report report = {.stream = stream};
    say(&report, "<malloc version=\"1\">\n");
    statistics_collect(&sum, say_arena, &report);
    say_sums(&report, &report);
    say(&report, "<total type=\"mmap\" count=\"%zu\" size=\"%zu\"/>\n", sum.mapped.count,
        sum.mapped.bytes);
    say_slabs(&report, &sum.slabs);
    say_system(&report, &report);
    say(&report, "</malloc>\n");
    return 0;
}
