/* library.c - finding libarenite.so, and telling why a library cannot be preloaded.
 * Layer: cli (may use libc).
 *
 * The dynamic linker skips what it cannot preload with one line on stderr and runs the program
 * without it. The trial here runs this tool itself (`arenite --version`) with the library
 * preloaded and reads that line, which names the reason in the linker's own words. */
#include "cli/library.h"

#include "cli/cli.h"
#include "cli/elf_file.h"
#include "cli/measure.h"
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIBRARY_NAME "libarenite.so"
#define SELF "/proc/self/exe"

/* ---- finding ------------------------------------------------------------------------------- */

/* The directory of the running tool, without a slash at its end; NULL when /proc is missing. */
static char *tool_directory(void) {
    char path[PATH_MAX];
    ssize_t length = readlink(SELF, path, sizeof path - 1);
    if (length <= 0) {
        return NULL;
    }
    path[length] = '\0';
    *strrchr(path, '/') = '\0'; /* the link's target is absolute */
    return text_copy(path);
}

/* The canonical path, or NULL when there is no such file. */
static char *existing_path(const char *directory, const char *name) {
    char *path = text_format("%s/%s", directory, name);
    char *canonical = realpath(path, NULL);
    free(path);
    return canonical;
}

char *library_find(char **obstacle) {
    char *directory = tool_directory();
    if (directory == NULL) {
        *obstacle = text_format("cannot tell where the tool lies: %s: %s", SELF, strerror(errno));
        return NULL;
    }
    char *path = existing_path(directory, LIBRARY_NAME);
    if (path == NULL) {
        path = existing_path(directory, "../lib/" LIBRARY_NAME);
    }
    if (path == NULL) {
        *obstacle = text_format("no %s in %s or %s/../lib", LIBRARY_NAME, directory, directory);
    }
    free(directory);
    return path;
}

/* ---- trying -------------------------------------------------------------------------------- */

/* What the dynamic linker puts in parentheses after "cannot be preloaded", or NULL. */
static char *linker_reason(const char *message) {
    static const char marker[] = "cannot be preloaded (";
    const char *reason = strstr(message, marker);
    if (reason == NULL) {
        return NULL;
    }
    reason += strlen(marker);
    return text_format("%.*s", (int)strcspn(reason, ")\n"), reason);
}

static char *judge_trial(const struct measurement *trial) {
    char *reason = linker_reason(trial->errors.text);
    if (reason != NULL || trial->exit_status == 0) {
        return reason;
    }
    if (trial->exit_status > CLI_SIGNAL_BASE) {
        return text_format("a trivial program dies of signal %d (%s) with it",
                           trial->exit_status - CLI_SIGNAL_BASE,
                           strsignal(trial->exit_status - CLI_SIGNAL_BASE));
    }
    return text_format("a trivial program fails with it: %.*s",
                       (int)strcspn(trial->errors.text, "\n"), trial->errors.text);
}

static char *try_preload(const char *path) {
    char program[] = SELF;
    char option[] = "--version";
    char *argv[] = {program, option, NULL};
    struct environment environment;
    environment_init(&environment);
    environment_put(&environment, "LD_PRELOAD", path);
    struct measurement trial = {0};
    int error = measure_run(&(struct measure_spec){argv, environment.entries}, &trial);
    environment_destroy(&environment);
    return error == 0 ? judge_trial(&trial) : NULL;
}

/* ---- looking ------------------------------------------------------------------------------- */

static char *judge_facts(const struct elf_facts *facts) {
    switch (facts->kind) {
    case ELF_NOT:
        return text_copy("not an ELF file");
    case ELF_FOREIGN:
        return text_format("a %u-bit file for another machine than this tool", facts->word_bits);
    case ELF_LIBRARY:
        break;
    case ELF_PROGRAM:
    case ELF_OTHER:
        return text_copy("not a shared library");
    }
    return facts->defines_malloc ? NULL : text_copy("it does not define malloc");
}

char *library_find_obstacle(const char *path) {
    if (strpbrk(path, ": \t\n") != NULL) {
        return text_copy("LD_PRELOAD cannot express a path with a space or a colon in it");
    }
    struct elf_facts facts;
    int error = elf_read_facts(path, &facts);
    if (error != 0) {
        return text_copy(strerror(-error));
    }
    char *obstacle = judge_facts(&facts);
    return obstacle != NULL ? obstacle : try_preload(path);
}
