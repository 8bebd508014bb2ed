/* model_demo.c - `arenite model demo`: experiments on a model machine, step by step.
 * Layer: cli (may use libc). */
#include "cli/model_demo.h"

#include "cli/cli.h"
#include "cli/model_state.h"
#include "cli/text.h"
#include "model/host.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* ---- texts --------------------------------------------------------------------------------- */

char *demo_size(uint64_t bytes) {
    static const struct {
        unsigned shift;
        const char *unit;
    } units[] = {{30, "GiB"}, {20, "MiB"}, {10, "KiB"}};
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        uint64_t unit = (uint64_t)1 << units[i].shift;
        if (bytes >= unit && bytes % unit == 0) {
            return text_format("%" PRIu64 " %s", bytes >> units[i].shift, units[i].unit);
        }
    }
    return text_format("%" PRIu64 " B", bytes);
}

#define KB(pages) ((uint64_t)(pages) << (MODEL_PAGE_SHIFT - 10))

char *demo_kill_text(const struct machine *machine) {
    const struct oom_kill *kill = &machine->last_kill;
    return text_format(
        "Out of memory: Killed process %u (%s) total-vm:%" PRIu64 "kB, anon-rss:%" PRIu64
        "kB, file-rss:%" PRIu64 "kB, swapents:%" PRIu64 ", pgtables:%" PRIu64
        "kB oom_score_adj:%d; its badness is %" PRId64 " pages",
        kill->pid, kill->name, KB(kill->total_pages), KB(kill->anon_pages), KB(kill->file_pages),
        kill->swap_pages, kill->table_bytes >> 10, kill->score_adj, kill->badness);
}

/* ---- telling ------------------------------------------------------------------------------- */

struct process_row {
    uint64_t size_kb;
    uint64_t rss_kb;
    uint64_t swap_kb;
    uint64_t tables_kb;
    uint64_t vmas;
    uint64_t minor;
    uint64_t major;
};

static const struct told *find_told(const struct stage *stage, const struct mm *mm) {
    for (size_t i = 0; i < STAGE_TOLD; i++) {
        if (stage->told[i].mm == mm) {
            return &stage->told[i];
        }
    }
    return NULL;
}

/* From now on the process's faults count for the next step. */
static void note_told(struct stage *stage, const struct mm *mm) {
    if (stage->told[0].mm != mm) {
        stage->told[1] = stage->told[0];
    }
    stage->told[0] = (struct told){mm, mm->minor_faults, mm->major_faults};
}

static struct process_row row_of(const struct stage *stage, const struct mm *mm) {
    const struct told *told = find_told(stage, mm);
    return (struct process_row){
        .size_kb = KB(mm->total_pages),
        .rss_kb = KB(mm->anon_pages + mm->file_pages),
        .swap_kb = KB(mm->swap_pages),
        .tables_kb = tables_bytes(&mm->tables) >> 10,
        .vmas = vma_index_count(&mm->index),
        .minor = mm->minor_faults - (told == NULL ? 0 : told->minor_faults),
        .major = mm->major_faults - (told == NULL ? 0 : told->major_faults),
    };
}

static void print_quoted(const char *text) {
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            putchar('\\');
        }
        putchar(*text);
    }
    putchar('"');
}

