/* program.c - what kind of program CMD is, as far as preloading is concerned.
 * Layer: cli (may use libc).
 *
 * The file is found as execvp finds it, then `#!` lines are followed as the kernel follows them;
 * the last file in that chain is the image that a dynamic linker has to start. */
#include "cli/program.h"

#include "cli/elf_file.h"
#include "cli/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* ---- which file is it? --------------------------------------------------------------------- */

static bool is_executable_file(const char *path) {
    struct stat status;
    return access(path, X_OK) == 0 && stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

static char *search_path(const char *name, const char *directories) {
    const char *start = directories;
    for (;;) {
        size_t length = strcspn(start, ":");
        char *path =
            length == 0 ? text_copy(name) : text_format("%.*s/%s", (int)length, start, name);
        if (is_executable_file(path)) {
            return path;
        }
        free(path);
        if (start[length] == '\0') {
            return NULL;
        }
        start += length + 1;
    }
}

/* The file that execvp would take, or NULL. */
static char *find_file(const char *command) {
    if (strchr(command, '/') != NULL) {
        return is_executable_file(command) ? text_copy(command) : NULL;
    }
    const char *directories = getenv("PATH");
    return search_path(command, directories == NULL ? "/bin:/usr/bin" : directories);
}

/* ---- scripts ------------------------------------------------------------------------------- */

enum { INTERPRETER_LINE_MAX = 256, INTERPRETER_DEPTH_MAX = 5 }; /* as in the kernel */

/* The interpreter that a `#!` line names, or NULL. */
static char *script_interpreter(const char *path) {
    char line[INTERPRETER_LINE_MAX + 1] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return NULL;
    }
    ssize_t length = read(fd, line, INTERPRETER_LINE_MAX);
    close(fd);
    if (length < 3 || line[0] != '#' || line[1] != '!') {
        return NULL;
    }
    const char *name = line + 2 + strspn(line + 2, " \t");
    size_t name_length = strcspn(name, " \t\n");
    return name_length == 0 ? NULL : text_format("%.*s", (int)name_length, name);
}

/* The program that reads the script; the file itself when it is no script. */
static char *resolve_script(const char *file) {
    char *path = text_copy(file);
    for (int depth = 0; depth < INTERPRETER_DEPTH_MAX; depth++) {
        char *interpreter = script_interpreter(path);
        if (interpreter == NULL) {
            break;
        }
        free(path);
        path = interpreter;
    }
    return path;
}

/* ---- what is in its way? ------------------------------------------------------------------- */

/* In such a program the dynamic linker ignores a preload with a slash in its name. */
static const char *find_privilege(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0) {
        return NULL;
    }
    if ((status.st_mode & S_ISUID) != 0 && status.st_uid != getuid()) {
        return "is setuid";
    }
    if ((status.st_mode & S_ISGID) != 0 && status.st_gid != getgid()) {
        return "is setgid";
    }
    if (getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0) {
        return "has file capabilities";
    }
    return NULL;
}

/* The subject is who the sentence is about: "it", or the path of a script's interpreter. */
static char *judge_linking(const char *subject, const struct elf_facts *facts) {
    if (facts->kind == ELF_FOREIGN && facts->word_bits == 32) {
        return text_format("%s is a 32-bit program", subject);
    }
    if (facts->kind == ELF_FOREIGN) {
        return text_format("%s is a program for another machine", subject);
    }
    if (facts->interpreter[0] == '\0') {
        return text_format("%s is statically linked", subject);
    }
    if (strncmp(text_base_name(facts->interpreter), "ld-musl", 7) == 0) {
        return text_format("%s is linked with musl, the library with glibc", subject);
    }
    if (facts->defines_malloc) {
        return text_format("%s brings its own malloc", subject);
    }
    return NULL;
}

static char *judge_image(const char *path, const char *subject) {
    const char *privilege = find_privilege(path);
    if (privilege != NULL) {
        return text_format("%s %s: the dynamic linker takes no preload there", subject, privilege);
    }
    struct elf_facts facts;
    if (elf_read_facts(path, &facts) != 0) {
        return NULL; /* it may be executable and yet not readable */
    }
    if (facts.kind == ELF_NOT) {
        return NULL; /* execvp gives such a file to /bin/sh */
    }
    return judge_linking(subject, &facts);
}

char *program_find_obstacle(const char *command) {
    char *file = find_file(command);
    if (file == NULL) {
        return NULL;
    }
    char *image = resolve_script(file);
    char *obstacle = judge_image(image, strcmp(image, file) == 0 ? "it" : image);
    free(image);
    free(file);
    return obstacle;
}
