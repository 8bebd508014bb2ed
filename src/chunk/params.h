/* params.h - the engine's parameters, as mallopt and the environment set them.
 * Layer: chunk (includes base).
 *
 * Written before the first allocation or under a quiet process (mallopt), read everywhere without
 * a lock: each is one word. Defaults are glibc's; sizes in bytes.
 *
 * The dynamic threshold: freeing a mapped chunk that is larger than mmap_threshold raises the
 * threshold to its size and the trim threshold to twice that, so that a program which keeps
 * asking for such blocks gets them from the heap. Setting any of the four parameters by hand
 * turns it off. */
#ifndef ARENITE_CHUNK_PARAMS_H
#define ARENITE_CHUNK_PARAMS_H

#include "chunk/chunk.h"

#define MMAP_THRESHOLD_DEFAULT_BYTES ((size_t)128 * 1024)
#define MMAP_THRESHOLD_MAX_BYTES (SIZE_BYTES == 8 ? (size_t)32 * 1024 * 1024 : (size_t)512 * 1024)
#define TRIM_THRESHOLD_DEFAULT_BYTES ((size_t)128 * 1024)
#define STEP_DEFAULT_BYTES ((size_t)256 * 1024)
/* Under profile=hardened: what slabs do not serve. */
#define MMAP_THRESHOLD_HARDENED_BYTES ((size_t)32 * 1024)
#define TOP_PAD_DEFAULT_BYTES ((size_t)128 * 1024)
#define MMAP_MAX_DEFAULT ((size_t)65536)

/* Largest request the fast bins can be set to serve, and by default serve (as chunk sizes). */
#define FAST_REQUEST_MAX_BYTES (80 * SIZE_BYTES / 4)
#define FAST_DEFAULT_BYTES (64 * SIZE_BYTES / 4)

/* Merged chunks at least this large make free() consolidate the fast bins and look at top. */
#define CONSOLIDATION_BYTES ((size_t)64 * 1024)

struct params {
    size_t mmap_threshold; /* chunk size from which a mapping is tried */
    size_t mmap_max;       /* mapped chunks at a time */
    size_t trim_threshold; /* SIZE_MAX: never */
    size_t top_pad;        /* asked for beyond what is needed */
    size_t fast_max;       /* largest chunk size of the fast bins; 0: none */
    size_t arena_max;      /* 0: from the number of processors */
    size_t arena_test;     /* arenas before the processors are counted; 0: the default */
    size_t quick_count;    /* chunks a thread's quick list may hold; 0: no quick lists */
    size_t quick_bytes;    /* largest chunk size of the quick lists */
    int perturb;           /* byte to fill with (complement on malloc); 0: off */
    size_t step_bytes;     /* heaps change by this much at least; 0: as ptmalloc does */
    bool charges;          /* a thread's first block stands for glibc's in-heap cache */
    bool slabs;            /* small requests are served from slabs */
    bool dynamic;          /* the dynamic threshold is on */
    bool hardened;         /* every call takes the way through src/hardened */
};

extern struct params params;

enum profile {
    PROFILE_DEFAULT,  /* slabs and medium lists in front of the engine, tops kept larger */
    PROFILE_PTMALLOC, /* the engine alone, by ptmalloc's rules and defaults */
    PROFILE_GLIBC,    /* that and glibc's thread cache */
    PROFILE_HARDENED, /* slabs, every slot checked; larger blocks mapped by themselves */
};

/* Sets every parameter to its value under a profile. Before the first allocation. */
void params_use_profile(enum profile profile);

/* Slabs are there, but their fast paths are not to be taken. */
INLINE bool params_wants_detour(void) {
    return params.slabs && (params.perturb != 0 || params.hardened);
}

/* The two thresholds move while other threads read them. */
INLINE size_t params_mmap_threshold(void) {
    return __atomic_load_n(&params.mmap_threshold, __ATOMIC_RELAXED);
}

INLINE size_t params_trim_threshold(void) {
    return __atomic_load_n(&params.trim_threshold, __ATOMIC_RELAXED);
}

/* Each returns true when the value is acceptable and now in force, and has glibc's mallopt
 * semantics: the four thresholds turn `dynamic` off. */
bool params_set_mmap_threshold(size_t bytes);
bool params_set_mmap_max(size_t count);
bool params_set_trim_threshold(size_t bytes);
bool params_set_top_pad(size_t bytes);
bool params_set_fast_max(size_t request_bytes);

/* A mapped chunk of this size was freed: adapt the thresholds if they are dynamic. */
void params_adapt(size_t bytes);

#endif
