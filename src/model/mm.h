/* mm.h - one modelled address space, and the calls that change it.
 * Layer: model (includes base and the buddy core).
 *
 *   machine: pool, frames, files, personality          shared by all
 *     mm: VMAs by address | page tables | limits and counters
 *
 * Every call does what the kernel's of the same name does: the same result, the same VMAs, pages
 * and tables after it, also when it fails half way. It returns 0 or a negative errno; what else
 * comes back is an out-parameter, untouched on failure unless said otherwise.
 *
 * I1: total_pages = sum of all VMAs' lengths; data_pages = of those that is_data says so.
 * I2: a huge page lies wholly inside one VMA; where a border comes to lie in it, it is split.
 * I3: no entry is present outside VMAs, and none leads to swap there.
 * I4: a folio's mappings = the entries of all mms and file caches that lead to it.
 * Units: addresses and lengths in bytes unless a name ends in _pages.
 * Source: mm/mmap.c, vma.c, mprotect.c, madvise.c, mremap.c, memory.c, huge_memory.c of Linux 6.x,
 * re-told; what was measured on a running kernel decides. */
#ifndef ARENITE_MODEL_MM_H
#define ARENITE_MODEL_MM_H

#include "model/group.h"
#include "model/page_table.h"
#include "model/personality.h"
#include "model/ram.h"
#include "model/vma_flags.h"
#include "model/vma_index.h"

#define LIMIT_NONE UINT64_MAX

/* What reclaim did so far, in pages, as /proc/vmstat counts it. */
struct reclaim_counts {
    uint64_t scanned;
    uint64_t reclaimed;
    uint64_t activated;
    uint64_t deactivated;
    uint64_t file_dropped;
    uint64_t lazy_dropped; /* of MADV_FREE */
};

#define MM_NAME_BYTES 16

/* Whom the OOM killer took, and what it saw. Pages. */
struct oom_kill {
    uint64_t kills; /* so far; 0: the rest is empty */
    char name[MM_NAME_BYTES];
    unsigned pid;
    int score_adj;
    int64_t badness;
    uint64_t total_pages;
    uint64_t anon_pages;
    uint64_t file_pages;
    uint64_t swap_pages;
    uint64_t table_bytes;
};

struct machine {
    struct model_memory memory;
    struct frames frames;
    struct ram ram;               /* frames of user pages */
    struct kmem kmem;             /* frames of the kernel: tables, and slabs of */
    struct kmem_cache vma_cache;  /* VMAs */
    struct kmem_cache node_cache; /* nodes of maple trees */
    struct personality personality;
    enum index_kind index_kind;
    uint64_t anon_count;      /* anon_vmas ever made: the next identity */
    uint64_t committed_pages; /* accounted over all mms */
    struct model_file *files;
    struct mm *mms; /* all, the newest first */
    unsigned pids;  /* processes ever made */
    struct reclaim_counts reclaim;
    struct oom_kill last_kill;
    struct group group; /* a limit on what the processes take together */
};

struct mm_limits { /* bytes; LIMIT_NONE: unlimited */
    uint64_t address_space;
    uint64_t data;
    uint64_t stack;
    uint64_t locked;
    bool may_exceed_locked; /* CAP_IPC_LOCK */
};

/* Where things are in an address space that is about to be used. */
struct mm_layout {
    vaddr task_end;  /* first address past user space */
    vaddr mmap_base; /* top-down: below it; bottom-up: from it */
    vaddr mmap_low;  /* bottom-up search that follows a failed top-down one starts here */
    vaddr start_break;
    uint64_t data_bytes; /* of the program: counts against RLIMIT_DATA with the heap */
    vaddr stack_top;     /* an address inside the initial stack */
};

struct mm {
    struct machine *machine;
    struct vma_index index;
    struct page_tables tables;
    struct mm_layout layout;
    struct mm_limits limits;
    vaddr break_end;
    uint64_t total_pages;
    uint64_t data_pages;
    uint64_t locked_pages;
    uint64_t accounted_pages;
    uint64_t minor_faults;
    uint64_t major_faults;
    uint64_t anon_pages;    /* resident */
    uint64_t file_pages;    /* resident, of files and shared memory */
    uint64_t swap_pages;    /* entries that lead to slots of the swap area */
    uint64_t default_flags; /* mlockall(MCL_FUTURE) puts VMF_LOCKED in */
    bool thp_disabled;
    struct mm *next; /* of the machine */
    unsigned pid;
    char name[MM_NAME_BYTES];
    int oom_score_adj; /* -1000 (never killed) to 1000 */
    bool killed;       /* by the OOM killer: its memory is gone, every access fails */
};

