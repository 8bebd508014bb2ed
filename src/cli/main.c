/* main.c - `arenite VERB ...`: finds the verb and hands over.
 * Layer: cli (may use libc).
 *
 * A verb is one row of the table and one file; nothing else in this file knows about any of
 * them. */
#include "cli/cli.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

struct verb {
    const char *name;
    const char *summary;
    const char *help;
    int (*function)(int argc, char **argv);
};

static int help_verb(int argc, char **argv);

static const char help_help[] = "usage: arenite help [VERB]\n"
                                "\n"
                                "Lists the verbs, or explains one.\n";

static const struct verb verbs[] = {
    {"run", "run a program with Arenite as its allocator", run_help, run_verb},
    {"compare", "time a program under several allocators", compare_help, compare_verb},
    {"options", "list the allocator's options and the values in force", options_help, options_verb},
    {"model", "run memory operations in a model of the kernel, and compare", model_help,
     model_verb},
    {"help", "list the verbs, or explain one", help_help, help_verb},
};

enum { VERB_COUNT = sizeof verbs / sizeof verbs[0] };

static const struct verb *verb_find(const char *name) {
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(verbs[i].name, name) == 0) {
            return &verbs[i];
        }
    }
    return NULL;
}

/* ---- the nearest verb ---------------------------------------------------------------------- */

enum { NAME_LENGTH_MAX = 32 };

static size_t least(size_t a, size_t b, size_t c) {
    size_t smaller = a < b ? a : b;
    return smaller < c ? smaller : c;
}

/* Levenshtein's distance: how many letters to insert, delete or replace. One row of the usual
 * table is kept: row[j] is the distance between the letters of a seen so far and b[0, j). */
static size_t edit_distance(const char *a, const char *b) {
    size_t row[NAME_LENGTH_MAX + 1];
    size_t length = strlen(b);
    for (size_t j = 0; j <= length; j++) {
        row[j] = j;
    }
    for (size_t i = 0; a[i] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < length; j++) {
            size_t replaced = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = least(replaced, row[j] + 1, diagonal + 1);
        }
    }
    return row[length];
}

/* The verb that was probably meant, or NULL: half of its letters may be wrong; two swapped letters
 * count as two wrong ones. */
static const struct verb *verb_find_nearest(const char *name) {
    const struct verb *nearest = NULL;
    size_t nearest_distance = NAME_LENGTH_MAX;
    for (size_t i = 0; i < VERB_COUNT; i++) {
        size_t distance = edit_distance(name, verbs[i].name);
        if (distance < nearest_distance && 2 * distance <= strlen(verbs[i].name) + 1) {
            nearest = &verbs[i];
            nearest_distance = distance;
        }
    }
    return nearest;
}

static int unknown_verb(const char *name) {
    const struct verb *nearest = verb_find_nearest(name);
    if (nearest != NULL) {
        return say_usage("", "no verb `%s`; did you mean `%s`?", name, nearest->name);
    }
    return say_usage("", "no verb `%s`", name);
}

/* ---- help ---------------------------------------------------------------------------------- */

/* A full disk or a closed pipe must not look like success. */
static int finish_output(void) {
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return CLI_OK;
    }
    say("cannot write to standard output");
    return CLI_FAILED;
}

static int print_overview(void) {
    printf("usage: arenite VERB [ARGUMENT...]\n\n");
    for (size_t i = 0; i < VERB_COUNT; i++) {
        printf("  %-10s %s\n", verbs[i].name, verbs[i].summary);
    }
    printf("\n`arenite help VERB` explains one; `arenite --version` prints the version.\n");
    return finish_output();
}

static int print_help(const struct verb *verb) {
    fputs(verb->help, stdout);
    return finish_output();
}

static int print_version(void) {
    printf("arenite %s\n", ARENITE_VERSION /* from the build */);
    return finish_output();
}

static int help_verb(int argc, char **argv) {
    if (argc > 2) {
        return say_usage("help", "help: one VERB at most, but %d words were given", argc - 1);
    }
    if (argc == 1) {
        return print_overview();
    }
    const struct verb *verb = verb_find(argv[1]);
    return verb == NULL ? unknown_verb(argv[1]) : print_help(verb);
}

/* ---- main ---------------------------------------------------------------------------------- */

static bool is_help(const char *word) {
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

int main(int argc, char **argv) {
    if (argc < 2) {
        return say_usage("", "a verb is missing");
    }
    if (is_help(argv[1])) {
        return print_overview();
    }
    if (strcmp(argv[1], "--version") == 0) {
        return print_version();
    }
    const struct verb *verb = verb_find(argv[1]);
    if (verb == NULL) {
        return unknown_verb(argv[1]);
    }
    if (argc > 2 && is_help(argv[2])) {
        return print_help(verb);
    }
    return verb->function(argc - 1, argv + 1);
}
