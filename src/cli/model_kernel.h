/* model_kernel.h - runs a script's operations in the kernel, through the harness.
 * Layer: cli (may use libc). */
#ifndef ARENITE_CLI_MODEL_KERNEL_H
#define ARENITE_CLI_MODEL_KERNEL_H

#include "cli/model_harness.h"
#include "cli/model_smaps.h"

struct kernel {
    pid_t pid[HARNESS_TASKS];
    struct harness_pipes pipes[HARNESS_TASKS]; /* the tool's ends */
    struct smaps smaps[HARNESS_TASKS];
    int64_t vmpte_start_kb[HARNESS_TASKS];
    bool in_child;
    bool shares_memory; /* the child is a clone with CLONE_VM */
    vaddr break_end[HARNESS_TASKS];
    uint64_t base_total_bytes; /* mapped when the script begins */
    uint64_t base_data_bytes;
    struct scene *scene;
    struct bindings bindings;
    struct model_state state; /* after the last operation */
};

/* Starts a harness; fills the scene in from what it arranged. False, with a message, on failure. */
bool kernel_start(struct kernel *kernel, const struct script *script, struct scene *scene,
                  bool bottom_up);
void kernel_stop(struct kernel *kernel);

/* Runs one operation (not `expect`) and fills kernel->state in. False when the harness died. */
bool kernel_run(struct kernel *kernel, const struct script_op *op);

#endif
