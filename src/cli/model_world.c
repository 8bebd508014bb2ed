/* model_world.c - runs a script's operations in the model.
 * Layer: cli (may use libc). */
#include "cli/model_world.h"

#include "cli/text.h"
#include "model/file.h"
#include "model/mm_internal.h"

#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>

/* ---- memory of the model ------------------------------------------------------------------- */

static void *take_chunk(size_t bytes) {
    void *chunk = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return chunk == MAP_FAILED ? NULL : chunk;
}

static void put_chunk(void *chunk, size_t bytes) {
    munmap(chunk, bytes);
}

static const struct model_chunks chunks = {take_chunk, put_chunk};

/* ---- the scene ----------------------------------------------------------------------------- */

struct mm *world_mm(struct world *world) {
    return world->in_child && !world->shares_memory ? &world->child : &world->parent;
}

/* What is mapped before the script begins: no call of the script meets it. */
static bool add_vma(struct mm *mm, const struct model_view *view) {
    struct vma *vma = vma_new(mm);
    if (vma == NULL) {
        return false;
    }
    vma->start = view->start;
    vma->end = view->end;
    vma->flags = view->flags | VMF_FOREIGN;
    vma->pgoff = view->start >> MODEL_PAGE_SHIFT;
    if (vma_index_insert(&mm->index, vma) < 0) {
        return false;
    }
    mm_count_pages(mm, vma->flags, (int64_t)vma_pages(vma));
    if ((vma->flags & VMF_LOCKED) != 0) {
        mm->locked_pages += vma_pages(vma);
    }
    return true;
}

static bool touch(struct mm *mm, vaddr start, vaddr end) {
    for (vaddr at = start; at < end; at += MODEL_PAGE_BYTES) {
        if (mm_access(mm, at, true) != FAULT_NO_SIGNAL) {
            return false;
        }
    }
    return true;
}

/* Tables for the whole first stack: what lay below the first frame was used before. */
static bool make_stack_tables(struct mm *mm, const struct scene *scene) {
    for (vaddr at = scene->stack_start; at < scene->stack_end; at = block_end(at)) {
        page_entry *pmd = tables_make_pmd(&mm->tables, at);
        if (pmd == NULL || pte_alloc(&mm->tables, pmd, at) == NULL) {
            return false;
        }
    }
    return true;
}

static bool set_scene(struct world *world) {
    const struct scene *scene = world->scene;
    struct mm *mm = &world->parent;
    for (size_t i = 0; i < scene->vma_count; i++) {
        if (!add_vma(mm, &scene->vmas[i])) {
            return false;
        }
    }
    mm->break_end = scene->break_start;
    world->base_pages = mm->total_pages;
    world->base_data_pages = mm->data_pages;
    bool touched = make_stack_tables(mm, scene) &&
                   touch(mm, scene->anchor, scene->anchor + MODEL_PAGE_BYTES) &&
                   touch(mm, scene->frame, scene->stack_end);
    mm->minor_faults = 0;
    world->vmpte_start_kb[0] = (int64_t)(tables_bytes(&mm->tables) >> 10);
    return touched;
}

bool world_init(struct world *world, const struct script *script, const struct scene *scene,
                const struct personality *personality, enum index_kind index_kind,
                uint64_t frames) {
    *world = (struct world){.scene = scene};
    if (machine_init(&world->machine, personality, index_kind, frames, &chunks) < 0) {
        return false;
    }
    bindings_init(&world->bindings, script, scene);
    world->files = text_array(script->name_count + 1, sizeof(struct model_file *));
    world->stacks = text_array(script->name_count + 1, sizeof(struct thread_stack *));
    if (mm_init(&world->parent, &world->machine, &scene->layout) == 0 && set_scene(world)) {
        return true;
    }
    world_destroy(world);
    return false;
}

void world_destroy(struct world *world) {
    machine_destroy(&world->machine); /* everything of the model lies in its pool */
    bindings_destroy(&world->bindings);
    state_destroy(&world->state);
    free(world->files);
    free(world->stacks);
}

/* ---- operations ---------------------------------------------------------------------------- */

static int run_mmap(struct world *world, const struct script_op *op) {
    struct model_file *file = op->file >= 0 ? world->files[op->file] : NULL;
    const struct map_request request = {
        .address =
            op->place.base == SCRIPT_NOWHERE ? 0 : bindings_resolve(&world->bindings, &op->place),
        .length = op->length,
        .access = op->access,
        .flags = op->flags,
        .file = file,
        .file_page = op->file >= 0 ? op->new_length >> MODEL_PAGE_SHIFT : 0,
    };
    if (request.address == VADDR_NONE) {
        return -EINVAL;
    }
    if (op->file >= 0 && file == NULL) {
        return -EBADF;
    }
    if (op->file >= 0 && !is_page_aligned(op->new_length)) {
        return -EINVAL;
    }
    return mm_map(world_mm(world), &request, &world->state.result);
}

