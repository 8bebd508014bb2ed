/* model_demo_tasks.c - demos about processes and threads: fork, the stack, stacks of threads.
 * Layer: cli (may use libc). */
#include "cli/model_demo.h"
#include "cli/model_state.h"
#include "cli/text.h"
#include "model/thread_stack.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

/* ---- forkcow ------------------------------------------------------------------------------- */

#define FORK_PAGES 1024

static void show_small_pages(struct stage *stage) {
    struct mm parent;
    struct mm child;
    int error;
    enum fault_signal signal;
    const uint64_t bytes = FORK_PAGES * MODEL_PAGE_BYTES;
    stage_enter(stage, &parent, "parent");
    vaddr at = demo_map(&parent, bytes, &error);
    demo_touch(&parent, at, bytes, true, &signal);
    stage_tell(stage, &parent, text_format("write to %d pages", FORK_PAGES), text_copy("done"),
               text_copy("a fault and a frame each"));
    uint64_t before = frames_free_pages(&stage->machine.frames);
    if (!stage_fork(stage, &parent, &child, "child")) {
        stage_leave(stage, &parent);
        return;
    }
    uint64_t cost = before - frames_free_pages(&stage->machine.frames);
    stage_tell(stage, &child, text_copy("fork"),
               text_format("a child with the same pages, for %" PRIu64 " frames", cost),
               text_copy("its own VMAs and page tables, which lead to the parent's frames; all are "
                         "read-only now, on both sides"));
    demo_touch(&child, at, bytes, false, &signal);
    stage_tell(stage, &child, text_copy("the child reads all"), text_copy("done"),
               text_copy("the entries are there: no fault"));
    demo_touch(&child, at, bytes / 2, true, &signal);
    stage_tell(stage, &child, text_copy("the child writes to half of them"), text_copy("done"),
               text_copy("do_wp_page copies each page that the parent still has"));
    demo_touch(&parent, at, bytes, true, &signal);
    stage_tell(
        stage, &parent, text_copy("the parent writes to all"), text_copy("done"),
        text_copy("a fault each as well: half of the pages are its own again and only become "
                  "writable, the others are copied"));
    stage_leave(stage, &child);
    stage_tell(stage, &parent, text_copy("the child exits"), text_copy("its frames are free"),
               text_copy("nothing else leads to them"));
    stage_leave(stage, &parent);
}

static void show_huge_page(struct stage *stage) {
    struct mm parent;
    struct mm child;
    int error;
    enum fault_signal signal;
    stage_enter(stage, &parent, "parent");
    vaddr at = demo_map(&parent, PMD_BYTES, &error);
    mm_advise(&parent, at, PMD_BYTES, ADVICE_HUGEPAGE);
    demo_touch(&parent, at, PMD_BYTES, true, &signal);
    stage_tell(stage, &parent, text_copy("write to 2 MiB with MADV_HUGEPAGE"), text_copy("done"),
               text_copy("a huge page at one fault"));
    if (!stage_fork(stage, &parent, &child, "child")) {
        stage_leave(stage, &parent);
        return;
    }
    demo_touch(&child, at, PMD_BYTES, true, &signal);
    stage_tell(stage, &child, text_copy("fork, and the child writes to all of it"),
               text_copy("done"),
               text_copy("a shared huge page is not copied whole: its mapping is split, and 512 "
                         "small pages are copied"));
    stage_leave(stage, &child);
    demo_touch(&parent, at, PMD_BYTES, true, &signal);
    stage_tell(stage, &parent, text_copy("the child exits, and the parent writes to all of it"),
               text_copy("done"), text_copy("it owns the huge page alone again: one fault"));
    stage_leave(stage, &parent);
}

void demo_forkcow(struct stage *stage) {
    show_small_pages(stage);
    show_huge_page(stage);
}

/* ---- stack --------------------------------------------------------------------------------- */

/* Touches downwards from the first frame until something stops it; how many pages succeeded. */
static uint64_t descend(struct mm *mm, vaddr top, uint64_t bytes, enum fault_signal *signal) {
    uint64_t pages = 0;
    *signal = FAULT_NO_SIGNAL;
    for (uint64_t done = 0; done < bytes; done += MODEL_PAGE_BYTES, pages++) {
        *signal = mm_access(mm, top - done - MODEL_PAGE_BYTES, true);
        if (*signal != FAULT_NO_SIGNAL) {
            break;
        }
    }
    return pages;
}

static uint64_t stack_bytes(const struct stage *stage, const struct mm *mm) {
    const struct vma *vma = vma_index_lookup(&mm->index, stage->layout.stack_top);
    return vma->end - vma->start;
}

static char *descent_text(const struct stage *stage, const struct mm *mm, uint64_t pages,
                          enum fault_signal signal) {
    const char *name = state_signal_name(signal);
    return text_format("%s%s after %" PRIu64 " pages; the VMA has %" PRIu64 " kB",
                       name == NULL ? "done" : "SIGSEGV, ", name == NULL ? "" : name, pages,
                       stack_bytes(stage, mm) >> 10);
}

