/* settings.c - the allocator options given with `-o NAME=VALUE`.
 * Layer: cli (may use libc). */
#include "cli/settings.h"

#include "cli/cli.h"
#include "cli/text.h"

#include <stdlib.h>
#include <string.h>

static const char name_letters[] = "abcdefghijklmnopqrstuvwxyz0123456789_.";

int settings_add(struct settings *settings, const char *verb, const char *setting) {
    size_t name_length = strspn(setting, name_letters);
    if (name_length == 0 || setting[name_length] != '=') {
        return say_usage(verb,
                         "%s: -o %s: expected NAME=VALUE, NAME of small letters, digits, `_`, `.`",
                         verb, setting);
    }
    if (strchr(setting, ',') != NULL) {
        return say_usage(verb, "%s: -o %s: a comma separates options; give one -o for each", verb,
                         setting);
    }
    char *joined = settings->joined == NULL ? text_copy(setting)
                                            : text_format("%s,%s", settings->joined, setting);
    free(settings->joined);
    settings->joined = joined;
    return CLI_OK;
}

void settings_destroy(struct settings *settings) {
    free(settings->joined);
    settings->joined = NULL;
}

void settings_apply(const struct settings *settings, struct environment *environment) {
    if (settings->joined != NULL) {
        environment_append(environment, "ARENITE_OPTIONS", settings->joined, ',');
    }
}
