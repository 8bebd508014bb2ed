/* compare.c - `arenite compare`: one program, several allocators, in turn.
 * Layer: cli (may use libc, jansson).
 *
 * The allocators take turns, and each round begins with another one, so that a machine that gets
 * slower or hotter while we measure treats them alike. With two rounds or more a warm-up round
 * comes first and is not counted.
 *
 * Nothing is printed as a result unless every library is known to have been loaded into CMD. The
 * first run of each leaves the dynamic linker's log (trail.h); when that is also a counted run
 * (-n 1), glibc's run leaves one too, so that all pay the same. */
#include "cli/cli.h"
#include "cli/compare_report.h"
#include "cli/contest.h"
#include "cli/library.h"
#include "cli/program.h"
#include "cli/settings.h"
#include "cli/signals.h"
#include "cli/text.h"
#include "cli/trail.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char compare_help[] =
    "usage: arenite compare [-n N] [--json] [-o NAME=VALUE]... [--lib NAME=PATH]...\n"
    "                       -- CMD [ARG...]\n"
    "\n"
    "Runs CMD in turn with glibc's malloc, with Arenite and with jemalloc, tcmalloc and\n"
    "mimalloc where they are installed; prints the medians of N runs and their ratios to\n"
    "glibc. CMD reads /dev/null; its output is compared and thrown away.\n"
    "\n"
    "  -n N             runs with each allocator: 1 to 1000, default 3; for N > 1 after\n"
    "                   one warm-up round that is not counted\n"
    "  --json           print JSON instead of a table\n"
    "  -o NAME=VALUE    set an option of Arenite; may be given several times\n"
    "  --lib NAME=PATH  enter another allocator's shared library, or replace one of the\n"
    "                   installed ones; may be given several times\n"
    "\n"
    "exit status: 0; 1 when a library was not really loaded (and then nothing is printed);\n"
    "2 for a wrong command line; 127 when CMD is not found, 126 when it is not executable.\n";

enum { RUNS_DEFAULT = 3, RUNS_MAX = 1000 };

struct compare {
    char **command;
    size_t run_count;
    bool wants_json;
    struct settings settings;
    char **lib_options; /* NAME=PATH, as given; points into argv */
    size_t lib_option_count;

    struct contest contest;
    struct trail trail;
    size_t runs_done; /* of run_total, for the progress line */
    size_t run_total;
};

/* ---- the command line ---------------------------------------------------------------------- */

static int parse_run_count(struct compare *compare, const char *text) {
    char *end;
    errno = 0;
    long count = strtol(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || count < 1 || count > RUNS_MAX) {
        return say_usage("compare", "compare: -n %s: expected a number from 1 to %d", text,
                         RUNS_MAX);
    }
    compare->run_count = (size_t)count;
    return CLI_OK;
}

static int check_lib_option(const char *option) {
    size_t name_length = strcspn(option, "=");
    if (name_length == 0 || option[name_length] == '\0' || option[name_length + 1] == '\0') {
        return say_usage("compare", "compare: --lib %s: expected NAME=PATH", option);
    }
    if (strncmp(option, "glibc=", 6) == 0 || strncmp(option, "arenite=", 8) == 0) {
        return say_usage("compare",
                         "compare: --lib %s: the names glibc and arenite are taken; choose another",
                         option);
    }
    return CLI_OK;
}

static int take_lib_option(struct compare *compare, char *option) {
    int status = check_lib_option(option);
    if (status != CLI_OK) {
        return status;
    }
    compare->lib_options =
        text_array_grow(compare->lib_options, compare->lib_option_count + 1, sizeof(char *));
    compare->lib_options[compare->lib_option_count++] = option;
    return CLI_OK;
}

static int wrong_option(int found, char **argv) {
    const char *option = argv[optind - 1];
    if (found == ':') {
        return say_usage("compare", "compare: %s needs a value", option);
    }
    return say_usage("compare", "compare: unknown option %s; allowed are -n, --json, -o and --lib",
                     option);
}

static int take_option(struct compare *compare, int found, char **argv) {
    switch (found) {
    case 'n':
        return parse_run_count(compare, optarg);
    case 'o':
        return settings_add(&compare->settings, "compare", optarg);
    case 'l':
        return take_lib_option(compare, optarg);
    case 'j':
        compare->wants_json = true;
        return CLI_OK;
    default:
        return wrong_option(found, argv);
    }
}

static int parse(struct compare *compare, int argc, char **argv) {
    static const struct option long_options[] = {
        {"json", no_argument, NULL, 'j'}, {"lib", required_argument, NULL, 'l'}, {0}};
    opterr = 0;
    int found;
    while ((found = getopt_long(argc, argv, "+:n:o:", long_options, NULL)) != -1) {
        int status = take_option(compare, found, argv);
        if (status != CLI_OK) {
            return status;
        }
    }
    if (optind == argc) {
        return say_usage("compare", "compare: CMD is missing");
    }
    compare->command = argv + optind;
    return CLI_OK;
}

/* ---- who competes -------------------------------------------------------------------------- */

static void enter_lib_option(struct contest *contest, const char *option) {
    const char *path = strchr(option, '=') + 1;
    char *name = text_format("%.*s", (int)(path - option - 1), option);
    char *absolute = realpath(path, NULL);
    contest_put(contest, name, absolute != NULL ? absolute : path);
    free(absolute);
    free(name);
}

static int not_loaded(const struct contestant *contestant, const char *reason) {
    say("%s cannot be compared: %s is not loaded: %s", contestant->name, contestant->path, reason);
    return CLI_FAILED;
}

