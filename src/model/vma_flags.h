/* vma_flags.h - the properties of a VMA, and what a caller asks for.
 * Layer: model (includes base).
 *
 * The bits and their two-letter names are those of /proc/PID/smaps, in its order. Numbers of calls'
 * flags are the model's own; who talks to a kernel translates. */
#ifndef ARENITE_MODEL_VMA_FLAGS_H
#define ARENITE_MODEL_VMA_FLAGS_H

#include "base/compiler.h"

#define VMF_READ ((uint64_t)1 << 0)
#define VMF_WRITE ((uint64_t)1 << 1)
#define VMF_EXEC ((uint64_t)1 << 2)
#define VMF_SHARED ((uint64_t)1 << 3)
#define VMF_MAYREAD ((uint64_t)1 << 4)
#define VMF_MAYWRITE ((uint64_t)1 << 5)
#define VMF_MAYEXEC ((uint64_t)1 << 6)
#define VMF_MAYSHARE ((uint64_t)1 << 7)
#define VMF_GROWSDOWN ((uint64_t)1 << 8)
#define VMF_GUARD ((uint64_t)1 << 11)
#define VMF_LOCKED ((uint64_t)1 << 13)
#define VMF_SEQUENTIAL ((uint64_t)1 << 15)
#define VMF_RANDOM ((uint64_t)1 << 16)
#define VMF_DONTCOPY ((uint64_t)1 << 17)
#define VMF_ACCOUNT ((uint64_t)1 << 20)
#define VMF_NORESERVE ((uint64_t)1 << 21)
#define VMF_WIPEONFORK ((uint64_t)1 << 25)
#define VMF_DONTDUMP ((uint64_t)1 << 26)
#define VMF_HUGEPAGE ((uint64_t)1 << 29)
#define VMF_NOHUGEPAGE ((uint64_t)1 << 30)
#define VMF_MERGEABLE ((uint64_t)1 << 31)
/* Not the script's: merges with nothing of it. Has no name. */
#define VMF_FOREIGN ((uint64_t)1 << 62)

#define VMF_ACCESS (VMF_READ | VMF_WRITE | VMF_EXEC)
#define VMF_MAY (VMF_MAYREAD | VMF_MAYWRITE | VMF_MAYEXEC)
/* What two VMAs that merge may differ in. */
#define VMF_IGNORED_BY_MERGE VMF_GUARD

struct vma_flag_name {
    uint64_t flag;
    char name[3];
};

/* All flags with a name in smaps, in its order. */
#define VMA_FLAG_NAMES 21
extern const struct vma_flag_name vma_flag_names[VMA_FLAG_NAMES];

/* ---- what mmap and mprotect are asked for -------------------------------------------------- */

#define MAP_REQUEST_SHARED (1U << 0)
#define MAP_REQUEST_FIXED (1U << 1)
#define MAP_REQUEST_NOREPLACE (1U << 2) /* fixed, but never over another mapping */
#define MAP_REQUEST_NORESERVE (1U << 3)
#define MAP_REQUEST_POPULATE (1U << 4)
#define MAP_REQUEST_LOCKED (1U << 5)
#define MAP_REQUEST_STACK (1U << 6)
#define MAP_REQUEST_GROWSDOWN (1U << 7)
#define MAP_REQUEST_NONBLOCK (1U << 8)

enum advice {
    ADVICE_NORMAL,
    ADVICE_RANDOM,
    ADVICE_SEQUENTIAL,
    ADVICE_WILLNEED,
    ADVICE_DONTNEED,
    ADVICE_FREE,
    ADVICE_REMOVE,
    ADVICE_DONTFORK,
    ADVICE_DOFORK,
    ADVICE_HUGEPAGE,
    ADVICE_NOHUGEPAGE,
    ADVICE_DONTDUMP,
    ADVICE_DODUMP,
    ADVICE_MERGEABLE,
    ADVICE_UNMERGEABLE,
    ADVICE_WIPEONFORK,
    ADVICE_KEEPONFORK,
    ADVICE_COLD,
    ADVICE_PAGEOUT,
    ADVICE_POPULATE_READ,
    ADVICE_POPULATE_WRITE,
    ADVICE_DONTNEED_LOCKED,
    ADVICE_COLLAPSE,
    ADVICE_GUARD_INSTALL,
    ADVICE_GUARD_REMOVE,
    ADVICES
};

#define REMAP_REQUEST_MAYMOVE (1U << 0)
#define REMAP_REQUEST_DONTUNMAP (1U << 1)
#define REMAP_REQUEST_FIXED (1U << 2)

#endif
