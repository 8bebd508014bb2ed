/* trail.c - the dynamic linker's own log of a run: was the library really loaded?
 * Layer: cli (may use libc).
 *
 * Of an image, the log holds one line "calling init: PATH" for each library and then one line
 * "initialize program: NAME". A process that executes another program (env, sh -c) appends to the
 * same file, so both kinds are counted. */
#include "cli/trail.h"

#include "cli/text.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int trail_init(struct trail *trail) {
    const char *parent = getenv("TMPDIR");
    bool is_given = parent != NULL && parent[0] == '/';
    trail->directory = text_format("%s/arenite-XXXXXX", is_given ? parent : "/tmp");
    if (mkdtemp(trail->directory) != NULL) {
        return 0;
    }
    int error = -errno;
    free(trail->directory);
    trail->directory = NULL;
    return error;
}

static void remove_logs(const char *directory) {
    DIR *stream = opendir(directory);
    if (stream == NULL) {
        return;
    }
    for (struct dirent *entry; (entry = readdir(stream)) != NULL;) {
        if (entry->d_name[0] != '.') {
            unlinkat(dirfd(stream), entry->d_name, 0);
        }
    }
    closedir(stream);
}

void trail_destroy(struct trail *trail) {
    if (trail->directory == NULL) {
        return;
    }
    remove_logs(trail->directory);
    rmdir(trail->directory);
    free(trail->directory);
    trail->directory = NULL;
}

void trail_request(const struct trail *trail, struct environment *environment) {
    char *prefix = text_format("%s/log", trail->directory);
    environment_put(environment, "LD_DEBUG", "files");
    environment_put(environment, "LD_DEBUG_OUTPUT", prefix);
    free(prefix);
}

/* What follows the label in the line, or NULL; the line loses its line feed. */
static const char *after_label(char *line, const char *label) {
    line[strcspn(line, "\n")] = '\0';
    char *found = strstr(line, label);
    return found == NULL ? NULL : found + strlen(label);
}

static bool log_shows_loaded(FILE *log, const char *library) {
    size_t image_count = 0;
    size_t loaded_count = 0;
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, log) >= 0) {
        const char *initialised = after_label(line, "\tcalling init: ");
        if (initialised != NULL && strcmp(initialised, library) == 0) {
            loaded_count++;
        }
        if (after_label(line, "\tinitialize program: ") != NULL) {
            image_count++;
        }
    }
    free(line);
    return image_count > 0 && loaded_count == image_count;
}

bool trail_shows_loaded(const struct trail *trail, pid_t pid, const char *library) {
    char *path = text_format("%s/log.%d", trail->directory, pid);
    FILE *log = fopen(path, "re");
    free(path);
    if (log == NULL) {
        return false;
    }
    bool loaded = log_shows_loaded(log, library);
    fclose(log);
    return loaded;
}
