/* trace.h - who called: a short list of return addresses, taken without waiting or allocating.
 * Layer: os (includes base, os.h).
 *
 *   report_frame --> | saved frame pointer ----> | saved frame pointer ----> ...
 *                    | return address = caller   | return address
 *
 * The first address is the caller of the public function (report_caller), which is always known.
 * The others come from the chain of frame pointers, as far as the program was compiled with them
 * (-fno-omit-frame-pointer). The chain begins at the frame of a function of ours that was entered
 * by a jump from the public one: there the frame pointer is still the program's. Where it is not,
 * the return address beside it is another one, and nothing is followed.
 *
 * A program without frame pointers has anything in that register, so nothing is believed: the next
 * frame lies above the last one, aligned, within TRACE_REACH_BYTES; the kernel says that its page
 * can be read; its return address lies in a loaded file. On a stack, all between two frames is
 * stack, so what was readable stays so. A wrong guess costs a senseless line in a report. */
#ifndef ARENITE_OS_TRACE_H
#define ARENITE_OS_TRACE_H

#include "base/compiler.h"

#define TRACE_FRAMES 12
#define TRACE_REACH_BYTES ((size_t)1024 * 1024)

/* The innermost caller first; NULL behind the last one. */
struct trace {
    const void *frames[TRACE_FRAMES];
};

/* Callers of the public function that the thread is in. */
void trace_take(struct trace *trace);

/* The same from a place and the frame pointer there, as a signal's handler is told them. */
void trace_take_from(struct trace *trace, const void *place, const void *frame);

/* "demo+0x1189 libfoo.so+0x204": the length that the whole text has. */
size_t trace_print(const struct trace *trace, char *text, size_t size);

#endif
