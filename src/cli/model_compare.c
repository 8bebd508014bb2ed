/* model_compare.c - one script in the model and in the kernel, side by side.
 * Layer: cli (may use libc). */
#include "cli/model_compare.h"

#include "cli/cli.h"
#include "cli/model_kernel.h"
#include "cli/model_world.h"
#include "cli/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- differences --------------------------------------------------------------------------- */

static void add_line(struct comparison *comparison, char *line) {
    char *old = comparison->difference;
    comparison->difference = text_format("%s  %s\n", old == NULL ? "" : old, line);
    free(old);
    free(line);
}

/* With swap only the sum of faults is exact: how many of them find their page in memory is not. */
static struct model_state with_sum_of_faults(const struct model_state *state) {
    struct model_state sum = *state;
    sum.minflt += state->minflt == UNKNOWN_COUNT ? 0 : state->majflt;
    sum.majflt = 0;
    return sum;
}

static void compare_keys(struct comparison *comparison, const struct model_state *model,
                         const struct model_state *kernel) {
    struct model_state sums[2];
    if (model->has_swap) {
        sums[0] = with_sum_of_faults(model);
        sums[1] = with_sum_of_faults(kernel);
        model = &sums[0];
        kernel = &sums[1];
    }
    for (int key = 0; key < SCRIPT_KEYS; key++) {
        char *ours = state_value(model, (enum script_key)key);
        char *theirs = state_value(kernel, (enum script_key)key);
        if (strcmp(ours, theirs) != 0) {
            add_line(comparison,
                     text_format("%s: model %s, kernel %s", script_key_names[key], ours, theirs));
        }
        free(ours);
        free(theirs);
    }
}

static bool views_equal(const struct model_view *a, const struct model_view *b) {
    return a->start == b->start && a->end == b->end && a->flags == b->flags &&
           a->rss_kb == b->rss_kb && a->anon_kb == b->anon_kb && a->ahp_kb == b->ahp_kb &&
           a->swap_kb == b->swap_kb;
}

static char *view_text(const struct bindings *bindings, const struct model_view *view) {
    char permissions[5];
    state_permissions(view->flags, permissions);
    char *start = state_place(bindings, view->start, view);
    char *end = state_place(bindings, view->end, view);
    char *text = text_format("%s-%s %s rss %" PRIu64 " anon %" PRIu64 " huge %" PRIu64, start, end,
                             permissions, view->rss_kb, view->anon_kb, view->ahp_kb);
    for (int i = 0; i < VMA_FLAG_NAMES; i++) {
        if ((view->flags & vma_flag_names[i].flag) != 0) {
            char *longer = text_format("%s %s", text, vma_flag_names[i].name);
            free(text);
            text = longer;
        }
    }
    free(start);
    free(end);
    return text;
}

static void list_views(struct comparison *comparison, const char *side,
                       const struct bindings *bindings, const struct model_state *state) {
    for (size_t i = 0; i < state->view_count; i++) {
        char *text = view_text(bindings, &state->views[i]);
        add_line(comparison, text_format("%s: %s", side, text));
        free(text);
    }
}

static void compare_views(struct comparison *comparison, const struct world *world,
                          const struct kernel *kernel) {
    const struct model_state *model = &world->state;
    bool same = model->view_count == kernel->state.view_count;
    for (size_t i = 0; same && i < model->view_count; i++) {
        same = views_equal(&model->views[i], &kernel->state.views[i]);
    }
    if (!same) {
        list_views(comparison, "model ", &world->bindings, model);
        list_views(comparison, "kernel", &kernel->bindings, &kernel->state);
    }
}

static bool gives_address(enum script_verb verb) {
    return verb == SCRIPT_MMAP || verb == SCRIPT_MREMAP;
}

static void compare_step(struct comparison *comparison, const struct world *world,
                         const struct kernel *kernel, const struct script_op *op) {
    const struct model_state *model = &world->state;
    compare_keys(comparison, model, &kernel->state);
    if (gives_address(op->verb) && model->error == 0 && model->result != kernel->state.result) {
        add_line(comparison, text_format("address: model %" PRIx64 ", kernel %" PRIx64,
                                         model->result, kernel->state.result));
    }
    compare_views(comparison, world, kernel);
}

/* ---- the run ------------------------------------------------------------------------------- */

static void check_expectation(struct comparison *comparison, const struct kernel *kernel,
                              const struct script_op *op) {
    if (!state_has(&kernel->state, op->key, op->value)) {
        char *held = state_value(&kernel->state, op->key);
        add_line(comparison, text_format("expected %s %s, but it is %s", script_key_names[op->key],
                                         op->value, held));
        free(held);
    }
}

static bool run_step(struct comparison *comparison, struct world *world, struct kernel *kernel,
                     const struct script_op *op) {
    if (op->verb == SCRIPT_EXPECT) {
        check_expectation(comparison, kernel, op);
        return true;
    }
    comparison->ops++;
    if (!kernel_run(kernel, op)) {
        say("line %u: the process that makes the calls has gone", op->line);
        return false;
    }
    world_run(world, op);
    compare_step(comparison, world, kernel, op);
    const char *broken = world_audit(world);
    if (broken != NULL) {
        add_line(comparison, text_format("the model is broken: %s", broken));
    }
    return true;
}

static void run_both(struct comparison *comparison, struct world *world, struct kernel *kernel,
                     const struct script *script) {
    for (size_t i = 0; i < script->op_count; i++) {
        const struct script_op *op = &script->ops[i];
        comparison->broken = !run_step(comparison, world, kernel, op);
        if (comparison->broken || comparison->difference != NULL) {
            comparison->line = op->line;
            return;
        }
    }
}

void comparison_run(struct comparison *comparison, const struct script *script,
                    const struct model_options *options, const struct personality *personality) {
    *comparison = (struct comparison){.broken = true};
    struct kernel kernel;
    struct world world;
    struct scene scene;
    if (!kernel_start(&kernel, script, &scene, options->bottom_up)) {
        return;
    }
    if (world_init(&world, script, &scene, personality, options->index,
                   model_frames(options, personality))) {
        run_both(comparison, &world, &kernel, script);
        const char *broken = machine_audit(&world.machine);
        if (broken != NULL) {
            add_line(comparison, text_format("the model is broken at the end: %s", broken));
        }
        world_destroy(&world);
    } else {
        say("not enough memory for the model");
    }
    kernel_stop(&kernel);
}

void comparison_destroy(struct comparison *comparison) {
    free(comparison->difference);
    comparison->difference = NULL;
}
