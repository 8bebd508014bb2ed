/* model_words.c - the words of a script's line.
 * Layer: cli (may use libc). */
#include "cli/model_words.h"

#include "cli/text.h"
#include "model/address.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

void parse_begin(struct parse *parse, const char *line) {
    parse->words = text_copy(line);
    parse->rest = parse->words;
    parse->current = NULL;
}

void parse_finish(struct parse *parse) {
    free(parse->words);
    parse->words = parse->rest = parse->current = NULL;
}

const char *parse_next(struct parse *parse) {
    parse->rest += strspn(parse->rest, " \t");
    if (*parse->rest == '\0') {
        parse->current = NULL;
        return NULL;
    }
    parse->current = parse->rest;
    parse->rest += strcspn(parse->rest, " \t");
    if (*parse->rest != '\0') {
        *parse->rest++ = '\0';
    }
    return parse->current;
}

bool parse_expected(struct parse *parse, const char *what) {
    const char *found = parse->current != NULL ? parse->current : "the end of the line";
    parse->script->complaint = text_format("expected %s, found `%s`", what, found);
    return false;
}

bool parse_end(struct parse *parse) {
    return parse_next(parse) == NULL || parse_expected(parse, "the end of the line");
}

bool parse_size(const char *word, uint64_t *bytes) {
    if (word[0] < '0' || word[0] > '9') {
        return false;
    }
    char *end;
    errno = 0;
    uint64_t number = strtoull(word, &end, 0);
    static const char units[] = "pKMG";
    static const unsigned shifts[] = {MODEL_PAGE_SHIFT, 10, 20, 30};
    unsigned shift = 0;
    const char *unit = *end == '\0' ? NULL : strchr(units, *end);
    if (unit != NULL) {
        shift = shifts[unit - units];
        end++;
    }
    if (errno != 0 || *end != '\0' || number > UINT64_MAX >> shift) {
        return false;
    }
    *bytes = number << shift;
    return true;
}

bool parse_take_size(struct parse *parse, uint64_t *bytes) {
    const char *word = parse_next(parse);
    return (word != NULL && parse_size(word, bytes)) ||
           parse_expected(parse, "a size (3p, 64K, 2M)");
}

bool parse_take_access(struct parse *parse, uint64_t *access) {
    const char *word = parse_next(parse);
    bool valid = word != NULL && strlen(word) == 3 && (word[0] == 'r' || word[0] == '-') &&
                 (word[1] == 'w' || word[1] == '-') && (word[2] == 'x' || word[2] == '-');
    if (!valid) {
        return parse_expected(parse, "rights (rw-, r--, ---, rwx)");
    }
    *access = (word[0] == 'r' ? VMF_READ : 0) | (word[1] == 'w' ? VMF_WRITE : 0) |
              (word[2] == 'x' ? VMF_EXEC : 0);
    return true;
}

/* ---- tables of words ----------------------------------------------------------------------- */

struct word_value {
    const char *word;
    unsigned value;
};

static bool find_word(const struct word_value *rows, size_t count, const char *word,
                      unsigned *value) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(rows[i].word, word) == 0) {
            *value = rows[i].value;
            return true;
        }
    }
    return false;
}

#define FIND_WORD(rows, word, value) find_word(rows, sizeof(rows) / sizeof(rows)[0], word, value)

bool parse_map_flag(const char *word, unsigned *flags) {
    static const struct word_value rows[] = {
        {"fixed", MAP_REQUEST_FIXED},
        {"fixed_noreplace", MAP_REQUEST_NOREPLACE},
        {"noreserve", MAP_REQUEST_NORESERVE},
        {"populate", MAP_REQUEST_POPULATE},
        {"locked", MAP_REQUEST_LOCKED},
        {"stack", MAP_REQUEST_STACK},
        {"growsdown", MAP_REQUEST_GROWSDOWN},
        {"nonblock", MAP_REQUEST_NONBLOCK},
        {"shared", MAP_REQUEST_SHARED},
        {"private", 0},
        {"anonymous", 0},
    };
    unsigned flag;
    if (!FIND_WORD(rows, word, &flag)) {
        return false;
    }
    *flags |= flag;
    return true;
}