static void tell_json(const struct stage *stage, const struct mm *mm, const char *const texts[3]) {
    static const char *const keys[] = {"what", "result", "why"};
    printf("{\"demo\":\"%s\",\"step\":%u", stage->demo, stage->step);
    for (int i = 0; i < 3; i++) {
        printf(",\"%s\":", keys[i]);
        print_quoted(texts[i]);
    }
    const struct process_row row = row_of(stage, mm);
    const struct frame_shares shares = machine_shares(&stage->machine);
    const struct swap *swap = &stage->machine.ram.swap;
    printf(",\"process\":{\"name\":\"%s\",\"size_kb\":%" PRIu64 ",\"rss_kb\":%" PRIu64
           ",\"swap_kb\":%" PRIu64 ",\"vmpte_kb\":%" PRIu64 ",\"vmas\":%" PRIu64
           ",\"minflt\":%" PRIu64 ",\"majflt\":%" PRIu64 ",\"killed\":%s}",
           mm->name, row.size_kb, row.rss_kb, row.swap_kb, row.tables_kb, row.vmas, row.minor,
           row.major, mm->killed ? "true" : "false");
    printf(",\"machine\":{\"total_kb\":%" PRIu64 ",\"free_kb\":%" PRIu64 ",\"anon_kb\":%" PRIu64
           ",\"file_kb\":%" PRIu64 ",\"tables_kb\":%" PRIu64 ",\"slabs_kb\":%" PRIu64
           ",\"unused_kb\":%" PRIu64 ",\"swap_used_kb\":%" PRIu64 ",\"committed_kb\":%" PRIu64
           ",\"oom_kills\":%" PRIu64 "}}\n",
           KB(shares.total), KB(shares.free), KB(shares.anon), KB(shares.file), KB(shares.tables),
           KB(shares.slabs), KB(shares.unused), KB(swap->used), KB(stage->machine.committed_pages),
           stage->machine.last_kill.kills);
}

static void tell_text(const struct stage *stage, const struct mm *mm, const char *const texts[3]) {
    const struct process_row row = row_of(stage, mm);
    const struct frame_shares shares = machine_shares(&stage->machine);
    const struct swap *swap = &stage->machine.ram.swap;
    printf("%u. %s\n   -> %s\n   why: %s\n", stage->step, texts[0], texts[1], texts[2]);
    printf("   process %s: size %" PRIu64 " kB in %" PRIu64 " mappings, resident %" PRIu64
           " kB, in swap %" PRIu64 " kB, page tables %" PRIu64 " kB; in this step %" PRIu64
           " minor and %" PRIu64 " major faults\n",
           mm->name, row.size_kb, row.vmas, row.rss_kb, row.swap_kb, row.tables_kb, row.minor,
           row.major);
    printf("   machine: %" PRIu64 " kB = free %" PRIu64 " + anonymous %" PRIu64 " + files %" PRIu64
           " + page tables %" PRIu64 " + slabs %" PRIu64 " + frame 0 %" PRIu64
           "; swap used %" PRIu64 " kB, committed %" PRIu64 " kB\n\n",
           KB(shares.total), KB(shares.free), KB(shares.anon), KB(shares.file), KB(shares.tables),
           KB(shares.slabs), KB(shares.unused), KB(swap->used), KB(stage->machine.committed_pages));
}

void stage_tell(struct stage *stage, const struct mm *mm, char *what, char *result, char *why) {
    const char *const texts[3] = {what, result, why};
    stage->step++;
    (stage->json ? tell_json : tell_text)(stage, mm, texts);
    note_told(stage, mm);
    free(what);
    free(result);
    free(why);
}

void stage_announce(const struct stage *stage, const char *format, ...) {
    if (stage->json) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    puts("\n");
}

/* ---- processes ----------------------------------------------------------------------------- */

uint64_t stage_ram_bytes(const struct stage *stage) {
    return stage->personality.ram_pages << MODEL_PAGE_SHIFT;
}

#define FIRST_STACK_BYTES ((uint64_t)132 << 10)

void stage_enter(struct stage *stage, struct mm *mm, const char *name) {
    vaddr stack_end = stage->layout.stack_top + MODEL_PAGE_BYTES;
    const struct map_request stack = {
        .address = stack_end - FIRST_STACK_BYTES,
        .length = FIRST_STACK_BYTES,
        .access = VMF_READ | VMF_WRITE,
        .flags = MAP_REQUEST_FIXED | MAP_REQUEST_GROWSDOWN,
    };
    vaddr place;
    bool made = mm_init(mm, &stage->machine, &stage->layout) == 0 &&
                mm_map(mm, &stack, &place) == 0 &&
                mm_access(mm, stage->layout.stack_top, true) == FAULT_NO_SIGNAL;
    if (!made) {
        say("the model machine is too small for a process");
        exit(CLI_FAILED);
    }
    snprintf(mm->name, sizeof mm->name, "%s", name);
    mm->minor_faults = 0;
    note_told(stage, mm);
}

