/* model_state.h - what one operation of a script did, seen from the model or from the kernel.
 * Layer: cli (may use libc).
 *
 * Both sides fill in the same struct in absolute addresses; the scene and the names turn them into
 * places when they are shown. */
#ifndef ARENITE_CLI_MODEL_STATE_H
#define ARENITE_CLI_MODEL_STATE_H

#include "cli/model_script.h"
#include "model/mm.h"

#include <stdio.h>

/* One VMA as smaps shows it. */
struct model_view {
    vaddr start;
    vaddr end;
    uint64_t flags; /* VMF_*; bits without a name are not in it */
    uint64_t rss_kb;
    uint64_t anon_kb;
    uint64_t ahp_kb;
    uint64_t swap_kb;
};

#define UNKNOWN_COUNT (-1) /* JSON's null */

struct model_state {
    int error; /* positive errno, 0 */
    enum fault_signal signal;
    bool in_child;
    int64_t minflt; /* of this operation, or UNKNOWN_COUNT */
    int64_t majflt;
    int64_t vmpte_kb;       /* since the start of the script */
    vaddr result;           /* of mmap, mremap and thread */
    uint64_t result_length; /* of thread: its stack, with the guard */
    bool has_swap;          /* the machine has an area: swap_kb is shown */
    struct model_view *views;
    size_t view_count;
    size_t view_room;
};

/* The address space that a script starts in; the same one for the model and for the process. */
#define SCENE_VMAS_MAX 256

struct scene {
    struct mm_layout layout;
    vaddr window;
    uint64_t window_bytes;
    vaddr anchor;      /* a page in use in the window's 512 GiB */
    vaddr break_start; /* where the script's heap begins */
    vaddr stack_start;
    vaddr stack_end;
    vaddr frame; /* the first frame: stack pages below it are untouched */
    struct model_view vmas[SCENE_VMAS_MAX]; /* all that is mapped, the stack and anchor included */
    size_t vma_count;
};

/* The scene of a process on a machine that is only modelled. */
void scene_default(struct scene *scene, const struct personality *personality);

/* What names stand for while a script runs. */
struct binding {
    vaddr start; /* VADDR_NONE: nothing, the mmap failed */
    uint64_t length;
};

struct bindings {
    const struct script *script;
    const struct scene *scene;
    struct binding *names;
    bool heap_used;
    bool stack_used;
};

void bindings_init(struct bindings *bindings, const struct script *script,
                   const struct scene *scene);
void bindings_destroy(struct bindings *bindings);

/* The address of a place, VADDR_NONE when its name stands for nothing. */
vaddr bindings_resolve(const struct bindings *bindings, const struct script_place *place);

/* Notes what a finished operation means for the names. */
void bindings_note(struct bindings *bindings, const struct script_op *op,
                   const struct model_state *state);

/* Whether a VMA is one of those that the state lists. */
bool bindings_list(const struct bindings *bindings, vaddr start, vaddr end);

void state_begin(struct model_state *state);
void state_add_view(struct model_state *state, const struct model_view *view);
void state_destroy(struct model_state *state);

/* Sums over the views. */
struct model_view state_sum(const struct model_state *state);

/* One JSON line. */
void state_print_json(FILE *file, const struct bindings *bindings, const struct model_state *state,
                      const struct script_op *op, size_t number);

/* An end of a VMA as a place of the script: "W+64K", "NAME+4K", "[heap]+0". Freed by the caller. */
char *state_place(const struct bindings *bindings, vaddr address, const struct model_view *vma);

const char *state_signal_name(enum fault_signal signal); /* NULL: no signal */
void state_permissions(uint64_t flags, char text[5]);

/* The value of a key as text, as `expect` writes it. Freed by the caller. */
char *state_value(const struct model_state *state, enum script_key key);

/* Whether a value of `expect` is what the state holds. */
bool state_has(const struct model_state *state, enum script_key key, const char *value);

#endif