static const char *const advice_names[ADVICES] = {
    [ADVICE_NORMAL] = "normal",
    [ADVICE_RANDOM] = "random",
    [ADVICE_SEQUENTIAL] = "sequential",
    [ADVICE_WILLNEED] = "willneed",
    [ADVICE_DONTNEED] = "dontneed",
    [ADVICE_FREE] = "free",
    [ADVICE_REMOVE] = "remove",
    [ADVICE_DONTFORK] = "dontfork",
    [ADVICE_DOFORK] = "dofork",
    [ADVICE_HUGEPAGE] = "hugepage",
    [ADVICE_NOHUGEPAGE] = "nohugepage",
    [ADVICE_DONTDUMP] = "dontdump",
    [ADVICE_DODUMP] = "dodump",
    [ADVICE_MERGEABLE] = "mergeable",
    [ADVICE_UNMERGEABLE] = "unmergeable",
    [ADVICE_WIPEONFORK] = "wipeonfork",
    [ADVICE_KEEPONFORK] = "keeponfork",
    [ADVICE_COLD] = "cold",
    [ADVICE_PAGEOUT] = "pageout",
    [ADVICE_POPULATE_READ] = "populate_read",
    [ADVICE_POPULATE_WRITE] = "populate_write",
    [ADVICE_DONTNEED_LOCKED] = "dontneed_locked",
    [ADVICE_COLLAPSE] = "collapse",
    [ADVICE_GUARD_INSTALL] = "guard_install",
    [ADVICE_GUARD_REMOVE] = "guard_remove",
};

const char *script_advice_name(enum advice advice) {
    return advice_names[advice];
}

bool parse_advice(const char *word, enum advice *advice) {
    for (int i = 0; i < ADVICES; i++) {
        if (strcmp(word, advice_names[i]) == 0) {
            *advice = (enum advice)i;
            return true;
        }
    }
    return false;
}

bool parse_limit(const char *word, enum script_limit *limit) {
    static const struct word_value rows[] = {
        {"as", LIMIT_AS}, {"data", LIMIT_DATA}, {"stack", LIMIT_STACK}, {"memlock", LIMIT_MEMLOCK}};
    unsigned value;
    if (!FIND_WORD(rows, word, &value)) {
        return false;
    }
    *limit = (enum script_limit)value;
    return true;
}

bool parse_clone_flag(const char *word, unsigned *flags) {
    static const struct word_value rows[] = {
        {"vm", CLONE_VM},
        {"fs", CLONE_FS},
        {"files", CLONE_FILES},
        {"sighand", CLONE_SIGHAND},
        {"thread", CLONE_THREAD},
        {"vfork", CLONE_VFORK},
        {"parent", CLONE_PARENT},
        {"sysvsem", CLONE_SYSVSEM},
        {"settls", CLONE_SETTLS},
        {"parent_settid", CLONE_PARENT_SETTID},
        {"newns", CLONE_NEWNS},
        {"child_cleartid", CLONE_CHILD_CLEARTID},
        {"untraced", CLONE_UNTRACED},
        {"child_settid", CLONE_CHILD_SETTID},
        {"io", CLONE_IO},
    };
    unsigned flag;
    if (!FIND_WORD(rows, word, &flag)) {
        return false;
    }
    *flags |= flag;
    return true;
}

/* ---- errors -------------------------------------------------------------------------------- */

static const struct word_value errors[] = {
    {"0", 0},
    {"EPERM", EPERM},
    {"ENOENT", ENOENT},
    {"ESRCH", ESRCH},
    {"EAGAIN", EAGAIN},
    {"ENOMEM", ENOMEM},
    {"EACCES", EACCES},
    {"EFAULT", EFAULT},
    {"EBUSY", EBUSY},
    {"EEXIST", EEXIST},
    {"ENODEV", ENODEV},
    {"EINVAL", EINVAL},
    {"EOVERFLOW", EOVERFLOW},
    {"EBADF", EBADF},
    {"ENOSYS", ENOSYS},
    {"EOPNOTSUPP", EOPNOTSUPP},
};

int script_errno(const char *text) {
    unsigned value;
    if (FIND_WORD(errors, text, &value)) {
        return (int)value;
    }
    char *end;
    long number = strtol(text, &end, 10);
    return *text != '\0' && *end == '\0' && number >= 0 && number < 4096 ? (int)number : -1;
}

const char *script_errno_name(int error) {
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++) {
        if ((int)errors[i].value == error) {
            return errors[i].word;
        }
    }
    return "an unknown error";
}