/* A machine with so many frames, and personality->swap_pages of swap; 0 or -ENOMEM. */
int machine_init(struct machine *machine, const struct personality *personality,
                 enum index_kind index_kind, uint64_t frames, const struct model_chunks *chunks);
void machine_destroy(struct machine *machine);

int mm_init(struct mm *mm, struct machine *machine, const struct mm_layout *layout);
void mm_destroy(struct mm *mm); /* exit: unmaps everything */

/* ---- system calls -------------------------------------------------------------------------- */

struct map_request {
    vaddr address; /* a hint, or the place where flags say FIXED */
    uint64_t length;
    uint64_t access; /* VMF_READ, VMF_WRITE, VMF_EXEC */
    unsigned flags;  /* MAP_REQUEST_* */
    struct model_file *file;
    uint64_t file_page; /* offset */
};

int mm_map(struct mm *mm, const struct map_request *request, vaddr *result);
int mm_unmap(struct mm *mm, vaddr start, uint64_t length);
int mm_protect(struct mm *mm, vaddr start, uint64_t length, uint64_t access);
int mm_advise(struct mm *mm, vaddr start, uint64_t length, enum advice advice);

struct remap_request {
    vaddr address;
    uint64_t old_length;
    uint64_t new_length;
    unsigned flags; /* REMAP_REQUEST_* */
    vaddr new_address;
};

int mm_remap(struct mm *mm, const struct remap_request *request, vaddr *result);

/* Moves the break; 0, or -ENOMEM with the break where it was. */
int mm_break(struct mm *mm, vaddr wanted);
int mm_lock(struct mm *mm, vaddr start, uint64_t length, bool lock);

/* ---- touching ------------------------------------------------------------------------------ */

enum fault_signal { FAULT_NO_SIGNAL, FAULT_MAPERR, FAULT_ACCERR, FAULT_BUS, FAULT_OOM };

/* One access by the processor: faults if it must. Anything but FAULT_NO_SIGNAL: it failed. */
enum fault_signal mm_access(struct mm *mm, vaddr address, bool write);

/* ---- processes ----------------------------------------------------------------------------- */

/* Makes child a copy of mm as fork does; child is not to be initialised before. */
int mm_fork(struct mm *mm, struct mm *child);

/* ---- views --------------------------------------------------------------------------------- */

struct vma_usage { /* bytes, as smaps shows them in kB */
    uint64_t rss;
    uint64_t anonymous;
    uint64_t anon_huge;
    uint64_t swap;
};

void mm_vma_usage(const struct mm *mm, const struct vma *vma, struct vma_usage *usage);

/* Where every frame of the machine is: they add up to all of them. */
struct frame_shares { /* pages */
    uint64_t total;
    uint64_t free;
    uint64_t anon; /* private, and shared memory; on its way to or from swap too */
    uint64_t file;
    uint64_t tables; /* page tables, and those of file caches */
    uint64_t slabs;
    uint64_t unused; /* frame 0 */
};

struct frame_shares machine_shares(const struct machine *machine);

/* /proc/meminfo of the machine, as far as it is modelled; as snprintf. */
size_t machine_meminfo(const struct machine *machine, char *text, size_t size);

/* NULL, or the first broken invariant of VMAs, tables and counters. */
const char *mm_audit(const struct mm *mm);

/* The same of what all mms share: pages, who maps them, the swap area. Looks at every frame. */
const char *machine_audit(struct machine *machine);

/* ---- reclaim ------------------------------------------------------------------------------- */

/* What the kernel does for the OOM killer: points, higher is worse; INT64_MIN: never. */
int64_t oom_badness(const struct mm *mm);

/* Reclaims as if so many more pages were wanted; returns how many came free. */
uint64_t machine_reclaim(struct machine *machine, uint64_t pages);

#endif