/* Refuses before the first run what cannot be preloaded anywhere. */
static int check_libraries(const struct contest *contest) {
    for (size_t i = 1; i < contest->count; i++) {
        char *obstacle = library_find_obstacle(contest->contestants[i].path);
        if (obstacle == NULL) {
            continue;
        }
        int status = not_loaded(&contest->contestants[i], obstacle);
        free(obstacle);
        return status;
    }
    return CLI_OK;
}

static int enter_all(struct compare *compare) {
    char *obstacle = NULL;
    char *library = library_find(&obstacle);
    if (library == NULL) {
        say("Arenite cannot be compared: %s", obstacle);
        free(obstacle);
        return CLI_FAILED;
    }
    contest_init(&compare->contest, library);
    free(library);
    contest_put_installed(&compare->contest);
    for (size_t i = 0; i < compare->lib_option_count; i++) {
        enter_lib_option(&compare->contest, compare->lib_options[i]);
    }
    return check_libraries(&compare->contest);
}

static int check_command(const char *command) {
    char *obstacle = program_find_obstacle(command);
    if (obstacle == NULL) {
        return CLI_OK;
    }
    say("nothing to compare: no allocator can be preloaded into %s: %s", command, obstacle);
    free(obstacle);
    return CLI_FAILED;
}

/* ---- one run ------------------------------------------------------------------------------- */

static void show_progress(struct compare *compare, const struct contestant *contestant) {
    compare->runs_done++;
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r\033[Karenite: run %zu of %zu: %s", compare->runs_done,
                compare->run_total, contestant->name);
    }
}

static void clear_progress(void) {
    if (isatty(STDERR_FILENO)) {
        fputs("\r\033[K", stderr);
    }
}

/* A preload from outside would be in all runs, and "glibc" would not be glibc. */
static void prepare_environment(const struct compare *compare, const struct contestant *contestant,
                                struct environment *environment) {
    environment_init(environment);
    environment_take(environment, "LD_PRELOAD");
    settings_apply(&compare->settings, environment);
    if (contestant->path[0] != '\0') {
        environment_put(environment, "LD_PRELOAD", contestant->path);
    }
    if (!contestant->has_run) {
        trail_request(&compare->trail, environment);
    }
}

static int check_trail(struct compare *compare, const struct contestant *contestant, pid_t pid) {
    if (contestant->path[0] == '\0' || contestant->has_run) {
        return CLI_OK;
    }
    if (trail_shows_loaded(&compare->trail, pid, contestant->path)) {
        return CLI_OK;
    }
    clear_progress();
    return not_loaded(contestant, "CMD ran without it");
}

static int run_once(struct compare *compare, struct contestant *contestant, bool is_counted) {
    struct environment environment;
    struct measurement result;
    show_progress(compare, contestant);
    prepare_environment(compare, contestant, &environment);
    int error = measure_run(&(struct measure_spec){compare->command, environment.entries}, &result);
    environment_destroy(&environment);
    if (error != 0) {
        clear_progress();
        return say_not_started(compare->command[0], -error);
    }
    int status = check_trail(compare, contestant, result.pid);
    contestant_add(contestant, &result, is_counted);
    if (status == CLI_OK && signals_seen() != 0) {
        status = CLI_SIGNAL_BASE + signals_seen();
    }
    return status;
}

/* ---- all runs ------------------------------------------------------------------------------ */

static int run_round(struct compare *compare, size_t round, bool is_counted) {
    struct contest *contest = &compare->contest;
    for (size_t turn = 0; turn < contest->count; turn++) {
        size_t i = (round + turn) % contest->count;
        int status = run_once(compare, &contest->contestants[i], is_counted);
        if (status != CLI_OK) {
            return status;
        }
    }
    return CLI_OK;
}

static int run_all(struct compare *compare) {
    size_t warm_up_rounds = compare->run_count > 1 ? 1 : 0;
    size_t rounds = warm_up_rounds + compare->run_count;
    compare->run_total = rounds * compare->contest.count;
    int status = CLI_OK;
    for (size_t round = 0; round < rounds && status == CLI_OK; round++) {
        status = run_round(compare, round, round >= warm_up_rounds);
    }
    clear_progress();
    return status;
}

static int run_with_trail(struct compare *compare) {
    int error = trail_init(&compare->trail);
    if (error != 0) {
        say("no temporary directory for the dynamic linker's logs: %s", strerror(-error));
        return CLI_FAILED;
    }
    int status = run_all(compare);
    trail_destroy(&compare->trail);
    return status;
}

/* ---- the verb ------------------------------------------------------------------------------ */

static void print_heading(const struct compare *compare) {
    for (char **word = compare->command; *word != NULL; word++) {
        printf("%s%s", word == compare->command ? "" : " ", *word);
    }
    printf("\nmedians of %zu run%s with each allocator, in turn, %s\n", compare->run_count,
           compare->run_count == 1 ? "" : "s",
           compare->run_count > 1 ? "after one warm-up round" : "without warm-up");
}

static int report(const struct compare *compare) {
    compare_say_findings(&compare->contest);
    if (compare->wants_json) {
        return compare_print_json(&compare->contest, compare->command);
    }
    print_heading(compare);
    return compare_print_table(&compare->contest);
}

static int compete(struct compare *compare) {
    int status = check_command(compare->command[0]);
    if (status == CLI_OK) {
        status = enter_all(compare);
    }
    if (status == CLI_OK) {
        status = run_with_trail(compare);
    }
    return status == CLI_OK ? report(compare) : status;
}

int compare_verb(int argc, char **argv) {
    struct compare compare = {.run_count = RUNS_DEFAULT};
    int status = parse(&compare, argc, argv);
    if (status == CLI_OK) {
        signals_hold();
        status = compete(&compare);
        signals_release();
    }
    contest_destroy(&compare.contest);
    settings_destroy(&compare.settings);
    free(compare.lib_options);
    return status;
}
