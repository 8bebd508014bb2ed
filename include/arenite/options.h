/* options.h - the allocator's options: read, changed and listed by the program itself.
 * Layer: include (includes libc headers only).
 *
 * Options come from the environment (ARENITE_OPTIONS=name=value,... and glibc's variables) before
 * the first allocation; `arenite options` lists them. A program can also change some at any time,
 * with mallopt or with what follows here; the last call wins over every other place.
 *
 * Values are texts: a number in the option's unit ("65536"), "-1" for no limit, "0" or "1" for a
 * flag, a word, "1/1000", or "cgroup:90%". Set takes all that ARENITE_OPTIONS takes ("64K",
 * "500ms", "yes"), and what get returns. All are thread-safe and allocate nothing. */
#ifndef ARENITE_OPTIONS_H
#define ARENITE_OPTIONS_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Puts a value into force. 0, or: ENOENT, no option has this name; EINVAL, the option does not
 * allow this value; EPERM, the option is read at the start only. errno is left alone. */
int arenite_option_set(const char *name, const char *value);

/* Writes the value in force to buffer, of which size bytes may be used, NUL included. Returns the
 * length of the whole text without its NUL, like snprintf; 0 when no option has this name. */
size_t arenite_option_get(const char *name, char *buffer, size_t size);

/* One option. The strings pointed to are constants of the library. */
struct arenite_option {
    const char *name;
    const char *type;     /* "number", "size", "duration", "flag", "word", "budget",
                             "share" */
    const char *unit;     /* "bytes", "ms", "arenas" ...; "": none */
    const char *source;   /* "default", "profile", "GLIBC_TUNABLES", the MALLOC_... variable,
                             "ARENITE_OPTIONS", "mallopt", "arenite_option_set" */
    const char *variable; /* glibc's environment variable, "": none */
    const char *tunable;  /* name in GLIBC_TUNABLES, "": none */
    const char *help;
    int mallopt_number; /* 0: mallopt has none for it */
    int may_change;     /* 1: any time; 0: read before the first allocation only */
    char normal[32];    /* the default */
    char value[32];     /* in force now */
    char allowed[128];  /* the range, in words */
};

/* Describes the option of this index, from 0 on; ENOENT past the last one, else 0. */
int arenite_option_at(size_t index, struct arenite_option *description);

#ifdef __cplusplus
}
#endif

#endif
