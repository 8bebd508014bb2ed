/* model_kernel.c - runs a script's operations in the kernel, through the harness.
 * Layer: cli (may use libc). */
#include "cli/model_kernel.h"

#include "cli/cli.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- requests ------------------------------------------------------------------------------ */

static bool receive(const struct kernel *kernel, enum harness_task task, void *data, size_t size) {
    return read(kernel->pipes[task].in, data, size) == (ssize_t)size;
}

static bool ask(struct kernel *kernel, enum harness_task task,
                const struct harness_request *request, struct harness_reply *reply) {
    return write(kernel->pipes[task].out, request, sizeof *request) == sizeof *request &&
           receive(kernel, task, reply, sizeof *reply);
}

/* ---- start and end ------------------------------------------------------------------------- */

/* Two pairs of pipes; ours and the harness's ends of them. */
static bool make_pipes(struct kernel *kernel, struct harness_pipes theirs[HARNESS_TASKS]) {
    for (int task = 0; task < HARNESS_TASKS; task++) {
        int down[2];
        int up[2];
        if (pipe(down) != 0) {
            return false;
        }
        if (pipe(up) != 0) {
            close(down[0]);
            close(down[1]);
            return false;
        }
        kernel->pipes[task] = (struct harness_pipes){up[0], down[1]};
        theirs[task] = (struct harness_pipes){down[0], up[1]};
    }
    return true;
}

static void close_pipes(struct harness_pipes pipes[HARNESS_TASKS]) {
    for (int task = 0; task < HARNESS_TASKS; task++) {
        close(pipes[task].in);
        close(pipes[task].out);
    }
}

static void note_vma(void *context, const struct model_view *view) {
    struct kernel *kernel = context;
    struct scene *scene = kernel->scene;
    const uint64_t data = VMF_WRITE | VMF_SHARED | VMF_GROWSDOWN;
    uint64_t bytes = view->end - view->start;
    kernel->base_total_bytes += bytes;
    kernel->base_data_bytes += (view->flags & data) == VMF_WRITE ? bytes : 0;
    if (scene->frame >= view->start && scene->frame < view->end) {
        scene->stack_start = view->start;
        scene->stack_end = view->end;
    }
    if (scene->vma_count < SCENE_VMAS_MAX) {
        scene->vmas[scene->vma_count++] = *view;
    }
}

/* Reads what the harness arranged; addresses of the model are then those of the process. */
static bool read_scene(struct kernel *kernel, bool bottom_up) {
    struct harness_hello hello;
    struct harness_reply ready;
    struct scene *scene = kernel->scene;
    if (!receive(kernel, HARNESS_PARENT, &hello, sizeof hello) ||
        !receive(kernel, HARNESS_PARENT, &ready, sizeof ready)) {
        say("the process that makes the calls could not start");
        return false;
    }
    if (hello.error != 0) {
        say("the address space cannot be arranged: %s", strerror(hello.error));
        return false;
    }
    *scene = (struct scene){
        .layout = {.task_end = 0x7ffffffff000, .start_break = hello.start_break},
        .window = hello.window,
        .window_bytes = hello.window_bytes,
        .anchor = hello.anchor,
        .break_start = hello.break_start,
        .frame = hello.frame,
    };
    scene->layout.data_bytes = hello.program_data_bytes;
    scene->layout.mmap_base = hello.arena;
    scene->layout.mmap_low = bottom_up ? hello.arena : 0x2aaaaaaaa000;
    kernel->break_end[HARNESS_PARENT] = hello.break_start;
    bool open = smaps_open(&kernel->smaps[HARNESS_PARENT], kernel->pid[HARNESS_PARENT]) &&
                smaps_visit(&kernel->smaps[HARNESS_PARENT], note_vma, kernel);
    kernel->vmpte_start_kb[HARNESS_PARENT] = smaps_vmpte_kb(&kernel->smaps[HARNESS_PARENT]);
    return open && scene->vma_count < SCENE_VMAS_MAX;
}

