/* model.c - the verb `model`: Linux process memory, modelled and compared.
 * Layer: cli (may use libc). */
#include "cli/model.h"

#include "cli/cli.h"
#include "cli/model_words.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

const char model_help[] =
    "usage: arenite model run FILE [--json] [--index maple|rbtree] [--memory]\n"
    "                     [--layout topdown|bottomup] [--bits 64|32] [--ram SIZE] [--swap SIZE]\n"
    "                     [--group SIZE]\n"
    "       arenite model check FILE [--layout topdown|bottomup] [--index maple|rbtree]\n"
    "       arenite model check --random [--scripts N] [--ops M] [--seed S]\n"
    "       arenite model walk FILE ADDRESS\n"
    "       arenite model demo overcommit|coldpages|forkcow|stack|threads|two-megabytes\n"
    "                     [--ram SIZE] [--swap SIZE] [--json]\n"
    "       arenite model exec PROG [ARG ...] [--json]\n"
    "\n"
    "run    runs a script of memory operations in a model of the Linux kernel and shows after "
    "each\n"
    "       the mappings, the faults and what is resident (--json: one line an operation).\n"
    "       --group runs it in a memory control group with that limit.\n"
    "       --memory shows the machine's buddyinfo, pagetypeinfo, slabinfo and slabtop at its "
    "end.\n"
    "check  runs it in the model and in this kernel, and compares after every operation. With\n"
    "       --random the scripts are made up; one that fails is printed in its shortest form.\n"
    "       Ends in `N scripts, M operations, K mismatches`; exit status 0 only for K = 0.\n"
    "walk   runs a script in the model and draws how ADDRESS (a number, or a place of the script)\n"
    "       is translated after it, level by level.\n"
    "demo   an experiment on a model machine of any size (12G), told step by step.\n"
    "exec   the mappings of a program where it begins, laid out by the model from its ELF files, "
    "and\n"
    "       of a real process; exit status 0 when they are equal.\n"
    "\n"
    "FILE `-` is standard input. docs/model.md explains the script language, and what is exact "
    "and\n"
    "what only an extrapolation: other page sizes, 5 levels, 32 bits, swap.\n";

/* Less has no room for the process that a script begins in. */
#define LEAST_RAM_BYTES ((uint64_t)4 << 20)

/* ---- options ------------------------------------------------------------------------------- */

static bool take_index(struct model_options *options, const char *value) {
    bool rbtree = strcmp(value, "rbtree") == 0;
    options->index = rbtree ? INDEX_RBTREE : INDEX_MAPLE;
    return rbtree || strcmp(value, "maple") == 0;
}

static bool take_layout(struct model_options *options, const char *value) {
    options->bottom_up = strcmp(value, "bottomup") == 0;
    return options->bottom_up || strcmp(value, "topdown") == 0;
}

static bool take_bits(struct model_options *options, const char *value) {
    options->bits32 = strcmp(value, "32") == 0;
    return options->bits32 || strcmp(value, "64") == 0;
}

static bool take_number(const char *value, uint64_t *number) {
    char *end;
    *number = strtoull(value, &end, 0);
    return value[0] >= '0' && value[0] <= '9' && *end == '\0';
}

static bool take_value(struct model_options *options, const char *option, const char *value) {
    if (strcmp(option, "--index") == 0) {
        return take_index(options, value);
    }
    if (strcmp(option, "--layout") == 0) {
        return take_layout(options, value);
    }
    if (strcmp(option, "--bits") == 0) {
        return take_bits(options, value);
    }
    if (strcmp(option, "--ram") == 0) {
        return parse_size(value, &options->ram_bytes) && options->ram_bytes >= LEAST_RAM_BYTES;
    }
    if (strcmp(option, "--swap") == 0) {
        return parse_size(value, &options->swap_bytes);
    }
    if (strcmp(option, "--group") == 0) {
        return parse_size(value, &options->group_bytes) && options->group_bytes > 0;
    }
    uint64_t *number = strcmp(option, "--scripts") == 0 ? &options->scripts
                       : strcmp(option, "--ops") == 0   ? &options->ops
                                                        : &options->seed;
    return take_number(value, number);
}

