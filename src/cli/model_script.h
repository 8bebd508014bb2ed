/* model_script.h - the language in which `arenite model` is told what to do.
 * Layer: cli (may use libc).
 *
 * One operation a line, `#` begins a comment. Sizes are bytes, or `3p` (pages), `64K`, `2M`, `1G`.
 * A place is `W`, `W+2M`, `NAME` or `NAME+4p`. docs/model.md lists the operations. */
#ifndef ARENITE_CLI_MODEL_SCRIPT_H
#define ARENITE_CLI_MODEL_SCRIPT_H

#include "model/vma_flags.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum script_verb {
    SCRIPT_MMAP,
    SCRIPT_MUNMAP,
    SCRIPT_MPROTECT,
    SCRIPT_MADVISE,
    SCRIPT_MREMAP,
    SCRIPT_READ,
    SCRIPT_WRITE,
    SCRIPT_BRK,
    SCRIPT_STACK,
    SCRIPT_FORK,
    SCRIPT_IN,
    SCRIPT_EXIT,
    SCRIPT_THREAD,
    SCRIPT_JOIN,
    SCRIPT_RLIMIT,
    SCRIPT_FILE,
    SCRIPT_MLOCK,
    SCRIPT_MUNLOCK,
    SCRIPT_CLONE,
    SCRIPT_EXPECT,
    SCRIPT_VERBS
};

/* What a name stands for. */
enum script_kind { NAME_MAPPING, NAME_FILE, NAME_THREAD };

#define SCRIPT_W (-1)       /* a place's base: the window */
#define SCRIPT_NOWHERE (-2) /* no place was given */
#define SCRIPT_NO_SIZE UINT64_MAX
#define SCRIPT_UNLIMITED UINT64_MAX

struct script_place {
    int base; /* index of a name, SCRIPT_W or SCRIPT_NOWHERE */
    uint64_t offset;
};

enum script_limit { LIMIT_AS, LIMIT_DATA, LIMIT_STACK, LIMIT_MEMLOCK, SCRIPT_LIMITS };

/* Keys of `expect`, in the order of the JSON line. */
enum script_key {
    KEY_ERRNO,
    KEY_SIGNAL,
    KEY_TASK,
    KEY_VMAS,
    KEY_MINFLT,
    KEY_MAJFLT,
    KEY_RSS,
    KEY_ANON,
    KEY_AHP,
    KEY_VMPTE,
    KEY_SWAP, /* where there is swap */
    SCRIPT_KEYS
};
extern const char *const script_key_names[SCRIPT_KEYS];

struct script_op {
    enum script_verb verb;
    unsigned line; /* of the file, from 1 */
    char *text;    /* as written, without comment and outer blanks */
    int name;      /* that it defines or ends; -1: none */
    struct script_place place;
    struct script_place target; /* mremap's `to` */
    uint64_t length;            /* bytes; rlimit's value */
    uint64_t new_length;        /* mremap's; thread's `use` */
    bool negative;              /* brk -LEN */
    uint64_t access;            /* VMF_READ, VMF_WRITE, VMF_EXEC */
    unsigned flags;             /* MAP_REQUEST_*, REMAP_REQUEST_* or CLONE_* of the kernel */
    int file;                   /* mmap's file=NAME; -1: none */
    enum advice advice;
    enum script_limit limit;
    bool in_child;
    enum script_key key;
    char *value; /* expect's */
};

struct script_name {
    char *text;
    enum script_kind kind;
};

struct script {
    struct script_op *ops;
    size_t op_count;
    struct script_name *names;
    size_t name_count;
    unsigned bad_line; /* 0: none; nothing from here on is in ops */
    char *complaint;   /* what was expected there */
};

/* Parses a text up to its end or its first bad line. */
void script_parse(struct script *script, const char *text);
void script_destroy(struct script *script);

/* Reads a file (`-`: standard input) and parses it; false, with a message, when it cannot. */
bool script_read(struct script *script, const char *path);

/* The place that a word names in a script; false when it names none. */
bool script_find_place(const struct script *script, const char *word, struct script_place *place);

/* A number, a symbol like ENOMEM; -1 when it is neither. */
int script_errno(const char *text);
const char *script_errno_name(int error);

/* The names of the language. */
const char *script_advice_name(enum advice advice);

#endif
