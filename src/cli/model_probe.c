/* model_probe.c - how the kernel at hand behaves where kernels differ.
 * Layer: cli (may use libc). */
#include "cli/model_probe.h"

#include "cli/cli.h"
#include "cli/model_kernel.h"
#include "cli/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>
#include <unistd.h>

/* ---- files of /proc and /sys --------------------------------------------------------------- */

/* The first line of a file, "" when it cannot be read. */
static void read_line(const char *path, char *line, size_t size) {
    FILE *file = fopen(path, "r");
    line[0] = '\0';
    if (file != NULL) {
        if (fgets(line, (int)size, file) == NULL) {
            line[0] = '\0';
        }
        fclose(file);
    }
}

static uint64_t read_number(const char *path, uint64_t otherwise) {
    char line[64];
    read_line(path, line, sizeof line);
    return line[0] >= '0' && line[0] <= '9' ? strtoull(line, NULL, 10) : otherwise;
}

static enum thp_mode read_thp(void) {
    char line[128];
    read_line("/sys/kernel/mm/transparent_hugepage/enabled", line, sizeof line);
    return strstr(line, "[always]") != NULL    ? THP_ALWAYS
           : strstr(line, "[madvise]") != NULL ? THP_MADVISE
                                               : THP_NEVER;
}

/* Orders below 2 MiB that are switched on, for all or where advised. */
static unsigned read_mthp(void) {
    unsigned orders = 0;
    for (unsigned order = 2; order < HUGE_ORDER; order++) {
        char line[128];
        char *path =
            text_format("/sys/kernel/mm/transparent_hugepage/hugepages-%ukB/enabled", 4U << order);
        read_line(path, line, sizeof line);
        free(path);
        bool on = line[0] != '\0' && strstr(line, "[never]") == NULL;
        orders |= on ? 1U << order : 0;
    }
    return orders;
}

void probe_settings(struct personality *personality) {
    personality->thp = read_thp();
    personality->mthp_orders = read_mthp();
    personality->merges_pages = access("/sys/kernel/mm/ksm", F_OK) == 0;
    personality->max_map_count = read_number("/proc/sys/vm/max_map_count", 65530);
    personality->min_address = read_number("/proc/sys/vm/mmap_min_addr", 65536);
    uint64_t mode = read_number("/proc/sys/vm/overcommit_memory", 0);
    personality->overcommit = mode == 1   ? OVERCOMMIT_ALWAYS
                              : mode == 2 ? OVERCOMMIT_NEVER
                                          : OVERCOMMIT_GUESS;
    struct sysinfo info;
    if (sysinfo(&info) == 0) {
        personality->swap_pages = (uint64_t)info.totalswap * info.mem_unit >> MODEL_PAGE_SHIFT;
    }
}

/* ---- probes -------------------------------------------------------------------------------- */

struct probe {
    const char *name;
    const char *expected;
    const char *script;
    /* False: an answer that the model has no rule for. */
    bool (*judge)(const struct model_state *state, struct personality *personality);
};

static bool judge_plain(const struct model_state *state, struct personality *personality) {
    (void)personality;
    return state->error == 0 && (state->result & (PMD_BYTES - 1)) != 0;
}

static bool judge_aligned(const struct model_state *state, struct personality *personality) {
    personality->thp_alignment = (state->result & (PMD_BYTES - 1)) == 0;
    return state->error == 0;
}

static bool judge_stack_flag(const struct model_state *state, struct personality *personality) {
    personality->stack_is_nohuge =
        state->view_count == 1 && (state->views[0].flags & VMF_NOHUGEPAGE) != 0;
    return state->error == 0;
}

static bool judge_account(const struct model_state *state, struct personality *personality) {
    (void)personality;
    return state->view_count == 1 && (state->views[0].flags & VMF_ACCOUNT) == 0;
}

static bool judge_two(const struct model_state *state, struct personality *personality) {
    (void)personality;
    return state->view_count == 2;
}

static bool judge_one(const struct model_state *state, struct personality *personality) {
    (void)personality;
    return state->view_count == 1;
}

static bool judge_reclaim(const struct model_state *state, struct personality *personality) {
    personality->reclaims_tables = state->vmpte_kb == 4;
    return state->vmpte_kb == 4 || state->vmpte_kb == 8;
}

static bool judge_fault_around(const struct model_state *state, struct personality *personality) {
    uint64_t pages = state_sum(state).rss_kb / 4;
    personality->fault_around_pages = pages;
    return pages == 16; /* with other windows the folios of the cache show through */
}