static void show_limit(struct stage *stage) {
    struct mm mm;
    enum fault_signal signal;
    vaddr top = stage->layout.stack_top;
    stage_enter(stage, &mm, "foo");
    stage_tell(stage, &mm, text_copy("exec"),
               text_format("a stack of %" PRIu64 " kB", stack_bytes(stage, &mm) >> 10),
               text_copy("__bprm_mm_init begins with a VMA of one page for arguments and "
                         "environment; setup_arg_pages adds 128 KiB before the program runs"));
    uint64_t pages = descend(&mm, top, (uint64_t)1 << 20, &signal);
    stage_tell(
        stage, &mm, text_copy("calls that use 1 MiB of stack"),
        descent_text(stage, &mm, pages, signal),
        text_copy("an access below the VMA: expand_stack lets it grow down to that page; only "
                  "what was touched is resident"));
    pages = descend(&mm, top, mm.limits.stack * 2, &signal);
    stage_tell(stage, &mm, text_copy("recursion without an end"),
               descent_text(stage, &mm, pages, signal),
               text_format("acct_stack_growth: more than RLIMIT_STACK, %" PRIu64 " kB",
                           mm.limits.stack >> 10));
    mm.limits.stack *= 2;
    pages = descend(&mm, top, mm.limits.stack * 2, &signal);
    stage_tell(stage, &mm, text_copy("ulimit -s doubled for the running process, once more"),
               descent_text(stage, &mm, pages, signal),
               text_copy("the limit is looked at when the stack grows, not before"));
    stage_leave(stage, &mm);
}

/* A mapping below the stack stops it before the limit does. */
static void show_gap(struct stage *stage) {
    struct mm mm;
    enum fault_signal signal;
    vaddr place;
    vaddr top = stage->layout.stack_top;
    stage_enter(stage, &mm, "foo");
    const struct map_request request = {.address = top - ((uint64_t)4 << 20),
                                        .length = MODEL_PAGE_BYTES,
                                        .access = VMF_READ | VMF_WRITE,
                                        .flags = MAP_REQUEST_FIXED};
    mm_map(&mm, &request, &place);
    uint64_t pages = descend(&mm, top, (uint64_t)8 << 20, &signal);
    stage_tell(stage, &mm, text_copy("a page mapped 4 MiB below the first frame, then recursion"),
               descent_text(stage, &mm, pages, signal),
               text_format("stack_guard_gap: %" PRIu64
                           " pages above the mapping stay free, so that "
                           "a jump over the end of the stack lands in nothing",
                           stage->personality.stack_gap_pages));
    stage_leave(stage, &mm);
}

void demo_stack(struct stage *stage) {
    show_limit(stage);
    show_gap(stage);
}

/* ---- threads ------------------------------------------------------------------------------- */

#define THREADS 10

static void show_overflow(struct stage *stage, struct mm *mm, struct thread_stacks *threads) {
    struct thread_stack *stack;
    enum fault_signal signal;
    if (thread_start(mm, threads, THREAD_STACK_MIN_BYTES, 2 * THREAD_STACK_MIN_BYTES, &stack,
                     &signal) < 0) {
        return;
    }
    const char *name = state_signal_name(signal);
    stage_tell(
        stage, mm, text_copy("a thread with 16 KiB of stack uses 32 KiB"),
        text_format("%s", name == NULL ? "done" : name),
        text_copy("a thread's stack does not grow: below it lies its guard page, without any "
                  "rights"));
    thread_join(mm, threads, stack);
}

void demo_threads(struct stage *stage) {
    static struct thread_stacks threads;
    struct thread_stack *stacks[THREADS];
    struct mm mm;
    enum fault_signal signal;
    threads = (struct thread_stacks){0};
    stage_enter(stage, &mm, "foo");
    int started = 0;
    for (; started < THREADS; started++) {
        if (thread_start(&mm, &threads, THREAD_STACK_DEFAULT_BYTES, 0, &stacks[started], &signal) <
            0) {
            break;
        }
        if (started == 0) {
            stage_tell(
                stage, &mm, text_copy("pthread_create"), text_copy("a thread"),
                text_copy("allocate_stack: mmap of 8 MiB and a page without rights, mprotect "
                          "of all but the guard; struct pthread lies on top, the first "
                          "frames below it: two pages. clone shares mm, files and fs: no "
                          "second mm_struct"));
        }
    }
    stage_tell(stage, &mm, text_format("until there are %d threads", started), text_copy("done"),
               text_copy("each stack is mapped whole, right below the one before; the kernel sees "
                         "mappings like any other"));
    for (int i = 0; i < started; i++) {
        thread_join(&mm, &threads, stacks[i]);
    }
    stage_tell(stage, &mm, text_copy("join them all"),
               text_format("%" PRIu64 " kB of stacks are kept", threads.cached_bytes >> 10),
               text_copy("finished stacks go to stack_cache; what was touched of their upper 24 "
                         "KiB stays; beyond "
                         "40 MiB the oldest are unmapped"));
    if (thread_start(&mm, &threads, THREAD_STACK_DEFAULT_BYTES, 0, &stacks[0], &signal) == 0) {
        stage_tell(stage, &mm, text_copy("pthread_create again"), text_copy("a thread"),
                   text_copy("get_cached_stack: no system call for memory, no fault"));
        thread_join(&mm, &threads, stacks[0]);
    }
    show_overflow(stage, &mm, &threads);
    stage_leave(stage, &mm);
}