/* What a child's tables cost when nothing of the script is in them. */
static bool measure_child(struct kernel *kernel) {
    struct harness_request request = {.verb = SCRIPT_FORK};
    struct harness_reply reply;
    struct harness_reply ready;
    struct smaps *smaps = &kernel->smaps[HARNESS_CHILD];
    if (!ask(kernel, HARNESS_PARENT, &request, &reply) ||
        !receive(kernel, HARNESS_CHILD, &ready, sizeof ready) || !smaps_open(smaps, reply.pid)) {
        return false;
    }
    kernel->vmpte_start_kb[HARNESS_CHILD] = smaps_vmpte_kb(smaps);
    smaps_close(smaps);
    request.verb = SCRIPT_EXIT;
    request.slot = HARNESS_CHILD;
    if (!ask(kernel, HARNESS_CHILD, &request, &reply)) {
        return false;
    }
    request.slot = HARNESS_PARENT;
    return ask(kernel, HARNESS_PARENT, &request, &reply);
}

static bool has_fork(const struct script *script) {
    for (size_t i = 0; i < script->op_count; i++) {
        if (script->ops[i].verb == SCRIPT_FORK || script->ops[i].verb == SCRIPT_CLONE) {
            return true;
        }
    }
    return false;
}

bool kernel_start(struct kernel *kernel, const struct script *script, struct scene *scene,
                  bool bottom_up) {
    struct harness_pipes theirs[HARNESS_TASKS];
    *kernel = (struct kernel){.scene = scene};
    if (!make_pipes(kernel, theirs)) {
        say("cannot make pipes: %s", strerror(errno));
        return false;
    }
    fflush(stdout);
    kernel->pid[HARNESS_PARENT] = fork();
    if (kernel->pid[HARNESS_PARENT] == 0) {
        close_pipes(kernel->pipes);
        harness_run(theirs, bottom_up);
    }
    close_pipes(theirs);
    bindings_init(&kernel->bindings, script, scene);
    if (read_scene(kernel, bottom_up) && (!has_fork(script) || measure_child(kernel))) {
        return true;
    }
    kernel_stop(kernel);
    return false;
}

void kernel_stop(struct kernel *kernel) {
    close_pipes(kernel->pipes);
    kill(kernel->pid[HARNESS_PARENT], SIGKILL);
    waitpid(kernel->pid[HARNESS_PARENT], NULL, 0);
    smaps_close(&kernel->smaps[HARNESS_PARENT]);
    smaps_close(&kernel->smaps[HARNESS_CHILD]);
    bindings_destroy(&kernel->bindings);
    state_destroy(&kernel->state);
}

/* ---- operations into requests -------------------------------------------------------------- */

static int protection_of(uint64_t access) {
    return ((access & VMF_READ) != 0 ? PROT_READ : 0) |
           ((access & VMF_WRITE) != 0 ? PROT_WRITE : 0) |
           ((access & VMF_EXEC) != 0 ? PROT_EXEC : 0);
}

struct flag_pair {
    unsigned ours;
    int theirs;
};

static int map_flags_of(unsigned flags) {
    static const struct flag_pair pairs[] = {
        {MAP_REQUEST_FIXED, MAP_FIXED},         {MAP_REQUEST_NOREPLACE, MAP_FIXED_NOREPLACE},
        {MAP_REQUEST_NORESERVE, MAP_NORESERVE}, {MAP_REQUEST_POPULATE, MAP_POPULATE},
        {MAP_REQUEST_LOCKED, MAP_LOCKED},       {MAP_REQUEST_STACK, MAP_STACK},
        {MAP_REQUEST_GROWSDOWN, MAP_GROWSDOWN}, {MAP_REQUEST_NONBLOCK, MAP_NONBLOCK},
    };
    int result = (flags & MAP_REQUEST_SHARED) != 0 ? MAP_SHARED : MAP_PRIVATE;
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        result |= (flags & pairs[i].ours) != 0 ? pairs[i].theirs : 0;
    }
    return result;
}

static int remap_flags_of(unsigned flags) {
    return ((flags & REMAP_REQUEST_MAYMOVE) != 0 ? MREMAP_MAYMOVE : 0) |
           ((flags & REMAP_REQUEST_FIXED) != 0 ? MREMAP_FIXED : 0) |
           ((flags & REMAP_REQUEST_DONTUNMAP) != 0 ? 4 /* MREMAP_DONTUNMAP */ : 0);
}