bool stage_fork(struct stage *stage, struct mm *parent, struct mm *child, const char *name) {
    if (mm_fork(parent, child) < 0) {
        return false;
    }
    snprintf(child->name, sizeof child->name, "%s", name);
    note_told(stage, child);
    return true;
}

void stage_leave(struct stage *stage, struct mm *mm) {
    mm_destroy(mm);
    for (size_t i = 0; i < STAGE_TOLD; i++) {
        if (stage->told[i].mm == mm) {
            stage->told[i] = (struct told){0};
        }
    }
}

vaddr demo_map(struct mm *mm, uint64_t bytes, int *error) {
    const struct map_request request = {.length = bytes, .access = VMF_READ | VMF_WRITE};
    vaddr place;
    *error = mm_map(mm, &request, &place);
    return *error < 0 ? VADDR_NONE : place;
}

uint64_t demo_touch(struct mm *mm, vaddr start, uint64_t bytes, bool write,
                    enum fault_signal *signal) {
    uint64_t pages = 0;
    *signal = FAULT_NO_SIGNAL;
    for (vaddr at = start; at < start + bytes; at += MODEL_PAGE_BYTES, pages++) {
        *signal = mm_access(mm, at, write);
        if (*signal != FAULT_NO_SIGNAL) {
            break;
        }
    }
    return pages;
}

/* ---- the subverb --------------------------------------------------------------------------- */

static const struct {
    const char *name;
    demo_play *play;
    const char *about;
} demos[] = {
    {"overcommit", demo_overcommit, "is malloc's return value meaningful?"},
    {"coldpages", demo_coldpages, "memory and files that are there only once they are touched"},
    {"forkcow", demo_forkcow, "a fork shares pages until somebody writes"},
    {"stack", demo_stack, "the process's stack grows by faults, up to its limit"},
    {"threads", demo_threads, "stacks of threads: mapped whole, kept, used again"},
    {"two-megabytes", demo_two_megabytes, "2 MB per request: mapped and faulted in anew each time"},
};

#define DEFAULT_RAM_BYTES ((uint64_t)12 << 30)

static int play(const struct model_options *options, size_t number) {
    static struct stage stage;
    static const struct model_chunks chunks = {host_map, host_unmap};
    uint64_t ram = options->ram_bytes > 0 ? options->ram_bytes : DEFAULT_RAM_BYTES;
    stage = (struct stage){.demo = demos[number].name, .json = options->json};
    stage.personality = personality_default(ram >> MODEL_PAGE_SHIFT);
    stage.personality.swap_pages = options->swap_bytes >> MODEL_PAGE_SHIFT;
    struct scene scene;
    scene_default(&scene, &stage.personality);
    stage.layout = scene.layout;
    if (machine_init(&stage.machine, &stage.personality, options->index,
                     stage.personality.ram_pages, &chunks) < 0) {
        say("not enough memory for the model");
        return CLI_FAILED;
    }
    char *ram_text = demo_size(ram);
    char *swap_text = demo_size(options->swap_bytes);
    stage_announce(&stage, "%s: %s\nA model machine with %s of memory and %s of swap.",
                   demos[number].name, demos[number].about, ram_text, swap_text);
    demos[number].play(&stage);
    const char *broken = machine_audit(&stage.machine);
    if (broken != NULL) {
        say("the model is broken: %s", broken);
    }
    machine_destroy(&stage.machine);
    free(ram_text);
    free(swap_text);
    return broken == NULL ? CLI_OK : CLI_FAILED;
}

int model_demo(const struct model_options *options) {
    for (size_t i = 0; options->file != NULL && i < sizeof demos / sizeof demos[0]; i++) {
        if (strcmp(options->file, demos[i].name) == 0) {
            return play(options, i);
        }
    }
    return options->file == NULL
               ? say_usage("model", "model demo: which one?")
               : say_usage("model", "model demo: there is no `%s`", options->file);
}
