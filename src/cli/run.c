/* run.c - `arenite run`: starts a program with Arenite preloaded and says whether that worked.
 * Layer: cli (may use libc and the public headers).
 *
 * A preload that fails is silent or nearly so, and the program runs on glibc's malloc as if nothing
 * had happened. So the tool believes nothing but the library itself, which announces its presence
 * from inside the process (<arenite/announce.h>). When it stays quiet, the reason is looked for in
 * the files: what kind of program is CMD, can the library be loaded at all?
 *
 * The verdict falls at the first of these:
 *   - the process announces the library: active;
 *   - its file says why it will not, and it has stayed quiet for a moment: not active;
 *   - it has ended in silence: not active. */
#include "cli/announce.h"
#include "cli/child.h"
#include "cli/cli.h"
#include "cli/library.h"
#include "cli/program.h"
#include "cli/settings.h"
#include "cli/signals.h"
#include "cli/text.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char run_help[] =
    "usage: arenite run [-o NAME=VALUE]... [--summary] -- CMD [ARG...]\n"
    "\n"
    "Runs CMD with libarenite.so preloaded and says in one line on stderr that it is\n"
    "active there, or why not. Standard output and exit status are CMD's.\n"
    "\n"
    "  -o NAME=VALUE  set an option of the allocator; may be given several times\n"
    "  --summary      afterwards print times, peak RSS and faults of CMD, and the\n"
    "                 allocator's own statistics\n"
    "\n"
    "exit status: CMD's; 128 + N when signal N killed it; 127 when CMD is not found,\n"
    "126 when it is not executable; 2 for a wrong command line.\n";

/* How long a process that should not announce anything may contradict that. */
enum { DOUBT_MS = 300 };

struct run {
    char **command;
    struct settings settings;
    bool wants_summary;

    char *library;  /* NULL: there is none */
    char *obstacle; /* why it will not be active, as far as the files tell; NULL: no reason */
    struct environment environment;
    struct announce announce;
    struct child child;
    bool verdict_is_said;
};

/* ---- the command line ---------------------------------------------------------------------- */

static int wrong_option(int found, char **argv) {
    const char *option = argv[optind - 1];
    if (found == ':') {
        return say_usage("run", "run: %s needs a value: NAME=VALUE", option);
    }
    return say_usage("run", "run: unknown option %s; allowed are -o and --summary", option);
}

static int parse(struct run *run, int argc, char **argv) {
    static const struct option long_options[] = {{"summary", no_argument, NULL, 's'}, {0}};
    opterr = 0;
    int found;
    while ((found = getopt_long(argc, argv, "+:o:", long_options, NULL)) != -1) {
        if (found == 's') {
            run->wants_summary = true;
        } else if (found != 'o') {
            return wrong_option(found, argv);
        } else if (settings_add(&run->settings, "run", optarg) != CLI_OK) {
            return CLI_USAGE;
        }
    }
    if (optind == argc) {
        return say_usage("run", "run: CMD is missing");
    }
    run->command = argv + optind;
    return CLI_OK;
}

/* ---- before CMD ---------------------------------------------------------------------------- */

static void prepare(struct run *run) {
    environment_init(&run->environment);
    if (run->wants_summary) {
        settings_add(&run->settings, "run", "stats_at_exit=1");
    }
    settings_apply(&run->settings, &run->environment);
    run->library = library_find(&run->obstacle);
    if (run->library == NULL) {
        return;
    }
    environment_prepend(&run->environment, "LD_PRELOAD", run->library, ':');
    run->obstacle = program_find_obstacle(run->command[0]);
    int error = announce_init(&run->announce, &run->environment);
    if (error != 0 && run->obstacle == NULL) {
        run->obstacle = text_format("no socket to hear from it: %s", strerror(-error));
    }
}

/* ---- the verdict --------------------------------------------------------------------------- */

static void say_verdict(struct run *run, bool active, const char *reason) {
    if (active) {
        say("active in %s (process %d, %s)", run->command[0], run->child.pid, run->library);
    } else {
        say("not active in %s: %s", run->command[0], reason);
    }
    run->verdict_is_said = true;
}

static void hear(struct run *run) {
    struct arenite_announcement announcement;
    if (run->verdict_is_said || run->announce.reader_fd < 0) {
        return;
    }
    if (announce_take(&run->announce, run->child.pid, &announcement)) {
        say_verdict(run, announcement.malloc_is_ours != 0,
                    "loaded, but the program brings its own malloc");
    }
}

/* CMD has ended, nothing was heard of the library, and CMD's file gives no reason: can the library
 * be loaded at all? */
static void explain_silence(struct run *run) {
    char *obstacle = library_find_obstacle(run->library);
    char *reason = obstacle == NULL
                       ? text_copy("the library did not report from there")
                       : text_format("%s cannot be loaded: %s", run->library, obstacle);
    say_verdict(run, false, reason);
    free(reason);
    free(obstacle);
}

/* ---- CMD ----------------------------------------------------------------------------------- */

static void follow(struct run *run) {
    while (!child_reap(&run->child)) {
        bool listening = !run->verdict_is_said && run->announce.reader_fd >= 0;
        struct pollfd reader = {listening ? run->announce.reader_fd : -1, POLLIN, 0};
        bool doubting = !run->verdict_is_said && run->obstacle != NULL;
        int ready = signals_poll(&reader, 1, doubting ? DOUBT_MS : -1);
        hear(run);
        if (ready == 0 && !run->verdict_is_said) {
            say_verdict(run, false, run->obstacle);
        }
    }
    hear(run);
    if (!run->verdict_is_said && run->obstacle != NULL) {
        say_verdict(run, false, run->obstacle);
    }
    if (!run->verdict_is_said) {
        explain_silence(run);
    }
}

static int run_command(struct run *run) {
    struct child_spec spec = {run->command, run->environment.entries, {-1, -1, -1}};
    int error = child_start(&spec, &run->child);
    if (error != 0) {
        return say_not_started(run->command[0], -error);
    }
    announce_close_writer(&run->announce);
    signals_forward_to(run->child.pid);
    follow(run);
    return run->child.exit_status;
}

/* ---- afterwards ---------------------------------------------------------------------------- */

static double seconds(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void say_summary(const struct child *child) {
    const struct rusage *usage = &child->usage;
    if (child->signal_number != 0) {
        say("exit status %d (signal %d: %s)", child->exit_status, child->signal_number,
            strsignal(child->signal_number));
    } else {
        say("exit status %d", child->exit_status);
    }
    say("wall %.3f s, user %.3f s, sys %.3f s", (double)(child->end_ns - child->start_ns) / 1e9,
        seconds(usage->ru_utime), seconds(usage->ru_stime));
    say("peak RSS %.1f MiB, minor faults %ld, major faults %ld", (double)usage->ru_maxrss / 1024,
        usage->ru_minflt, usage->ru_majflt);
}

static void destroy(struct run *run) {
    announce_destroy(&run->announce);
    environment_destroy(&run->environment);
    settings_destroy(&run->settings);
    free(run->library);
    free(run->obstacle);
}

int run_verb(int argc, char **argv) {
    struct run run = {.announce = {-1, -1}};
    int status = parse(&run, argc, argv);
    if (status == CLI_OK) {
        prepare(&run);
        signals_hold();
        status = run_command(&run);
        signals_release();
        if (run.wants_summary && run.child.end_ns != 0) {
            say_summary(&run.child);
        }
    }
    destroy(&run);
    return status;
}
