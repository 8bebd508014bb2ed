/* trace.c - see trace.h.
 * Layer: os (includes base, os.h). */
#include "os/trace.h"

#include "base/bits.h"
#include "base/format.h"
#include "os/os.h"
#include "os/report.h"

#include <string.h>

/* What a function with a frame pointer leaves on the stack. */
struct frame {
    const struct frame *caller;
    const void *return_address;
};

/* A walk upwards, from an address on the stack. */
struct ascent {
    uintptr_t lowest;
    uintptr_t readable; /* the page that was found readable last */
};

static bool page_is_readable(struct ascent *ascent, uintptr_t address) {
    uintptr_t page = align_down(address, os_page_bytes());
    if (page != ascent->readable) {
        if (!os_can_read((const void *)page)) {
            return false;
        }
        ascent->readable = page;
    }
    return true;
}

static bool is_frame(struct ascent *ascent, const struct frame *frame) {
    uintptr_t at = (uintptr_t)frame;
    return at >= ascent->lowest && at - ascent->lowest < TRACE_REACH_BYTES &&
           is_aligned(at, sizeof(void *)) && page_is_readable(ascent, at) &&
           page_is_readable(ascent, at + sizeof *frame - 1);
}

static bool is_code(const void *address) {
    struct os_module module;
    return os_find_module(address, &module);
}

/* Adds the callers of a frame behind the addresses that are there. Other functions' frames are read
 * as they are. */
READS_BLINDLY static void climb(struct trace *trace, size_t count, struct ascent *ascent,
                                const struct frame *frame) {
    while (count < TRACE_FRAMES && is_frame(ascent, frame) && is_code(frame->return_address)) {
        trace->frames[count++] = frame->return_address;
        ascent->lowest = (uintptr_t)(frame + 1);
        frame = frame->caller;
    }
}

READS_BLINDLY void trace_take(struct trace *trace) {
    const struct frame *frame = report_frame;
    struct ascent ascent = {.lowest = (uintptr_t)__builtin_frame_address(0)};
    memset(trace, 0, sizeof *trace);
    trace->frames[0] = report_caller;
    if (report_caller != NULL && is_frame(&ascent, frame) &&
        frame->return_address == report_caller) {
        ascent.lowest = (uintptr_t)(frame + 1);
        climb(trace, 1, &ascent, frame->caller);
    }
}

void trace_take_from(struct trace *trace, const void *place, const void *frame) {
    struct ascent ascent = {.lowest = (uintptr_t)frame};
    memset(trace, 0, sizeof *trace);
    trace->frames[0] = place;
    climb(trace, 1, &ascent, frame);
}

static size_t print_place(const void *place, char *text, size_t size) {
    struct os_module module;
    if (os_find_module(place, &module)) {
        return format_text(text, size, "%s+0x%zx", module.name, (size_t)module.offset);
    }
    return format_text(text, size, "%p", place);
}

size_t trace_print(const struct trace *trace, char *text, size_t size) {
    size_t length = 0;
    for (size_t i = 0; i < TRACE_FRAMES && trace->frames[i] != NULL; i++) {
        size_t used = length < size ? length : size;
        length += i == 0 ? 0 : format_text(text + used, size - used, " ");
        used = length < size ? length : size;
        length += print_place(trace->frames[i], text + used, size - used);
    }
    return length;
}
