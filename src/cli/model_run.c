/* model_run.c - `arenite model run`: a script in the model alone.
 * Layer: cli (may use libc). */
#include "cli/cli.h"
#include "cli/model.h"
#include "cli/model_world.h"

#include <inttypes.h>
#include <stdlib.h>

/* ---- output for people --------------------------------------------------------------------- */

static void print_view(const struct bindings *bindings, const struct model_view *view) {
    char permissions[5];
    state_permissions(view->flags, permissions);
    char *start = state_place(bindings, view->start, view);
    char *end = state_place(bindings, view->end, view);
    printf("    %-14s %-14s %s %8" PRIu64 " kB resident", start, end, permissions, view->rss_kb);
    for (int i = 0; i < VMA_FLAG_NAMES; i++) {
        if ((view->flags & vma_flag_names[i].flag) != 0) {
            printf(" %s", vma_flag_names[i].name);
        }
    }
    putchar('\n');
    free(start);
    free(end);
}

static void print_state(const struct bindings *bindings, const struct model_state *state,
                        const struct script_op *op, size_t number) {
    const struct model_view sum = state_sum(state);
    const char *signal = state_signal_name(state->signal);
    printf("%zu: %s\n    %s, %s", number, op->text,
           state->error == 0 ? "done" : script_errno_name(state->error),
           signal == NULL ? "no signal" : signal);
    if (state->minflt != UNKNOWN_COUNT) {
        printf(", %" PRId64 " minor faults", state->minflt);
    }
    if (state->majflt != 0) {
        printf(", %" PRId64 " major ones", state->majflt);
    }
    if (state->has_swap) {
        printf("; in swap %" PRIu64 " kB", sum.swap_kb);
    }
    printf("; resident %" PRIu64 " kB, anonymous %" PRIu64 " kB, huge %" PRIu64
           " kB, page tables %+" PRId64 " kB\n",
           sum.rss_kb, sum.anon_kb, sum.ahp_kb, state->vmpte_kb);
    for (size_t i = 0; i < state->view_count; i++) {
        print_view(bindings, &state->views[i]);
    }
}

static void print_text(const char *title, const char *text) {
    printf("\n%s:\n%s", title, text);
}

/* The machine's memory as /proc would show it; an extrapolation, not compared with any kernel. */
static void print_memory(const struct machine *machine) {
    static char text[16 * 1024];
    machine_meminfo(machine, text, sizeof text);
    print_text("meminfo", text);
    frames_buddyinfo(&machine->frames, text, sizeof text);
    print_text("buddyinfo", text);
    frames_pagetypeinfo(&machine->frames, text, sizeof text);
    print_text("pagetypeinfo", text);
    kmem_slabinfo(&machine->kmem, text, sizeof text);
    print_text("slabinfo", text);
    kmem_slabtop(&machine->kmem, text, sizeof text);
    print_text("slabtop", text);
}

/* ---- what of it is not exact --------------------------------------------------------------- */

static bool is_shared(const struct script_op *op) {
    return op->verb == SCRIPT_MMAP && (op->flags & MAP_REQUEST_SHARED) != 0;
}

/* Shared mappings of files. */
static bool depends_on_folios(const struct script *script) {
    for (size_t i = 0; i < script->op_count; i++) {
        if (is_shared(&script->ops[i]) && script->ops[i].file >= 0) {
            return true;
        }
    }
    return false;
}

/* Shared memory, and MADV_COLLAPSE, perhaps of it. */
static bool collapses_shared(const struct script *script) {
    bool shared = false;
    bool collapses = false;
    for (size_t i = 0; i < script->op_count; i++) {
        const struct script_op *op = &script->ops[i];
        shared |= is_shared(op) && op->file < 0;
        collapses |= op->verb == SCRIPT_MADVISE && op->advice == ADVICE_COLLAPSE;
    }
    return shared && collapses;
}

/* Says under people's output which of its figures are estimates or extrapolations. */
static void print_labels(const struct script *script, const struct model_options *options) {
    if (options->swap_bytes > 0 || options->ram_bytes > 0) {
        printf("note: when memory runs short, which pages go, and how many faults are major, are "
               "estimates; the sum of the faults is not.\n");
    }
    if (depends_on_folios(script)) {
        printf("note: faults in shared mappings of files depend on the page cache's folios: "
               "estimates.\n");
    }
    if (collapses_shared(script)) {
        printf("note: the kernel can make huge pages of shared memory by MADV_COLLAPSE; the model "
               "makes none there.\n");
    }
    if (options->group_bytes > 0) {
        printf("note: the group is charged for what this script makes; the kernel charges a new "
               "process's task and stacks too, and up to 64 pages ahead on every processor.\n");
    }
    if (options->bits32) {
        printf("note: a 32-bit process was not compared with a kernel: an extrapolation.\n");
    }
    if (options->memory) {
        printf("note: which frames are taken, lists and slabs cannot be compared with a kernel; "
               "their formats and invariants are.\n");
    }
}

/* ---- the run ------------------------------------------------------------------------------- */

/* False, with a message, when the last state is not as the line says. */
static bool check_expectation(const struct model_state *state, const struct script_op *op,
                              const char *path) {
    if (state_has(state, op->key, op->value)) {
        return true;
    }
    char *held = state_value(state, op->key);
    say("%s:%u: expected %s %s, but it is %s", path, op->line, script_key_names[op->key], op->value,
        held);
    free(held);
    return false;
}

static bool run_script(struct world *world, const struct script *script,
                       const struct model_options *options) {
    bool as_expected = true;
    size_t number = 0;
    for (size_t i = 0; i < script->op_count; i++) {
        const struct script_op *op = &script->ops[i];
        if (op->verb == SCRIPT_EXPECT) {
            as_expected &= check_expectation(&world->state, op, options->file);
            continue;
        }
        world_run(world, op);
        number++;
        if (options->json) {
            state_print_json(stdout, &world->bindings, &world->state, op, number);
        } else {
            print_state(&world->bindings, &world->state, op, number);
        }
    }
    return as_expected;
}

int model_run(const struct model_options *options) {
    struct script script;
    if (!script_read(&script, options->file)) {
        return CLI_FAILED;
    }
    const struct personality personality = model_personality(options);
    struct scene scene;
    scene_default(&scene, &personality);
    struct world world;
    int status = CLI_FAILED;
    if (world_init(&world, &script, &scene, &personality, options->index,
                   model_frames(options, &personality))) {
        group_limit(&world.machine, options->group_bytes >> MODEL_PAGE_SHIFT);
        status = run_script(&world, &script, options) ? CLI_OK : CLI_FAILED;
        if (options->memory) {
            print_memory(&world.machine);
        }
        if (!options->json) {
            print_labels(&script, options);
        }
        world_destroy(&world);
    } else {
        say("not enough memory for the model");
    }
    if (script.bad_line != 0) {
        fflush(stdout);
        model_say_bad_line(&script, options->file);
        status = CLI_USAGE;
    }
    script_destroy(&script);
    return status;
}
