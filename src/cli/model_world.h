/* model_world.h - runs a script's operations in the model.
 * Layer: cli (may use libc). */
#ifndef ARENITE_CLI_MODEL_WORLD_H
#define ARENITE_CLI_MODEL_WORLD_H

#include "cli/model_state.h"
#include "model/mm.h"
#include "model/thread_stack.h"

struct world {
    struct machine machine;
    struct mm parent;
    struct mm child;
    bool has_child;
    bool in_child;
    bool shares_memory; /* the child is a clone with CLONE_VM: both are in `parent` */
    const struct scene *scene;
    struct bindings bindings;
    struct model_file **files; /* per name of the script; NULL: none */
    struct thread_stacks threads;
    struct thread_stack **stacks; /* per name of the script; NULL: no thread runs */
    int64_t vmpte_start_kb[2];    /* parent, child */
    uint64_t base_pages;          /* mapped when the script begins, and of these what */
    uint64_t base_data_pages;     /* RLIMIT_DATA counts: limits count from there */
    struct model_state state;     /* after the last operation */
};

/* Sets the scene up; false when the host has no memory. frames: how much RAM there is to touch. */
bool world_init(struct world *world, const struct script *script, const struct scene *scene,
                const struct personality *personality, enum index_kind index_kind, uint64_t frames);
void world_destroy(struct world *world);

/* Runs one operation (not `expect`) and fills world->state in. */
void world_run(struct world *world, const struct script_op *op);

/* The address space that the script is in. */
struct mm *world_mm(struct world *world);

/* NULL, or what is broken in the model. */
const char *world_audit(struct world *world);

#endif
