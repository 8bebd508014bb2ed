/* options.c - `arenite options`: every option, the value in force, where it came from.
 * Layer: cli (may use libc and the public headers).
 *
 * The library itself is asked: it is loaded into the tool, beside the malloc that the tool uses,
 * and reads the tool's environment as it would read a program's. So the list is that of the library
 * that programs get, and what it dislikes it says itself. */
#include "arenite/options.h"

#include "cli/cli.h"
#include "cli/library.h"
#include "cli/settings.h"
#include "cli/text.h"

#include <dlfcn.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char options_help[] =
    "usage: arenite options [--json] [-o NAME=VALUE]...\n"
    "\n"
    "Lists the options of the allocator: the value that a program started from here would\n"
    "get, the default, and where the value comes from (the profile, GLIBC_TUNABLES, one of\n"
    "glibc's MALLOC_... variables, ARENITE_OPTIONS).\n"
    "\n"
    "  --json         a JSON array, one object an option\n"
    "  -o NAME=VALUE  as for `arenite run`; may be given several times\n"
    "\n"
    "exit status: 0; 1 when the library cannot be asked; 2 for a wrong command line.\n";

/* The functions of <arenite/options.h> in the loaded library. */
struct loaded {
    int (*at)(size_t index, struct arenite_option *option);
    int (*set)(const char *name, const char *value);
};

/* ---- the library ---------------------------------------------------------------------------- */

static void apply_settings(const struct settings *settings) {
    struct environment environment;
    environment_init(&environment);
    settings_apply(settings, &environment);
    const char *joined = environment_find(&environment, "ARENITE_OPTIONS");
    if (joined != NULL) {
        setenv("ARENITE_OPTIONS", joined, 1);
    }
    environment_destroy(&environment);
}

/* ISO C knows no way from an object's address to a function's. */
static bool find_functions(void *handle, struct loaded *loaded) {
    void *at = dlsym(handle, "arenite_option_at");
    void *set = dlsym(handle, "arenite_option_set");
    memcpy(&loaded->at, &at, sizeof at);
    memcpy(&loaded->set, &set, sizeof set);
    return at != NULL && set != NULL;
}

static int load_library(struct loaded *loaded) {
    char *obstacle = NULL;
    char *path = library_find(&obstacle);
    void *handle = path != NULL ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    int status = CLI_FAILED;
    if (path == NULL) {
        say("options: %s", obstacle);
    } else if (handle == NULL) {
        say("options: the library cannot be loaded: %s", dlerror());
    } else if (!find_functions(handle, loaded)) {
        say("options: %s does not list its options", path);
    } else {
        status = CLI_OK;
    }
    free(obstacle);
    free(path);
    return status;
}

/* ---- the readable list ---------------------------------------------------------------------- */

/* Bytes with the largest suffix that leaves a whole number; other values as they are. */
static char *readable(const struct arenite_option *option, const char *value) {
    static const char suffixes[] = "\0KMGT";
    bool is_bytes = strcmp(option->unit, "bytes") == 0;
    char *end;
    unsigned long long number = strtoull(value, &end, 10);
    if (!is_bytes || *end != '\0' || value[0] == '-') {
        return text_format("%s%s", value, strcmp(option->unit, "ms") == 0 ? "ms" : "");
    }
    size_t power = 0;
    while (power + 2 < sizeof suffixes && number >= 1024 && number % 1024 == 0) {
        number /= 1024;
        power++;
    }
    return text_format("%llu%.1s", number, suffixes + power);
}

static void print_row(const struct arenite_option *option) {
    char *value = readable(option, option->value);
    char *normal = readable(option, option->normal);
    printf("%-16s %-12s %-12s %-22s %s\n", option->name, value, normal, option->source,
           option->help);
    free(value);
    free(normal);
}

static void print_list(const struct loaded *loaded) {
    struct arenite_option option;
    printf("%-16s %-12s %-12s %-22s %s\n", "option", "value", "default", "from", "what it does");
    for (size_t i = 0; loaded->at(i, &option) == 0; i++) {
        print_row(&option);
    }
}

/* ---- JSON ----------------------------------------------------------------------------------- */

/* Numbers as numbers, flags as true and false, words as strings. */
static json_t *value_of(const struct arenite_option *option, const char *value) {
    char *end;
    long long number = strtoll(value, &end, 10);
    if (*end != '\0') {
        return json_string(value);
    }
    return strcmp(option->type, "flag") == 0 ? json_boolean(number != 0) : json_integer(number);
}

static json_t *object_of(const struct arenite_option *option) {
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:s}", "name", option->name, "type", option->type,
                     "unit", option->unit, "default", value_of(option, option->normal), "value",
                     value_of(option, option->value), "source", option->source);
}

static void print_json(const struct loaded *loaded) {
    struct arenite_option option;
    json_t *list = json_array();
    for (size_t i = 0; loaded->at(i, &option) == 0; i++) {
        json_array_append_new(list, object_of(&option));
    }
    json_dumpf(list, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(list);
}

/* ---- the verb ------------------------------------------------------------------------------- */

static int parse(int argc, char **argv, struct settings *settings, bool *wants_json) {
    static const struct option long_options[] = {{"json", no_argument, NULL, 'j'}, {0}};
    opterr = 0;
    int found;
    while ((found = getopt_long(argc, argv, "+:o:", long_options, NULL)) != -1) {
        if (found == 'j') {
            *wants_json = true;
        } else if (found == ':') {
            return say_usage("options", "options: %s needs a value: NAME=VALUE", argv[optind - 1]);
        } else if (found != 'o') {
            return say_usage("options", "options: unknown option %s; allowed are --json and -o",
                             argv[optind - 1]);
        } else if (settings_add(settings, "options", optarg) != CLI_OK) {
            return CLI_USAGE;
        }
    }
    if (optind != argc) {
        return say_usage("options", "options: unexpected word %s", argv[optind]);
    }
    return CLI_OK;
}

static int finish(void) {
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return CLI_OK;
    }
    say("cannot write to standard output");
    return CLI_FAILED;
}

int options_verb(int argc, char **argv) {
    struct settings settings = {0};
    struct loaded loaded;
    bool wants_json = false;
    int status = parse(argc, argv, &settings, &wants_json);
    if (status == CLI_OK) {
        apply_settings(&settings);
        status = load_library(&loaded);
    }
    settings_destroy(&settings);
    if (status != CLI_OK) {
        return status;
    }
    if (wants_json) {
        print_json(&loaded);
    } else {
        print_list(&loaded);
    }
    loaded.set("stats_at_exit", "0"); /* that report is about programs, not about the tool */
    return finish();
}
