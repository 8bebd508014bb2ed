/* model_words.h - the words of a script's line: sizes, rights, flags, advice.
 * Layer: cli (may use libc). */
#ifndef ARENITE_CLI_MODEL_WORDS_H
#define ARENITE_CLI_MODEL_WORDS_H

#include "cli/model_script.h"

/* A line that is being taken apart. */
struct parse {
    struct script *script;
    char *words; /* a copy, cut at blanks */
    char *rest;
    char *current;
    bool has_child;
    bool in_child;
};

void parse_begin(struct parse *parse, const char *line);
void parse_finish(struct parse *parse);

/* The next word, or NULL at the end of the line. */
const char *parse_next(struct parse *parse);

/* Notes what was expected instead of the current word; returns false. */
bool parse_expected(struct parse *parse, const char *what);

/* True at the end of the line, else the complaint. */
bool parse_end(struct parse *parse);

/* Bytes: digits, then nothing, p, K, M or G. False when it is no size. */
bool parse_size(const char *word, uint64_t *bytes);

bool parse_take_size(struct parse *parse, uint64_t *bytes);
bool parse_take_access(struct parse *parse, uint64_t *access);

#define MAP_FLAG_LIST                                                                           \
    "fixed, fixed_noreplace, noreserve, populate, locked, stack, growsdown, nonblock, shared, " \
    "private, anonymous"
bool parse_map_flag(const char *word, unsigned *flags);
bool parse_advice(const char *word, enum advice *advice);
bool parse_limit(const char *word, enum script_limit *limit);
bool parse_clone_flag(const char *word, unsigned *flags);

#endif
