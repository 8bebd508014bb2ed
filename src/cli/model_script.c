/* model_script.c - parses the language of `arenite model`.
 * Layer: cli (may use libc).
 *
 * Each verb has one function that takes the words after it, in order; the first word that does not
 * fit ends the line with what was expected in its place. */
#include "cli/model_script.h"

#include "cli/cli.h"
#include "cli/model_words.h"
#include "cli/text.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const script_key_names[SCRIPT_KEYS] = {
    "errno",  "signal",  "task",   "vmas",     "minflt",  "majflt",
    "rss_kb", "anon_kb", "ahp_kb", "vmpte_kb", "swap_kb",
};

/* ---- names --------------------------------------------------------------------------------- */

static int find_name(const struct script *script, const char *text, size_t length) {
    for (size_t i = 0; i < script->name_count; i++) {
        const char *name = script->names[i].text;
        if (strlen(name) == length && memcmp(name, text, length) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static bool is_name(const char *word) {
    size_t length = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    return length > 0 && word[length] == '\0' && (word[0] < '0' || word[0] > '9') &&
           strcmp(word, "W") != 0;
}

/* A new name, or one that stood for the same kind of thing before. */
static bool take_new_name(struct parse *parse, enum script_kind kind, int *name) {
    const char *word = parse_next(parse);
    if (word == NULL || !is_name(word)) {
        return parse_expected(parse, "a name (letters, digits, _; not W)");
    }
    int found = find_name(parse->script, word, strlen(word));
    if (found < 0) {
        struct script *script = parse->script;
        script->names =
            text_array_grow(script->names, script->name_count + 1, sizeof *script->names);
        script->names[script->name_count] = (struct script_name){text_copy(word), kind};
        found = (int)script->name_count++;
    } else if (parse->script->names[found].kind != kind) {
        return parse_expected(parse, "a name that does not stand for something else");
    }
    *name = found;
    return true;
}

static bool take_known_name(struct parse *parse, enum script_kind kind, const char *expected,
                            int *name) {
    const char *word = parse_next(parse);
    *name = word == NULL ? -1 : find_name(parse->script, word, strlen(word));
    if (*name < 0 || parse->script->names[*name].kind != kind) {
        return parse_expected(parse, expected);
    }
    return true;
}

/* ---- places -------------------------------------------------------------------------------- */

bool script_find_place(const struct script *script, const char *word, struct script_place *place) {
    size_t length = strcspn(word, "+");
    place->offset = 0;
    if (word[length] == '+' && !parse_size(word + length + 1, &place->offset)) {
        return false;
    }
    if (length == 1 && word[0] == 'W') {
        place->base = SCRIPT_W;
        return true;
    }
    place->base = find_name(script, word, length);
    return place->base >= 0 && script->names[place->base].kind != NAME_FILE;
}

static bool take_place(struct parse *parse, struct script_place *place) {
    const char *word = parse_next(parse);
    if (word == NULL || !script_find_place(parse->script, word, place)) {
        return parse_expected(parse, "a place (W, W+2M, or the NAME of a mapping, NAME+4p)");
    }
    return true;
}

/* ---- one function a verb ------------------------------------------------------------------- */

/* file=NAME or file=NAME+OFF */
static bool take_file(struct parse *parse, const char *word, struct script_op *op) {
    const char *name = word + strlen("file=");
    size_t length = strcspn(name, "+");
    int file = find_name(parse->script, name, length);
    uint64_t offset = 0;
    bool valid = file >= 0 && parse->script->names[file].kind == NAME_FILE &&
                 (name[length] == '\0' || parse_size(name + length + 1, &offset));
    if (!valid) {
        return parse_expected(parse, "file=NAME or file=NAME+OFFSET of a file line above");
    }
    op->file = file;
    op->new_length = offset;
    return true;
}

static bool parse_mmap(struct parse *parse, struct script_op *op) {
    if (!take_new_name(parse, NAME_MAPPING, &op->name) || !parse_take_size(parse, &op->length) ||
        !parse_take_access(parse, &op->access)) {
        return false;
    }
    const char *word;
    while ((word = parse_next(parse)) != NULL) {
        if (strcmp(word, "at") == 0) {
            return take_place(parse, &op->place) && parse_end(parse);
        }
        if (strncmp(word, "file=", 5) == 0) {
            if (!take_file(parse, word, op)) {
                return false;
            }
        } else if (!parse_map_flag(word, &op->flags)) {
            return parse_expected(parse, "a flag (" MAP_FLAG_LIST "), file=NAME, or at PLACE");
        }
    }
    bool is_fixed = (op->flags & (MAP_REQUEST_FIXED | MAP_REQUEST_NOREPLACE)) != 0;
    return !is_fixed || parse_expected(parse, "at PLACE, because the mapping is fixed");
}

static bool parse_range(struct parse *parse, struct script_op *op) {
    return take_place(parse, &op->place) && parse_take_size(parse, &op->length) && parse_end(parse);
}

static bool parse_mprotect(struct parse *parse, struct script_op *op) {
    return take_place(parse, &op->place) && parse_take_size(parse, &op->length) &&
           parse_take_access(parse, &op->access) && parse_end(parse);
}

static bool parse_madvise(struct parse *parse, struct script_op *op) {
    if (!take_place(parse, &op->place) || !parse_take_size(parse, &op->length)) {
        return false;
    }
    const char *word = parse_next(parse);
    if (word == NULL || !parse_advice(word, &op->advice)) {
        return parse_expected(parse, "an advice (dontneed, free, hugepage, guard_install, ...)");
    }
    return parse_end(parse);
}

static bool parse_mremap(struct parse *parse, struct script_op *op) {
    if (!take_place(parse, &op->place) || !parse_take_size(parse, &op->length) ||
        !parse_take_size(parse, &op->new_length)) {
        return false;
    }
    const char *word;
    while ((word = parse_next(parse)) != NULL) {
        if (strcmp(word, "maymove") == 0) {
            op->flags |= REMAP_REQUEST_MAYMOVE;
        } else if (strcmp(word, "dontunmap") == 0) {
            op->flags |= REMAP_REQUEST_DONTUNMAP;
        } else if (strcmp(word, "to") == 0) {
            op->flags |= REMAP_REQUEST_FIXED;
            return take_place(parse, &op->target) && parse_end(parse);
        } else {
            return parse_expected(parse, "maymove, dontunmap or to PLACE");
        }
    }
    return true;
}

static bool parse_brk(struct parse *parse, struct script_op *op) {
    const char *word = parse_next(parse);
    bool is_signed = word != NULL && (word[0] == '+' || word[0] == '-');
    if (!is_signed || !parse_size(word + 1, &op->length)) {
        return parse_expected(parse, "+LEN or -LEN");
    }
    op->negative = word[0] == '-';
    return parse_end(parse);
}

static bool parse_stack(struct parse *parse, struct script_op *op) {
    return parse_take_size(parse, &op->length) && parse_end(parse);
}

static bool parse_fork(struct parse *parse, struct script_op *op) {
    (void)op;
    if (parse->has_child) {
        return parse_expected(parse, "no fork while a child lives (in child, exit first)");
    }
    parse->has_child = true;
    return parse_end(parse);
}

static bool parse_in(struct parse *parse, struct script_op *op) {
    const char *word = parse_next(parse);
    op->in_child = word != NULL && strcmp(word, "child") == 0;
    if (word == NULL || (!op->in_child && strcmp(word, "parent") != 0)) {
        return parse_expected(parse, "child or parent");
    }
    if (op->in_child && !parse->has_child) {
        return parse_expected(parse, "a fork above, whose child still lives");
    }
    parse->in_child = op->in_child;
    return parse_end(parse);
}

static bool parse_exit(struct parse *parse, struct script_op *op) {
    (void)op;
    if (!parse->in_child) {
        return parse_expected(parse, "in child above: only the child can exit");
    }
    parse->in_child = parse->has_child = false;
    return parse_end(parse);
}

static bool parse_thread(struct parse *parse, struct script_op *op) {
    op->length = SCRIPT_NO_SIZE;
    if (parse->in_child) {
        return parse_expected(parse, "in parent above: threads are the parent's");
    }
    if (!take_new_name(parse, NAME_THREAD, &op->name)) {
        return false;
    }
    const char *word;
    while ((word = parse_next(parse)) != NULL) {
        uint64_t *size = strcmp(word, "stack") == 0 ? &op->length
                         : strcmp(word, "use") == 0 ? &op->new_length
                                                    : NULL;
        if (size == NULL) {
            return parse_expected(parse, "stack LEN or use LEN");
        }
        if (!parse_take_size(parse, size)) {
            return false;
        }
    }
    return true;
}

static bool parse_join(struct parse *parse, struct script_op *op) {
    if (parse->in_child) {
        return parse_expected(parse, "in parent above: threads are the parent's");
    }
    return take_known_name(parse, NAME_THREAD, "the name of a thread line above", &op->name) &&
           parse_end(parse);
}

static bool parse_rlimit(struct parse *parse, struct script_op *op) {
    const char *word = parse_next(parse);
    if (word == NULL || !parse_limit(word, &op->limit)) {
        return parse_expected(parse, "a limit (as, data, stack, memlock)");
    }
    word = parse_next(parse);
    bool unlimited = word != NULL && strcmp(word, "unlimited") == 0;
    op->length = SCRIPT_UNLIMITED;
    if (word == NULL || (!unlimited && !parse_size(word, &op->length))) {
        return parse_expected(parse, "a size or unlimited");
    }
    return parse_end(parse);
}

static bool parse_file_line(struct parse *parse, struct script_op *op) {
    return take_new_name(parse, NAME_FILE, &op->name) && parse_take_size(parse, &op->length) &&
           parse_end(parse);
}

/* What the kernel refuses is a bad line: nothing could follow it. */
static bool parse_clone(struct parse *parse, struct script_op *op) {
    if (parse->has_child) {
        return parse_expected(parse, "no clone while a child lives (in child, exit first)");
    }
    const char *word;
    while ((word = parse_next(parse)) != NULL) {
        if (!parse_clone_flag(word, &op->flags)) {
            return parse_expected(parse, "clone flags (vm, fs, files, sighand, thread, ...)");
        }
    }
    bool sighand = (op->flags & CLONE_SIGHAND) != 0;
    if (((op->flags & CLONE_THREAD) != 0 && !sighand) || (sighand && (op->flags & CLONE_VM) == 0)) {
        return parse_expected(parse, "sighand with thread, and vm with sighand");
    }
    parse->has_child = true;
    return true;
}

static bool parse_expect(struct parse *parse, struct script_op *op) {
    const char *word = parse_next(parse);
    int key = 0;
    while (key < SCRIPT_KEYS && (word == NULL || strcmp(word, script_key_names[key]) != 0)) {
        key++;
    }
    if (key == SCRIPT_KEYS) {
        return parse_expected(parse, "a key of the JSON line (errno, signal, vmas, minflt, ...)");
    }
    op->key = (enum script_key)key;
    word = parse_next(parse);
    if (word == NULL) {
        return parse_expected(parse, "a value");
    }
    op->value = text_copy(word);
    return parse_end(parse);
}

struct verb_row {
    const char *word;
    bool (*parse)(struct parse *parse, struct script_op *op);
};

static const struct verb_row verbs[SCRIPT_VERBS] = {
    [SCRIPT_MMAP] = {"mmap", parse_mmap},
    [SCRIPT_MUNMAP] = {"munmap", parse_range},
    [SCRIPT_MPROTECT] = {"mprotect", parse_mprotect},
    [SCRIPT_MADVISE] = {"madvise", parse_madvise},
    [SCRIPT_MREMAP] = {"mremap", parse_mremap},
    [SCRIPT_READ] = {"read", parse_range},
    [SCRIPT_WRITE] = {"write", parse_range},
    [SCRIPT_BRK] = {"brk", parse_brk},
    [SCRIPT_STACK] = {"stack", parse_stack},
    [SCRIPT_FORK] = {"fork", parse_fork},
    [SCRIPT_IN] = {"in", parse_in},
    [SCRIPT_EXIT] = {"exit", parse_exit},
    [SCRIPT_THREAD] = {"thread", parse_thread},
    [SCRIPT_JOIN] = {"join", parse_join},
    [SCRIPT_RLIMIT] = {"rlimit", parse_rlimit},
    [SCRIPT_FILE] = {"file", parse_file_line},
    [SCRIPT_MLOCK] = {"mlock", parse_range},
    [SCRIPT_MUNLOCK] = {"munlock", parse_range},
    [SCRIPT_CLONE] = {"clone", parse_clone},
    [SCRIPT_EXPECT] = {"expect", parse_expect},
};

/* ---- lines --------------------------------------------------------------------------------- */

static bool parse_line(struct parse *parse, struct script_op *op) {
    const char *word = parse_next(parse);
    for (int verb = 0; verb < SCRIPT_VERBS; verb++) {
        if (strcmp(word, verbs[verb].word) == 0) {
            op->verb = (enum script_verb)verb;
            return verbs[verb].parse(parse, op);
        }
    }
    return parse_expected(parse, "an operation (mmap, munmap, mprotect, madvise, mremap, read, "
                                 "write, brk, stack, fork, in, exit, thread, join, rlimit, file, "
                                 "mlock, munlock, clone, expect)");
}

static void add_op(struct script *script, const struct script_op *op) {
    if ((script->op_count & (script->op_count + 1)) == 0) { /* full at 2^k - 1 */
        size_t room = 2 * (script->op_count + 1);
        script->ops = text_array_grow(script->ops, room, sizeof *script->ops);
    }
    script->ops[script->op_count++] = *op;
}

/* A copy of the line without its comment and the blanks around it. */
static char *strip(const char *start, size_t length) {
    char *line = text_format("%.*s", (int)length, start);
    line[strcspn(line, "#")] = '\0';
    size_t first = strspn(line, " \t\r");
    size_t end = strlen(line);
    while (end > first && strchr(" \t\r", line[end - 1]) != NULL) {
        end--;
    }
    memmove(line, line + first, end - first);
    line[end - first] = '\0';
    return line;
}

void script_parse(struct script *script, const char *text) {
    *script = (struct script){0};
    struct parse parse = {.script = script};
    unsigned number = 0;
    for (const char *at = text; *at != '\0';) {
        size_t length = strcspn(at, "\n");
        char *line = strip(at, length);
        number++;
        at += length + (at[length] == '\n');
        if (line[0] == '\0') {
            free(line);
            continue;
        }
        struct script_op op = {
            .line = number,
            .text = line,
            .name = -1,
            .file = -1,
            .place = {SCRIPT_NOWHERE, 0},
            .target = {SCRIPT_NOWHERE, 0},
        };
        parse_begin(&parse, line);
        bool valid = parse_line(&parse, &op);
        parse_finish(&parse);
        if (!valid) {
            script->bad_line = number;
            free(line);
            free(op.value);
            return;
        }
        add_op(script, &op);
    }
}

void script_destroy(struct script *script) {
    for (size_t i = 0; i < script->op_count; i++) {
        free(script->ops[i].text);
        free(script->ops[i].value);
    }
    for (size_t i = 0; i < script->name_count; i++) {
        free(script->names[i].text);
    }
    free(script->ops);
    free(script->names);
    free(script->complaint);
    *script = (struct script){0};
}

bool script_read(struct script *script, const char *path) {
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    if (file == NULL) {
        say("cannot read %s: %s", path, strerror(errno));
        return false;
    }
    size_t length = 0;
    size_t room = 4096;
    char *text = text_array(room, 1);
    size_t got;
    while ((got = fread(text + length, 1, room - length - 1, file)) > 0) {
        length += got;
        if (length + 1 == room) {
            room *= 2;
            text = text_array_grow(text, room, 1);
        }
    }
    bool failed = ferror(file) != 0;
    if (file != stdin) {
        fclose(file);
    }
    text[length] = '\0';
    if (failed) {
        say("cannot read %s", path);
    } else {
        script_parse(script, text);
    }
    free(text);
    return !failed;
}
