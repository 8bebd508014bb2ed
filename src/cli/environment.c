/* environment.c - the environment that a child is started with: a copy that can be edited.
 * Layer: cli (may use libc). */
#include "cli/environment.h"

#include "cli/text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void append_entry(struct environment *environment, char *entry) {
    environment->entries =
        text_array_grow(environment->entries, environment->count + 2, sizeof(char *));
    environment->entries[environment->count++] = entry;
    environment->entries[environment->count] = NULL;
}

void environment_init(struct environment *environment) {
    environment->entries = text_array(1, sizeof(char *));
    environment->count = 0;
    for (char **entry = environ; *entry != NULL; entry++) {
        append_entry(environment, text_copy(*entry));
    }
}

void environment_destroy(struct environment *environment) {
    for (size_t i = 0; i < environment->count; i++) {
        free(environment->entries[i]);
    }
    free(environment->entries);
    environment->entries = NULL;
    environment->count = 0;
}

/* The index of the variable, or count. */
static size_t find_index(const struct environment *environment, const char *name) {
    size_t length = strlen(name);
    size_t i = 0;
    for (; i < environment->count; i++) {
        const char *entry = environment->entries[i];
        if (strncmp(entry, name, length) == 0 && entry[length] == '=') {
            break;
        }
    }
    return i;
}

const char *environment_find(const struct environment *environment, const char *name) {
    size_t i = find_index(environment, name);
    return i == environment->count ? NULL : environment->entries[i] + strlen(name) + 1;
}

void environment_put(struct environment *environment, const char *name, const char *value) {
    char *entry = text_format("%s=%s", name, value);
    size_t i = find_index(environment, name);
    if (i == environment->count) {
        append_entry(environment, entry);
        return;
    }
    free(environment->entries[i]);
    environment->entries[i] = entry;
}

void environment_take(struct environment *environment, const char *name) {
    size_t i = find_index(environment, name);
    if (i == environment->count) {
        return;
    }
    free(environment->entries[i]);
    size_t moved = environment->count - i; /* the closing NULL moves too */
    memmove(&environment->entries[i], &environment->entries[i + 1], moved * sizeof(char *));
    environment->count--;
}

static void join(struct environment *environment, const char *name, const char *first,
                 const char *second, char separator) {
    char *joined = text_format("%s%c%s", first, separator, second);
    environment_put(environment, name, joined);
    free(joined);
}

void environment_prepend(struct environment *environment, const char *name, const char *value,
                         char separator) {
    const char *old = environment_find(environment, name);
    if (old == NULL || old[0] == '\0') {
        environment_put(environment, name, value);
    } else {
        join(environment, name, value, old, separator);
    }
}

void environment_append(struct environment *environment, const char *name, const char *value,
                        char separator) {
    const char *old = environment_find(environment, name);
    if (old == NULL || old[0] == '\0') {
        environment_put(environment, name, value);
    } else {
        join(environment, name, old, value, separator);
    }
}
