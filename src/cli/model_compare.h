/* model_compare.h - one script in the model and in the kernel, side by side.
 * Layer: cli (may use libc). */
#ifndef ARENITE_CLI_MODEL_COMPARE_H
#define ARENITE_CLI_MODEL_COMPARE_H

#include "cli/model.h"

struct comparison {
    uint64_t ops;     /* that were run */
    unsigned line;    /* of the operation at which they differed; 0: none */
    bool broken;      /* the harness or the model failed: no comparison at all */
    char *difference; /* text, one line a difference; freed by comparison_destroy */
};

/* Runs the script until the first difference. */
void comparison_run(struct comparison *comparison, const struct script *script,
                    const struct model_options *options, const struct personality *personality);
void comparison_destroy(struct comparison *comparison);

#endif
