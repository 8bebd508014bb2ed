/* model_scene.c - the address space that a script of `arenite model run` starts in.
 * Layer: cli (may use libc).
 *
 * It is shaped like the one that `arenite model check` prepares in a real process, with its
 * addresses made up: a program, libraries, a stack, and
 *
 *   heap (1 GiB aligned) ... | window W, 16 GiB |  free  | new mappings v | libraries ... stack
 *
 * so that W, heap and new mappings each begin in a 1 GiB of tables of their own, in 512 GiB that
 * are in use. */
#include "cli/model_state.h"

#define GIB ((uint64_t)1 << 30)

static void add(struct scene *scene, vaddr start, vaddr end, uint64_t flags) {
    const struct model_view view = {.start = start, .end = end, .flags = flags};
    scene->vmas[scene->vma_count++] = view;
}

static void scene_64(struct scene *scene, bool bottom_up) {
    const vaddr top = 0x7fffc0000000; /* new mappings go below it, or from low up */
    const vaddr low = 0x2aab00000000;
    vaddr base = bottom_up ? low : top;
    scene->layout = (struct mm_layout){
        .task_end = 0x7ffffffff000,
        .mmap_base = bottom_up ? low : top,
        .mmap_low = low,
        .start_break = 0x555580000000,
        .stack_top = 0x7fffffffe000,
    };
    scene->window = bottom_up ? low + 32 * GIB : top - 48 * GIB;
    scene->window_bytes = 16 * GIB;
    scene->anchor = bottom_up ? low + 60 * GIB : top - 60 * GIB;
    scene->break_start = 0x555580000000;
    scene->stack_start = 0x7ffffffde000;
    scene->stack_end = 0x7ffffffff000;
    scene->frame = 0x7fffffffe000;
    add(scene, 0x555555554000, 0x555555574000, VMF_READ | VMF_EXEC | VMF_MAY);
    vaddr libraries = bottom_up ? base - 0x400000 : base;
    add(scene, libraries, libraries + 0x200000, VMF_READ | VMF_EXEC | VMF_MAY);
}

static void scene_32(struct scene *scene) {
    scene->layout = (struct mm_layout){
        .task_end = 0xffffe000,
        .mmap_base = 0xf7fc0000,
        .mmap_low = 0x55555000,
        .start_break = 0x09000000,
        .stack_top = 0xffffc000,
    };
    scene->window = 0x80000000;
    scene->window_bytes = GIB;
    scene->anchor = 0xc0000000;
    scene->break_start = 0x09000000;
    scene->stack_start = 0xfffdc000;
    scene->stack_end = 0xffffd000;
    scene->frame = 0xffffc000;
    add(scene, 0x08048000, 0x08060000, VMF_READ | VMF_EXEC | VMF_MAY);
    add(scene, 0xf7fc0000, 0xf7ffe000, VMF_READ | VMF_EXEC | VMF_MAY);
}

void scene_default(struct scene *scene, const struct personality *personality) {
    *scene = (struct scene){0};
    if (personality->bits32) {
        scene_32(scene);
    } else {
        scene_64(scene, personality->bottom_up);
    }
    const uint64_t data = VMF_READ | VMF_WRITE | VMF_MAY | VMF_ACCOUNT;
    add(scene, scene->anchor, scene->anchor + MODEL_PAGE_BYTES, data);
    add(scene, scene->stack_start, scene->stack_end, data | VMF_GROWSDOWN);
}