static int run_mremap(struct world *world, const struct script_op *op, vaddr at) {
    const struct remap_request request = {
        .address = at,
        .old_length = op->length,
        .new_length = op->new_length,
        .flags = op->flags,
        .new_address =
            op->target.base == SCRIPT_NOWHERE ? 0 : bindings_resolve(&world->bindings, &op->target),
    };
    return mm_remap(world_mm(world), &request, &world->state.result);
}

/* Touches every page of a range, upwards, until one access fails. */
static void run_touch(struct world *world, vaddr start, uint64_t length, bool write) {
    struct mm *mm = world_mm(world);
    for (vaddr at = PAGE_MASK_OF(start); at < start + length; at += MODEL_PAGE_BYTES) {
        world->state.signal = mm_access(mm, at < start ? start : at, write);
        if (world->state.signal != FAULT_NO_SIGNAL) {
            return;
        }
    }
}

/* Downwards from the first frame, as a recursion would. */
static void run_stack(struct world *world, uint64_t length) {
    struct mm *mm = world_mm(world);
    for (uint64_t done = 0; done < length; done += MODEL_PAGE_BYTES) {
        vaddr at = world->scene->frame - done - MODEL_PAGE_BYTES;
        world->state.signal = mm_access(mm, at, true);
        if (world->state.signal != FAULT_NO_SIGNAL) {
            return;
        }
    }
}

static int run_brk(struct world *world, const struct script_op *op) {
    struct mm *mm = world_mm(world);
    vaddr wanted = op->negative ? mm->break_end - op->length : mm->break_end + op->length;
    return mm_break(mm, wanted);
}

static int run_rlimit(struct world *world, const struct script_op *op) {
    struct mm_limits *limits = &world_mm(world)->limits;
    uint64_t *const slots[SCRIPT_LIMITS] = {
        [LIMIT_AS] = &limits->address_space,
        [LIMIT_DATA] = &limits->data,
        [LIMIT_STACK] = &limits->stack,
        [LIMIT_MEMLOCK] = &limits->locked,
    };
    uint64_t base_pages = op->limit == LIMIT_AS     ? world->base_pages
                          : op->limit == LIMIT_DATA ? world->base_data_pages
                                                    : 0;
    *slots[op->limit] =
        op->length == SCRIPT_UNLIMITED ? LIMIT_NONE : op->length + (base_pages << MODEL_PAGE_SHIFT);
    return 0;
}

static int run_file(struct world *world, const struct script_op *op) {
    uint64_t pages = pages_of(page_round_up(op->length));
    struct model_file *file = file_new(&world->machine, pages, false);
    if (file == NULL) {
        return -ENOMEM;
    }
    world->files[op->name] = file; /* one before it stays until the machine goes */
    return 0;
}

static int run_thread(struct world *world, const struct script_op *op) {
    struct thread_stack **stack = &world->stacks[op->name];
    if (world->in_child || *stack != NULL) {
        return -EBUSY; /* threads are the parent's; this one runs already */
    }
    uint64_t room = op->length == SCRIPT_NO_SIZE ? THREAD_STACK_DEFAULT_BYTES : op->length;
    int error = thread_start(&world->parent, &world->threads, room, op->new_length, stack,
                             &world->state.signal);
    if (error == 0) {
        world->state.result = (*stack)->base;
        world->state.result_length = (*stack)->bytes;
    }
    return error;
}

static int run_join(struct world *world, const struct script_op *op) {
    struct thread_stack **stack = &world->stacks[op->name];
    if (world->in_child || *stack == NULL) {
        return -EINVAL;
    }
    thread_join(&world->parent, &world->threads, *stack);
    *stack = NULL;
    return 0;
}

static int run_fork(struct world *world) {
    int error = mm_fork(&world->parent, &world->child);
    if (error == 0) {
        world->has_child = true;
        world->vmpte_start_kb[1] = world->vmpte_start_kb[0];
    }
    return error;
}

/* Of the flags only CLONE_VM concerns memory: without it a clone is a fork. */
static int run_clone(struct world *world, const struct script_op *op) {
    if ((op->flags & CLONE_VM) == 0) {
        return run_fork(world);
    }
    world->shares_memory = true;
    return 0;
}

