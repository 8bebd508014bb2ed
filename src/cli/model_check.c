/* model_check.c - `arenite model check`: scripts in the model and in the kernel.
 * Layer: cli (may use libc). */
#include "cli/cli.h"
#include "cli/model.h"
#include "cli/model_compare.h"
#include "cli/model_moment.h"
#include "cli/model_probe.h"
#include "cli/model_random.h"
#include "cli/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <unistd.h>

struct tally {
    uint64_t scripts;
    uint64_t ops;
    uint64_t mismatches;
    bool broken;
};

static int finish(const struct tally *tally) {
    printf("%" PRIu64 " scripts, %" PRIu64 " operations, %" PRIu64 " mismatches\n", tally->scripts,
           tally->ops, tally->mismatches);
    fflush(stdout);
    return tally->mismatches == 0 && !tally->broken ? CLI_OK : CLI_FAILED;
}

/* ---- one script from a file ---------------------------------------------------------------- */

static int check_file(const struct model_options *options, const struct personality *personality) {
    struct script script;
    if (!script_read(&script, options->file)) {
        return CLI_FAILED;
    }
    struct comparison comparison;
    comparison_run(&comparison, &script, options, personality);
    struct tally tally = {1, comparison.ops, comparison.difference != NULL, comparison.broken};
    if (comparison.difference != NULL) {
        printf("%s:%u: model and kernel differ\n%s", options->file, comparison.line,
               comparison.difference);
    }
    int status = finish(&tally);
    if (script.bad_line != 0) {
        model_say_bad_line(&script, options->file);
        status = CLI_USAGE;
    }
    comparison_destroy(&comparison);
    script_destroy(&script);
    return status;
}

/* ---- random scripts ------------------------------------------------------------------------ */

/* A difference is tried once more, and twice more if something on the machine may have disturbed
 * the kernel's answers. */
#define TRIES 2
#define TRIES_DISTURBED 3
#define PAUSE_US 20000

/* A difference that went away is not passed over in silence. */
static void tell_passing(const struct comparison *comparison, const char *changes) {
    fprintf(stderr, "# differed once, at line %u; on the machine %s:\n%s", comparison->line,
            changes != NULL ? changes : "nothing changed that is known to matter",
            comparison->difference);
}

/* Somebody may change settings at any time, also while the kernel is asked: the model follows. */
static bool follow_settings(const struct moment *moment, struct personality *personality,
                            bool bottom_up) {
    struct moment now = *moment;
    bool known = true;
    while (!moment_fits(&now, personality)) {
        fprintf(stderr, "# a setting of the kernel was changed: it is asked again\n");
        known = probe_kernel(personality, bottom_up);
        moment_read(&now);
    }
    return known;
}

/* One try; *changes: what else changed on the machine, to be freed, or NULL. */
static void try_once(const struct script *script, const struct model_options *options,
                     struct personality *personality, struct comparison *comparison,
                     char **changes) {
    struct moment before;
    moment_read(&before);
    *changes = NULL;
    *comparison = (struct comparison){.broken = true};
    if (follow_settings(&before, personality, options->bottom_up)) {
        comparison_run(comparison, script, options, personality);
    }
    if (comparison->difference != NULL) {
        *changes = moment_changes(&before);
    }
}

/* Compares a text; true when the two differ every time. */
static bool differs(const char *text, const struct model_options *options,
                    struct personality *personality, struct comparison *comparison) {
    struct script script;
    char *changes;
    script_parse(&script, text);
    try_once(&script, options, personality, comparison, &changes);
    for (int tries = 1;
         comparison->difference != NULL && tries < (changes != NULL ? TRIES_DISTURBED : TRIES);
         tries++) {
        struct comparison former = *comparison;
        char *former_changes = changes;
        usleep(PAUSE_US);
        try_once(&script, options, personality, comparison, &changes);
        comparison->ops += former.ops;
        if (comparison->difference == NULL) {
            tell_passing(&former, former_changes);
        }
        comparison_destroy(&former);
        free(former_changes);
    }
    free(changes);
    script_destroy(&script);
    return comparison->difference != NULL;
}

/* Drops lines from the end on, one after another, as long as what is left still differs. */
static void shrink(char *text, const struct model_options *options,
                   struct personality *personality) {
    bool shorter = true;
    while (shorter) {
        shorter = false;
        for (size_t line = random_count_lines(text); line-- > 0;) {
            char *without = random_drop_line(text, line);
            struct comparison comparison;
            if (differs(without, options, personality, &comparison)) {
                strcpy(text, without); /* never longer */
                shorter = true;
            }
            comparison_destroy(&comparison);
            free(without);
        }
    }
}

/* whole: how the whole text differed; what is left of it may not differ again. */
static void report(char *text, const struct model_options *options, struct personality *personality,
                   uint64_t script, const struct comparison *whole) {
    struct comparison comparison;
    printf("# script %" PRIu64 " of seed %" PRIu64 ", line %u:\n%s", script, options->seed,
           whole->line, whole->difference);
    shrink(text, options, personality);
    differs(text, options, personality, &comparison);
    printf("# in its shortest form:\n%s", text);
    printf("# line %u:\n%s", comparison.line,
           comparison.difference == NULL ? "" : comparison.difference);
    fflush(stdout);
    comparison_destroy(&comparison);
}

static int check_random(const struct model_options *options, struct personality *personality) {
    struct tally tally = {0};
    for (uint64_t i = 0; i < options->scripts && !tally.broken; i++) {
        char *text = random_script(options->seed, i, options->ops);
        struct comparison comparison;
        bool different = differs(text, options, personality, &comparison);
        tally.scripts++;
        tally.ops += comparison.ops;
        tally.broken = comparison.broken;
        if (different) {
            tally.mismatches++;
            report(text, options, personality, i, &comparison);
        }
        comparison_destroy(&comparison);
        free(text);
    }
    return finish(&tally);
}

/* ---- the layout ---------------------------------------------------------------------------- */

/* The layout of a process is decided when it is executed. words: what follows `arenite`. */
static int execute_with_layout(char **words) {
    int old = personality(0xffffffff);
    if (old == -1 || personality((unsigned long)old | ADDR_COMPAT_LAYOUT) == -1) {
        say("cannot ask for the bottom-up layout: %s", strerror(errno));
        return CLI_FAILED;
    }
    size_t count = 0;
    while (words[count] != NULL) {
        count++;
    }
    char **argv = text_array(count + 2, sizeof *argv);
    argv[0] = text_copy("arenite");
    memcpy(argv + 1, words, count * sizeof *argv);
    execv("/proc/self/exe", argv);
    say("cannot execute myself: %s", strerror(errno));
    free(argv[0]);
    free(argv);
    return CLI_FAILED;
}

int model_check(const struct model_options *options, char **argv) {
    int now = personality(0xffffffff);
    if (options->bottom_up && now != -1 && (now & ADDR_COMPAT_LAYOUT) == 0) {
        return execute_with_layout(argv);
    }
    struct personality personality = model_personality(options);
    if (!probe_kernel(&personality, options->bottom_up)) {
        return CLI_FAILED;
    }
    return options->random ? check_random(options, &personality)
                           : check_file(options, &personality);
}