/* The kernel's numbers, newer ones included that libc's headers may lack. */
static const int advice_numbers[ADVICES] = {
    [ADVICE_NORMAL] = 0,           [ADVICE_RANDOM] = 1,         [ADVICE_SEQUENTIAL] = 2,
    [ADVICE_WILLNEED] = 3,         [ADVICE_DONTNEED] = 4,       [ADVICE_FREE] = 8,
    [ADVICE_REMOVE] = 9,           [ADVICE_DONTFORK] = 10,      [ADVICE_DOFORK] = 11,
    [ADVICE_HUGEPAGE] = 14,        [ADVICE_NOHUGEPAGE] = 15,    [ADVICE_DONTDUMP] = 16,
    [ADVICE_MERGEABLE] = 12,       [ADVICE_UNMERGEABLE] = 13,   [ADVICE_DODUMP] = 17,
    [ADVICE_WIPEONFORK] = 18,      [ADVICE_KEEPONFORK] = 19,    [ADVICE_COLD] = 20,
    [ADVICE_PAGEOUT] = 21,         [ADVICE_POPULATE_READ] = 22, [ADVICE_POPULATE_WRITE] = 23,
    [ADVICE_DONTNEED_LOCKED] = 24, [ADVICE_COLLAPSE] = 25,      [ADVICE_GUARD_INSTALL] = 102,
    [ADVICE_GUARD_REMOVE] = 103,
};

/* Limits of what is mapped count from what was mapped when the script began. */
static void fill_limit(const struct kernel *kernel, const struct script_op *op,
                       struct harness_request *request) {
    static const int numbers[SCRIPT_LIMITS] = {
        [LIMIT_AS] = RLIMIT_AS,
        [LIMIT_DATA] = RLIMIT_DATA,
        [LIMIT_STACK] = RLIMIT_STACK,
        [LIMIT_MEMLOCK] = RLIMIT_MEMLOCK,
    };
    request->flags = numbers[op->limit];
    if (op->length != SCRIPT_UNLIMITED) {
        request->length += op->limit == LIMIT_AS     ? kernel->base_total_bytes
                           : op->limit == LIMIT_DATA ? kernel->base_data_bytes
                                                     : 0;
    }
}

static enum harness_task task_of(const struct kernel *kernel) {
    return kernel->in_child ? HARNESS_CHILD : HARNESS_PARENT;
}

static vaddr *break_of(struct kernel *kernel) {
    return &kernel->break_end[kernel->shares_memory ? HARNESS_PARENT : task_of(kernel)];
}

static bool fill_request(struct kernel *kernel, const struct script_op *op,
                         struct harness_request *request) {
    *request = (struct harness_request){
        .verb = op->verb,
        .length = op->length,
        .new_length = op->new_length,
        .protection = protection_of(op->access),
        .advice = advice_numbers[op->advice],
        .slot = op->file,
    };
    if (op->place.base != SCRIPT_NOWHERE) {
        request->address = bindings_resolve(&kernel->bindings, &op->place);
    }
    if (op->target.base != SCRIPT_NOWHERE) {
        request->target = bindings_resolve(&kernel->bindings, &op->target);
    }
    if (op->verb == SCRIPT_MMAP) {
        request->flags = map_flags_of(op->flags);
    } else if (op->verb == SCRIPT_MREMAP) {
        request->flags = remap_flags_of(op->flags);
    } else if (op->verb == SCRIPT_STACK) {
        request->address = kernel->scene->frame;
    } else if (op->verb == SCRIPT_BRK) {
        request->address =
            op->negative ? *break_of(kernel) - op->length : *break_of(kernel) + op->length;
    } else if (op->verb == SCRIPT_CLONE) {
        request->flags = (int)op->flags;
    } else if (op->verb == SCRIPT_RLIMIT) {
        fill_limit(kernel, op, request);
    } else if (op->verb == SCRIPT_FILE || op->verb == SCRIPT_THREAD || op->verb == SCRIPT_JOIN) {
        request->slot = op->name;
    }
    return request->address != VADDR_NONE && request->slot < HARNESS_SLOTS;
}

/* ---- what can be seen after it ------------------------------------------------------------- */

static enum fault_signal signal_of(const struct harness_reply *reply) {
    if (reply->signal == 0) {
        return FAULT_NO_SIGNAL;
    }
    if (reply->signal == SIGBUS) {
        return FAULT_BUS;
    }
    return reply->signal_code == SEGV_ACCERR ? FAULT_ACCERR : FAULT_MAPERR;
}

