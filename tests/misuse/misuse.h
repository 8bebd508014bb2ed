/* misuse.h - 116 small wrong programs in one: what a case is.
 * Layer: tests (includes libc only).
 *
 * Each makes one mistake that programs are known to make, on a block of one size, and then goes on
 * as if nothing had happened. Sizes are chosen by where Arenite keeps them: SMALL, MEDIUM and LARGE
 * ones in slabs, CHUNK ones in a heap with headers, MAPPED ones by themselves. Other allocators
 * divide otherwise, but not by much. */
#ifndef ARENITE_TESTS_MISUSE_MISUSE_H
#define ARENITE_TESTS_MISUSE_MISUSE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SMALL 24
#define MEDIUM 1000
#define LARGE 20000
#define CHUNK 100008
#define MAPPED (1024 * 1024)

struct misuse {
    const char *family;
    const char *name;
    void (*run)(size_t bytes, size_t distance);
    size_t bytes;
    size_t distance; /* how far beside the block, or how much of it; 0 where that says nothing */
};

struct misuse_group {
    const struct misuse *cases;
    size_t count;
};

#define MISUSE_GROUP(cases) \
    { cases, sizeof(cases) / sizeof((cases)[0]) }

extern const struct misuse_group misuse_double_frees;
extern const struct misuse_group misuse_invalid_frees;
extern const struct misuse_group misuse_writes;
extern const struct misuse_group misuse_stale;
extern const struct misuse_group misuse_operators;

/* A filled block. */
char *misuse_block(size_t bytes);

/* Says on stdout which pointer the mistake is about. */
void misuse_about(const void *pointer);

/* Runs an action in another thread, until that has ended; or has another thread run it, which then
 * waits for the process's end, with what it keeps. */
void misuse_in_thread(void (*action)(void *pointer), void *pointer);
void misuse_in_lasting_thread(void (*action)(void *pointer), void *pointer);

#ifdef __cplusplus
}
#endif

#endif