static void run_exit(struct world *world) {
    if (!world->shares_memory) {
        mm_destroy(&world->child);
    }
    world->shares_memory = false;
    world->has_child = false;
    world->in_child = false;
}

/* Operations on a place; an unbound name is an error of its own. */
static int run_at(struct world *world, const struct script_op *op) {
    struct mm *mm = world_mm(world);
    vaddr at = bindings_resolve(&world->bindings, &op->place);
    if (at == VADDR_NONE) {
        return -EINVAL;
    }
    switch (op->verb) {
    case SCRIPT_MUNMAP:
        return mm_unmap(mm, at, op->length);
    case SCRIPT_MPROTECT:
        return mm_protect(mm, at, op->length, op->access);
    case SCRIPT_MADVISE:
        return mm_advise(mm, at, op->length, op->advice);
    case SCRIPT_MREMAP:
        return run_mremap(world, op, at);
    case SCRIPT_MLOCK:
    case SCRIPT_MUNLOCK:
        return mm_lock(mm, at, op->length, op->verb == SCRIPT_MLOCK);
    default:
        run_touch(world, at, op->length, op->verb == SCRIPT_WRITE);
        return 0;
    }
}

static int run_op(struct world *world, const struct script_op *op) {
    switch (op->verb) {
    case SCRIPT_MMAP:
        return run_mmap(world, op);
    case SCRIPT_BRK:
        return run_brk(world, op);
    case SCRIPT_STACK:
        run_stack(world, op->length);
        return 0;
    case SCRIPT_FORK:
        return run_fork(world);
    case SCRIPT_IN:
        world->in_child = op->in_child;
        return 0;
    case SCRIPT_EXIT:
        run_exit(world);
        return 0;
    case SCRIPT_RLIMIT:
        return run_rlimit(world, op);
    case SCRIPT_FILE:
        return run_file(world, op);
    case SCRIPT_THREAD:
        return run_thread(world, op);
    case SCRIPT_JOIN:
        return run_join(world, op);
    case SCRIPT_CLONE:
        return run_clone(world, op);
    case SCRIPT_EXPECT:
    case SCRIPT_VERBS:
        return -ENOSYS;
    default:
        return run_at(world, op);
    }
}

/* ---- what can be seen after it ------------------------------------------------------------- */

static bool counts_faults(enum script_verb verb) {
    return verb != SCRIPT_FORK && verb != SCRIPT_CLONE && verb != SCRIPT_EXIT &&
           verb != SCRIPT_THREAD && verb != SCRIPT_JOIN;
}

static void view_vmas(struct world *world) {
    const struct mm *mm = world_mm(world);
    for (const struct vma *vma = vma_index_first(&mm->index); vma != NULL;
         vma = vma_index_next(&mm->index, vma)) {
        if (!bindings_list(&world->bindings, vma->start, vma->end)) {
            continue;
        }
        struct vma_usage usage;
        mm_vma_usage(mm, vma, &usage);
        const struct model_view view = {
            .start = vma->start,
            .end = vma->end,
            .flags = vma->flags & ~VMF_FOREIGN,
            .rss_kb = usage.rss >> 10,
            .anon_kb = usage.anonymous >> 10,
            .ahp_kb = usage.anon_huge >> 10,
            .swap_kb = usage.swap >> 10,
        };
        state_add_view(&world->state, &view);
    }
}

void world_run(struct world *world, const struct script_op *op) {
    state_begin(&world->state);
    const struct mm *mm = world_mm(world);
    uint64_t minor = mm->minor_faults;
    uint64_t major = mm->major_faults;
    bool is_dead = mm->killed && op->verb != SCRIPT_IN && op->verb != SCRIPT_EXIT;
    int error = is_dead ? -ESRCH : run_op(world, op);
    struct model_state *state = &world->state;
    state->error = -error;
    bool counts = counts_faults(op->verb);
    state->minflt = counts && op->verb != SCRIPT_IN ? (int64_t)(mm->minor_faults - minor) : 0;
    state->majflt = counts && op->verb != SCRIPT_IN ? (int64_t)(mm->major_faults - major) : 0;
    state->minflt = counts ? state->minflt : UNKNOWN_COUNT;
    state->has_swap = world->machine.personality.swap_pages > 0;
    state->in_child = world->in_child;
    bindings_note(&world->bindings, op, state);
    view_vmas(world);
    state->vmpte_kb = (int64_t)(tables_bytes(&world_mm(world)->tables) >> 10) -
                      world->vmpte_start_kb[world->in_child && !world->shares_memory];
}

const char *world_audit(struct world *world) {
    const char *broken = mm_audit(&world->parent);
    return broken == NULL && world->has_child ? mm_audit(&world->child) : broken;
}