static void view_vma(void *context, const struct model_view *view) {
    struct kernel *kernel = context;
    if (bindings_list(&kernel->bindings, view->start, view->end)) {
        state_add_view(&kernel->state, view);
    }
}

static bool look(struct kernel *kernel) {
    enum harness_task task = kernel->shares_memory ? HARNESS_PARENT : task_of(kernel);
    struct smaps *smaps = &kernel->smaps[task];
    bool seen = smaps_visit(smaps, view_vma, kernel);
    kernel->state.in_child = kernel->in_child;
    kernel->state.vmpte_kb = smaps_vmpte_kb(smaps) - kernel->vmpte_start_kb[task];
    return seen;
}

/* ---- the run ------------------------------------------------------------------------------- */

static bool run_fork(struct kernel *kernel, const struct harness_request *request,
                     struct harness_reply *reply) {
    struct harness_reply ready;
    kernel->break_end[HARNESS_CHILD] = kernel->break_end[HARNESS_PARENT];
    return ask(kernel, HARNESS_PARENT, request, reply) &&
           receive(kernel, HARNESS_CHILD, &ready, sizeof ready) &&
           smaps_open(&kernel->smaps[HARNESS_CHILD], reply->pid);
}

/* A task that shares the parent's memory is looked at there. */
static bool run_clone(struct kernel *kernel, const struct harness_request *request,
                      struct harness_reply *reply) {
    if ((request->flags & CLONE_VM) == 0) {
        return run_fork(kernel, request, reply);
    }
    struct harness_reply ready;
    kernel->shares_memory = true;
    return ask(kernel, HARNESS_PARENT, request, reply) && reply->error == 0 &&
           receive(kernel, HARNESS_CHILD, &ready, sizeof ready);
}

static bool run_exit(struct kernel *kernel, struct harness_request *request,
                     struct harness_reply *reply) {
    kernel->in_child = false;
    kernel->shares_memory = false;
    request->slot = HARNESS_CHILD;
    smaps_close(&kernel->smaps[HARNESS_CHILD]);
    if (!ask(kernel, HARNESS_CHILD, request, reply)) {
        return false;
    }
    request->slot = HARNESS_PARENT;
    return ask(kernel, HARNESS_PARENT, request, reply);
}

static bool make_call(struct kernel *kernel, const struct script_op *op,
                      struct harness_request *request, struct harness_reply *reply) {
    switch (op->verb) {
    case SCRIPT_IN:
        kernel->in_child = op->in_child;
        return true;
    case SCRIPT_FORK:
        return run_fork(kernel, request, reply);
    case SCRIPT_CLONE:
        return run_clone(kernel, request, reply);
    case SCRIPT_EXIT:
        return run_exit(kernel, request, reply);
    default:
        return ask(kernel, task_of(kernel), request, reply);
    }
}

static bool counts_faults(enum script_verb verb) {
    return verb != SCRIPT_FORK && verb != SCRIPT_CLONE && verb != SCRIPT_EXIT &&
           verb != SCRIPT_THREAD && verb != SCRIPT_JOIN;
}

bool kernel_run(struct kernel *kernel, const struct script_op *op) {
    struct harness_request request;
    struct harness_reply reply = {0};
    struct model_state *state = &kernel->state;
    state_begin(state);
    if (!fill_request(kernel, op, &request)) {
        state->error = EINVAL; /* a name that stands for nothing */
        return look(kernel);
    }
    if (!make_call(kernel, op, &request, &reply)) {
        return false;
    }
    state->error = reply.error;
    state->signal = signal_of(&reply);
    bool by_harness = op->verb == SCRIPT_FILE; /* which makes the file, not the script */
    state->minflt = counts_faults(op->verb) ? reply.minflt * !by_harness : UNKNOWN_COUNT;
    state->majflt = counts_faults(op->verb) ? reply.majflt : 0;
    state->result = reply.error == 0 ? reply.result : 0;
    state->result_length = reply.result_length;
    if (op->verb == SCRIPT_BRK && reply.error == 0) {
        *break_of(kernel) = reply.result;
    }
    bindings_note(&kernel->bindings, op, state);
    return look(kernel);
}
