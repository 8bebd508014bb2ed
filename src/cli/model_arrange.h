/* model_arrange.h - makes the address space of the harness what a script expects.
 * Layer: cli (may use libc). */
#ifndef ARENITE_CLI_MODEL_ARRANGE_H
#define ARENITE_CLI_MODEL_ARRANGE_H

#include "cli/model_harness.h"

/* Fills the gaps, chooses window, heap and the place of new mappings. 0 or errno in hello. */
void arrange_space(struct harness_hello *hello, bool bottom_up);

/* Drops the pages of the process's stack below an address that is in use. */
void arrange_stack(struct harness_hello *hello, uint64_t in_use);

/* Makes present all that this process has mapped now, or (again) what it had at the last full
 * settling: every page of its own that it could ever touch. */
void arrange_settle(bool again);

#endif
