/* model_probe.h - how the kernel at hand behaves where kernels differ.
 * Layer: cli (may use libc).
 *
 * Each probe runs a short script in the kernel. An answer that the model has a rule for goes into
 * the personality; any other is an unknown variant, and no tolerance is widened for it. */
#ifndef ARENITE_CLI_MODEL_PROBE_H
#define ARENITE_CLI_MODEL_PROBE_H

#include "cli/model.h"

/* Fills the personality in; false, with a message for each probe that had an unexpected answer. */
bool probe_kernel(struct personality *personality, bool bottom_up);

/* The part of it that is settings, which somebody may change meanwhile. */
void probe_settings(struct personality *personality);

#endif
