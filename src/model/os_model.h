/* os_model.h - the modelled kernel under the allocator: what a test sets, sees and breaks.
 * Layer: model (includes base and os.h).
 *
 * os_model.c and os_model_clock.c fulfil os.h in place of os_linux_memory.c and os_linux_clock.c:
 * which ones is decided where a program is linked (cmake/model.cmake), so the library that is
 * shipped knows nothing of it. The library then lives in a window of real bytes
 * (os_model_window.h) whose mappings, page tables, faults, limits and time are the model's:
 *
 *   malloc -> os_map -> [fails by plan?] -> mm_map -> an address in the window
 *   first touch -> trap -> mm_access: a counted fault -> the page is shown -> the touch goes on
 *
 *   | unused | [heap] -> ...  | <- mappings | unused |      the window, always at the same place
 *
 * The same settings and the same calls give the same addresses, bytes, faults and times; a program
 * that is linked at fixed addresses (-no-pie) gives the same bytes throughout.
 * The model's own state lies outside the window, in memory of the host's.
 *
 * What is not modelled here: system calls of the program itself on the window's memory (its pages
 * must have been touched before), fork (the child must not use the library), swap.
 * Units: nanoseconds of the model's clock; they cost nothing. */
#ifndef ARENITE_MODEL_OS_MODEL_H
#define ARENITE_MODEL_OS_MODEL_H

#include "model/personality.h"

struct mm;

/* ---- setting up ---------------------------------------------------------------------------- */

/* Beyond what programs, libraries and sanitizers use, at a place of its own; and the address below
 * which mappings are put. */
#if UINTPTR_MAX > 0xffffffffu
#define OS_MODEL_WINDOW_START ((uintptr_t)1 << 45)
#define OS_MODEL_WINDOW_BYTES ((size_t)1 << 38)
#else
#define OS_MODEL_WINDOW_START ((uintptr_t)0x20000000)
#define OS_MODEL_WINDOW_BYTES ((size_t)0x80000000)
#endif
#define OS_MODEL_MARGIN_BYTES ((size_t)1 << 20)
/* Where the heap begins, from the window's start. */
#if UINTPTR_MAX > 0xffffffffu
#define OS_MODEL_BREAK_OFFSET ((size_t)1 << 30)
#else
#define OS_MODEL_BREAK_OFFSET ((size_t)1 << 24)
#endif
#define OS_MODEL_MMAP_BASE \
    (OS_MODEL_WINDOW_START + OS_MODEL_WINDOW_BYTES - 2 * OS_MODEL_MARGIN_BYTES)

struct os_model_settings {
    uint64_t ram_pages;
    enum index_kind index;
    enum thp_mode thp;
    bool calls_take_time; /* else the clock stands but for os_model_pass_ns and sleeping */
};

/* Opens the window. Before the library's first call; else that call does it with the reference
 * kernel's settings. 0, or a negative errno: this machine cannot (see window_open). */
int os_model_start(const struct os_model_settings *settings);

/* The modelled process, to set limits on, or to look at (model/mm.h). */
struct mm *os_model_mm(void);

/* Chance and processors from now on; by default seed 1 and 2 processors. */
void os_model_set_world(uint64_t seed, unsigned processors);

/* Time passes. */
void os_model_pass_ns(uint64_t duration_ns);

/* ---- failing calls ------------------------------------------------------------------------- */

/* What the library asks the kernel for: functions of os.h, as bits. */
enum os_model_call {
    OS_MODEL_MAP = 1 << 0,
    OS_MODEL_RESERVE = 1 << 1,
    OS_MODEL_COMMIT = 1 << 2,
    OS_MODEL_DECOMMIT = 1 << 3,
    OS_MODEL_RELEASE = 1 << 4,
    OS_MODEL_PURGE = 1 << 5,
    OS_MODEL_REMAP = 1 << 6,
    OS_MODEL_RESIDENCY = 1 << 7,
    OS_MODEL_BREAK = 1 << 8,
    OS_MODEL_ALL_CALLS = (1 << 9) - 1
};

enum os_model_rule {
    FAIL_NEVER,
    FAIL_NTH,   /* the n-th call, counted from 1, of the chosen kinds */
    FAIL_EVERY, /* every n-th one */
    FAIL_FROM   /* the n-th and all after it */
};

struct os_model_failures {
    enum os_model_rule rule;
    unsigned calls; /* enum os_model_call, or several */
    uint64_t n;
    int error; /* a positive errno */
};

/* Counting begins anew. */
void os_model_fail(const struct os_model_failures *failures);

struct os_model_counts { /* since os_model_fail, or the start */
    uint64_t calls;      /* of the chosen kinds; of all kinds while none was chosen */
    uint64_t failed;     /* by plan */
};

struct os_model_counts os_model_counts(void);

/* ---- looking ------------------------------------------------------------------------------- */

struct os_model_usage {
    uint64_t minor_faults; /* since the start */
    uint64_t resident_pages;
    uint64_t mapped_pages;
    uint64_t heap_bytes; /* how far the break has moved */
};

struct os_model_usage os_model_usage(void);

/* NULL, or the first broken invariant of the model. */
const char *os_model_audit(void);

/* A number for all contents of the window and where they lie, to compare two runs by. */
uint64_t os_model_digest(void);

#endif
