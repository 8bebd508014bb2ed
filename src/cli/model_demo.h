/* model_demo.h - the stage on which `arenite model demo` shows its experiments.
 * Layer: cli (may use libc).
 *
 * A stage is a model machine with some processes. Every step is told in the same way: what was
 * done, what came of it, why; then the process and the machine in figures that are read from the
 * model. The machine's row adds up to all of its memory. */
#ifndef ARENITE_CLI_MODEL_DEMO_H
#define ARENITE_CLI_MODEL_DEMO_H

#include "cli/model.h"
#include "model/mm.h"

/* A process's faults when a step was told that it was in. */
struct told {
    const struct mm *mm;
    uint64_t minor_faults;
    uint64_t major_faults;
};

#define STAGE_TOLD 2

struct stage {
    struct machine machine;
    struct personality personality;
    const char *demo;
    bool json;
    unsigned step;
    struct mm_layout layout;
    struct told told[STAGE_TOLD]; /* the processes that were told of last, the latest first */
};

/* The demos: each plays on a stage that is set up, and leaves no process behind. */
typedef void demo_play(struct stage *stage);
demo_play demo_overcommit;
demo_play demo_coldpages;
demo_play demo_forkcow;
demo_play demo_stack;
demo_play demo_threads;
demo_play demo_two_megabytes;

uint64_t stage_ram_bytes(const struct stage *stage);

/* A process with a first stack of 132 KiB of which one page is in use. */
void stage_enter(struct stage *stage, struct mm *mm, const char *name);
void stage_leave(struct stage *stage, struct mm *mm);

/* A child of a process; false without memory. */
bool stage_fork(struct stage *stage, struct mm *parent, struct mm *child, const char *name);

/* A line between steps: what is shown next. */
void stage_announce(const struct stage *stage, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* One step. The texts are from text_format; they are freed here. */
void stage_tell(struct stage *stage, const struct mm *mm, char *what, char *result, char *why);

/* ---- what processes do --------------------------------------------------------------------- */

/* Private memory with read and write access; VADDR_NONE: refused, with the error in *error. */
vaddr demo_map(struct mm *mm, uint64_t bytes, int *error);

/* Touches pages upwards until one access fails; how many succeeded. */
uint64_t demo_touch(struct mm *mm, vaddr start, uint64_t bytes, bool write,
                    enum fault_signal *signal);

/* "13 GiB", "132 KiB", "4097 B". Freed by the caller. */
char *demo_size(uint64_t bytes);

/* What the kernel logs when it kills. Freed by the caller. */
char *demo_kill_text(const struct machine *machine);

#endif