static bool has_value(const char *option) {
    static const char *const names[] = {"--index", "--layout", "--bits", "--scripts", "--ops",
                                        "--seed",  "--ram",    "--swap", "--group"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(option, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* 0, or the status of a usage error that was reported. */
static int parse_options(struct model_options *options, int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--json") == 0) {
            options->json = true;
        } else if (strcmp(word, "--memory") == 0) {
            options->memory = true;
        } else if (strcmp(word, "--random") == 0) {
            options->random = true;
        } else if (has_value(word)) {
            if (i + 1 == argc || !take_value(options, word, argv[i + 1])) {
                return say_usage("model", "model %s: no valid value after %s", argv[0], word);
            }
            i++;
        } else if (word[0] == '-' && word[1] != '\0') {
            return say_usage("model", "model %s: no option `%s`", argv[0], word);
        } else if (options->file != NULL) {
            if (options->address != NULL || strcmp(argv[0], "walk") != 0) {
                return say_usage("model", "model %s: one FILE only", argv[0]);
            }
            options->address = word;
        } else {
            options->file = word;
        }
    }
    return 0;
}

/* ---- shared -------------------------------------------------------------------------------- */

void model_say_bad_line(const struct script *script, const char *path) {
    say("%s:%u: %s", path, script->bad_line, script->complaint);
}

/* Whether we may lock more than the limit says: what the kernel grants with a limit of nothing. */
static void ask_for_locked(struct personality *personality) {
    static const char page[1] = {0};
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) {
        return;
    }
    personality->locked_limit_bytes = limit.rlim_cur == RLIM_INFINITY ? LIMIT_NONE : limit.rlim_cur;
    const struct rlimit nothing = {0, limit.rlim_max};
    if (setrlimit(RLIMIT_MEMLOCK, &nothing) == 0) {
        personality->may_exceed_locked = mlock(page, sizeof page) == 0;
        munlock(page, sizeof page);
        setrlimit(RLIMIT_MEMLOCK, &limit);
    }
}

struct personality model_personality(const struct model_options *options) {
    long pages = sysconf(_SC_PHYS_PAGES);
    uint64_t ram_pages = pages > 0 ? (uint64_t)pages : 1 << 20;
    ram_pages = options->ram_bytes > 0 ? options->ram_bytes >> MODEL_PAGE_SHIFT : ram_pages;
    struct personality personality = personality_default(ram_pages);
    personality.swap_pages = options->swap_bytes >> MODEL_PAGE_SHIFT;
    personality.bottom_up = options->bottom_up;
    personality.bits32 = options->bits32;
    ask_for_locked(&personality);
    return personality;
}

/* Scripts that are made up touch little, and there are many of them. */
#define RANDOM_FRAMES ((uint64_t)1 << 19)

uint64_t model_frames(const struct model_options *options, const struct personality *personality) {
    uint64_t frames = personality->ram_pages;
    return options->random && frames > RANDOM_FRAMES ? RANDOM_FRAMES : frames;
}

/* ---- the verb ------------------------------------------------------------------------------ */

struct subverb {
    const char *name;
    int (*function)(const struct model_options *options, char **argv);
};

static int run_subverb(const struct model_options *options, char **argv) {
    (void)argv;
    return options->file == NULL ? say_usage("model", "model run: a FILE is missing")
                                 : model_run(options);
}

static int check_subverb(const struct model_options *options, char **argv) {
    if ((options->file == NULL) != options->random) {
        return say_usage("model", "model check: a FILE or --random is missing");
    }
    if (options->bits32) {
        return say_usage("model", "model check: this program is a 64-bit one; --bits is for run");
    }
    return model_check(options, argv);
}

static int walk_subverb(const struct model_options *options, char **argv) {
    (void)argv;
    return options->address == NULL
               ? say_usage("model", "model walk: a FILE and an ADDRESS are needed")
               : model_walk(options);
}

static int demo_subverb(const struct model_options *options, char **argv) {
    (void)argv;
    return model_demo(options);
}

/* What follows PROG is its own, `--json` before or behind it is ours. */
static int exec_subverb(int argc, char **argv) {
    struct model_options options = {0};
    int first = 1;
    if (argc > first && strcmp(argv[first], "--json") == 0) {
        options.json = true;
        first++;
    }
    if (argc > first + 1 && strcmp(argv[argc - 1], "--json") == 0) {
        options.json = true;
        argv[argc - 1] = NULL;
    }
    return argc <= first ? say_usage("model", "model exec: a program is missing")
                         : model_exec(&options, argv + first);
}

static const struct subverb subverbs[] = {
    {"run", run_subverb}, {"check", check_subverb}, {"walk", walk_subverb}, {"demo", demo_subverb}};

int model_verb(int argc, char **argv) {
    struct model_options options = {.scripts = 100, .ops = 60, .seed = 1};
    if (argc < 2) {
        return say_usage("model", "model: run, check, walk, demo or exec is missing");
    }
    if (strcmp(argv[1], "exec") == 0) {
        return exec_subverb(argc - 1, argv + 1);
    }
    for (size_t i = 0; i < sizeof subverbs / sizeof subverbs[0]; i++) {
        if (strcmp(argv[1], subverbs[i].name) == 0) {
            int status = parse_options(&options, argc - 1, argv + 1);
            return status != 0 ? status : subverbs[i].function(&options, argv);
        }
    }
    return say_usage("model", "model: there is no `%s`", argv[1]);
}
