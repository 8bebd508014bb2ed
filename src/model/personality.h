/* personality.h - how the kernel that is modelled behaves where kernels differ.
 * Layer: model (includes base).
 *
 * The defaults are those of the x86-64 Linux 6.18 that the rules were measured on. Where the model
 * is compared with a running kernel, probes fill the record in; an answer that the model has no
 * rule for is an unknown variant, and is reported as such. */
#ifndef ARENITE_MODEL_PERSONALITY_H
#define ARENITE_MODEL_PERSONALITY_H

#include "base/compiler.h"

enum thp_mode { THP_NEVER, THP_MADVISE, THP_ALWAYS };

/* What finds VMAs: since Linux 6.1, and before. */
enum index_kind { INDEX_MAPLE, INDEX_RBTREE };

enum overcommit_mode { OVERCOMMIT_GUESS, OVERCOMMIT_ALWAYS, OVERCOMMIT_NEVER };

struct personality {
    uint64_t ram_pages;
    uint64_t swap_pages;
    uint64_t max_map_count;
    uint64_t stack_gap_pages;    /* kept free below a growing stack */
    uint64_t fault_around_pages; /* mapped at one read fault of a cached file */
    uint64_t min_address;        /* vm.mmap_min_addr */
    uint64_t locked_limit_bytes; /* RLIMIT_MEMLOCK of a new process */
    unsigned overcommit_ratio;   /* percent of RAM, for OVERCOMMIT_NEVER */
    unsigned table_levels;       /* 4; 5 is an extrapolation */
    unsigned mthp_orders;        /* bit k: 2^k pages at once where MADV_HUGEPAGE was given */
    enum overcommit_mode overcommit;
    enum thp_mode thp;
    bool thp_alignment;       /* mappings of whole 2 MiB without a hint are aligned to 2 MiB */
    bool stack_is_nohuge;     /* MAP_STACK sets `nh` */
    bool reclaims_tables;     /* MADV_DONTNEED of a whole 2 MiB block frees its PTE table */
    bool guard_flag;          /* a VMA with guard pages shows `gu` */
    bool collapse_needs_page; /* MADV_COLLAPSE makes no block huge in which nothing was written */
    bool merges_pages;        /* MADV_MERGEABLE is known (KSM) */
    bool may_exceed_locked;   /* CAP_IPC_LOCK */
    bool bits32;              /* a 32-bit process: 3 GiB or 4 GiB of addresses */
    bool bottom_up;           /* the classic layout (ADDR_COMPAT_LAYOUT) */
};

/* The record of the reference kernel with so much memory. */
struct personality personality_default(uint64_t ram_pages);

#endif
