/* compare_report.c - the results of `arenite compare` as a table or as JSON.
 * Layer: cli (may use libc, jansson). */
#include "cli/compare_report.h"

#include "cli/cli.h"
#include "cli/text.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int finish_output(bool is_written) {
    if (is_written && fflush(stdout) == 0 && !ferror(stdout)) {
        return CLI_OK;
    }
    say("cannot write the result to standard output");
    return CLI_FAILED;
}

/* ---- the table ----------------------------------------------------------------------------- */

enum { NAME_WIDTH_MIN = 9 };

/* The columns, in the order of enum figure. */
static const struct column {
    const char *title;
    double units; /* of the figure, to one of the column */
    int decimals;
} columns[] = {
    {"wall s", 1, 4}, {"user s", 1, 4}, {"sys s", 1, 4}, {"RSS MiB", 1024, 1}, {"minflt", 1, 0},
};

_Static_assert(sizeof columns / sizeof columns[0] == FIGURE_COUNT, "each figure has its column");

static int name_width(const struct contest *contest) {
    size_t width = NAME_WIDTH_MIN;
    for (size_t i = 0; i < contest->count; i++) {
        size_t length = strlen(contest->contestants[i].name);
        width = length > width ? length : width;
    }
    return (int)width;
}

static void print_titles(int width) {
    printf("%-*s", width, "allocator");
    for (int i = 0; i < FIGURE_COUNT; i++) {
        printf(" %9s %7s", columns[i].title, "");
    }
    printf(" %5s  %s\n", "exit", "output");
}

/* A figure and how many times glibc's it is; no ratio to what was too small to measure. */
static void print_figure(const struct column *column, double figure, double reference) {
    printf(" %9.*f", column->decimals, figure / column->units);
    if (reference > 0) {
        printf(" %6.2fx", figure / reference);
    } else {
        printf(" %7s", "-");
    }
}

static void print_row(const struct contest *contest, const struct contestant *contestant,
                      int width) {
    struct figures reference = contestant_figures(&contest->contestants[0]);
    struct figures figures = contestant_figures(contestant);
    printf("%-*s", width, contestant->name);
    for (int i = 0; i < FIGURE_COUNT; i++) {
        print_figure(&columns[i], figures.of[i], reference.of[i]);
    }
    printf(" %5d  %s\n", contestant->exit_status,
           contest_output_is_same(contest, contestant) ? "same" : "differs");
}

int compare_print_table(const struct contest *contest) {
    int width = name_width(contest);
    print_titles(width);
    for (size_t i = 0; i < contest->count; i++) {
        print_row(contest, &contest->contestants[i], width);
    }
    return finish_output(true);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

/* JSON text is Unicode, a command line is bytes: what is not UTF-8 loses its high bytes. */
static json_t *json_of_bytes(const char *bytes) {
    json_t *text = json_string(bytes);
    if (text != NULL) {
        return text;
    }
    char *ascii = text_copy(bytes);
    for (char *byte = ascii; *byte != '\0'; byte++) {
        if ((unsigned char)*byte > 0x7f) {
            *byte = '?';
        }
    }
    text = json_string(ascii);
    free(ascii);
    return text;
}

static json_t *json_of_command(char **command) {
    json_t *words = json_array();
    for (char **word = command; *word != NULL; word++) {
        json_array_append_new(words, json_of_bytes(*word));
    }
    return words;
}

/* The median of an even number of counts may end in a half. */
static json_t *json_of_count(double count) {
    return json_integer((json_int_t)(count + 0.5));
}

static json_t *json_of_contestant(const struct contest *contest,
                                  const struct contestant *contestant) {
    struct figures figures = contestant_figures(contestant);
    json_t *lib = json_object();
    json_object_set_new(lib, "name", json_of_bytes(contestant->name));
    json_object_set_new(lib, "path", json_of_bytes(contestant->path));
    json_object_set_new(lib, "wall_s", json_real(figures.of[FIGURE_WALL_S]));
    json_object_set_new(lib, "user_s", json_real(figures.of[FIGURE_USER_S]));
    json_object_set_new(lib, "sys_s", json_real(figures.of[FIGURE_SYS_S]));
    json_object_set_new(lib, "maxrss_kb", json_of_count(figures.of[FIGURE_MAXRSS_KB]));
    json_object_set_new(lib, "minflt", json_of_count(figures.of[FIGURE_MINFLT]));
    json_object_set_new(lib, "exit", json_integer(contestant->exit_status));
    json_object_set_new(lib, "output_same",
                        json_boolean(contest_output_is_same(contest, contestant)));
    return lib;
}

int compare_print_json(const struct contest *contest, char **command) {
    json_t *root = json_object();
    json_object_set_new(root, "cmd", json_of_command(command));
    json_object_set_new(root, "runs",
                        json_integer((json_int_t)contest->contestants[0].result_count));
    json_t *libs = json_array();
    for (size_t i = 0; i < contest->count; i++) {
        json_array_append_new(libs, json_of_contestant(contest, &contest->contestants[i]));
    }
    json_object_set_new(root, "libs", libs);
    bool is_written = json_dumpf(root, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) == 0;
    is_written = is_written && fputs("\n", stdout) >= 0;
    json_decref(root);
    return finish_output(is_written);
}

/* ---- findings ------------------------------------------------------------------------------ */

static void say_errors(const struct tail *errors) {
    for (const char *line = errors->text; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        say("  %.*s", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

static void say_failure(const struct contest *contest, const struct contestant *contestant) {
    const struct contestant *glibc = &contest->contestants[0];
    const struct tail *errors = &contestant->errors;
    if (contestant->exit_status == 0) {
        return;
    }
    bool is_repeated = contestant != glibc && strcmp(errors->text, glibc->errors.text) == 0;
    say("CMD failed under %s with exit status %d; its stderr%s", contestant->name,
        contestant->exit_status,
        errors->length_bytes == 0 ? " is empty"
        : is_repeated             ? " is the same as under glibc"
        : errors->is_cut          ? " ends in:"
                                  : ":");
    if (!is_repeated) {
        say_errors(errors);
    }
}

static void say_output(const struct contest *contest) {
    if (contest->contestants[0].varies) {
        say("CMD's output is not the same from run to run under glibc alone: "
            "\"differs\" tells nothing about the allocators");
        return;
    }
    for (size_t i = 1; i < contest->count; i++) {
        if (!contest_output_is_same(contest, &contest->contestants[i])) {
            say("CMD's output under %s differs from that under glibc%s",
                contest->contestants[i].name,
                contest->contestants[i].varies ? ", and from run to run" : "");
        }
    }
}

void compare_say_findings(const struct contest *contest) {
    for (size_t i = 0; i < contest->count; i++) {
        say_failure(contest, &contest->contestants[i]);
    }
    say_output(contest);
}