static bool judge_guard(const struct model_state *state, struct personality *personality) {
    personality->guard_flag = state->view_count == 1 && (state->views[0].flags & VMF_GUARD) != 0;
    return state->error == 0 && state->view_count == 1;
}

static bool judge_collapse(const struct model_state *state, struct personality *personality) {
    uint64_t huge_kb = state_sum(state).ahp_kb;
    personality->collapse_needs_page = huge_kb == 0;
    return state->error == (huge_kb == 0 ? EINVAL : 0);
}

static bool judge_hint_kept(const struct model_state *state, struct personality *personality) {
    (void)personality;
    return state->error == 0 && (state->result & (((vaddr)1 << 30) - 1)) == 767 * MODEL_PAGE_BYTES;
}

static bool judge_hint_moved(const struct model_state *state, struct personality *personality) {
    (void)personality;
    return state->error == 0 && (state->result & (((vaddr)1 << 30) - 1)) != 768 * MODEL_PAGE_BYTES;
}

static bool judge_tables(const struct model_state *state, struct personality *personality) {
    personality->table_levels = 4;
    return state->vmpte_kb == 8;
}

static const struct probe probes[] = {
    {"placement of 513 pages", "not aligned to 2 MiB", "mmap Z 1p rw-\nmmap A 513p rw-\n",
     judge_plain},
    {"placement of 512 pages", "a place", "mmap Z 1p rw-\nmmap A 512p rw-\n", judge_aligned},
    {"MAP_STACK", "a mapping", "mmap A 4p rw- stack fixed at W\n", judge_stack_flag},
    {"accounting of what is no longer writable", "`ac` goes while nothing was written",
     "mmap A 4p rw- fixed at W\nmprotect A 4p r--\n", judge_account},
    {"merging two written mappings", "a mapping between them joins the left one only",
     "mmap A 4p rw- fixed at W\nmmap C 4p rw- fixed at W+8p\nwrite A 1p\nwrite C 1p\n"
     "mmap B 4p rw- fixed at W+4p\n",
     judge_two},
    {"merging with one written mapping", "all three become one",
     "mmap A 4p rw- fixed at W\nmmap C 4p rw- fixed at W+8p\nwrite A 1p\n"
     "mmap B 4p rw- fixed at W+4p\n",
     judge_one},
    {"tables after MADV_DONTNEED", "the table of a whole 2 MiB stays, or goes",
     "mmap A 2M rw- fixed at W\nwrite A 1p\nmadvise A 2M dontneed\n", judge_reclaim},
    {"fault-around", "16 pages", "file F 64p\nmmap A 64p r-- file=F fixed at W\nread A 1p\n",
     judge_fault_around},
    {"guard pages", "MADV_GUARD_INSTALL works and splits nothing",
     "mmap A 4p rw- fixed at W\nmadvise A+1p 1p guard_install\n", judge_guard},
    {"MADV_COLLAPSE of pages that were read only", "2 MiB, or refused",
     "mmap A 4M rw- fixed at W\nwrite A 1p\nread A+2M 1p\nmadvise A+2M 2M collapse\n",
     judge_collapse},
    {"stack guard gap, a hint 256 pages below", "honoured",
     "mmap A 1p rw- growsdown fixed at W+4M\nmmap B 1p rw- at W+767p\n", judge_hint_kept},
    {"stack guard gap, a hint 255 pages below", "not honoured",
     "mmap A 1p rw- growsdown fixed at W+4M\nmmap B 1p rw- at W+768p\n", judge_hint_moved},
    {"tables of the first page in 1 GiB", "8 kB", "mmap A 1p rw- fixed at W\nwrite A 1p\n",
     judge_tables},
};

/* ---- running them -------------------------------------------------------------------------- */

/* False when there is no answer, or one that is not known. */
static bool run_probe(const struct probe *probe, struct personality *personality, bool bottom_up) {
    struct script script;
    struct scene scene;
    struct kernel kernel;
    script_parse(&script, probe->script);
    bool answered = kernel_start(&kernel, &script, &scene, bottom_up);
    bool known = answered;
    if (answered) {
        for (size_t i = 0; i < script.op_count && known; i++) {
            known = kernel_run(&kernel, &script.ops[i]);
        }
        known = known && probe->judge(&kernel.state, personality);
        kernel_stop(&kernel);
    }
    script_destroy(&script);
    if (answered && !known) {
        say("unknown kernel variant: %s: expected %s", probe->name, probe->expected);
    }
    return known;
}

bool probe_kernel(struct personality *personality, bool bottom_up) {
    bool known = true;
    probe_settings(personality);
    for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++) {
        known &= run_probe(&probes[i], personality, bottom_up);
    }
    return known;
}
