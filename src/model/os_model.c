/* os_model.c - address space and program break in the model (contract in os.h, switches in
 * os_model.h).
 * Layer: model (includes base and os.h).
 *
 * Each call: signals are blocked and the lock is taken; the plan of failures is asked; the model
 * answers; what it took away is hidden in the window. What it gave appears when it is touched. */
#include "model/os_model.h"

#include "base/format.h"
#include "model/host.h"
#include "model/mincore.h"
#include "model/mm_internal.h"
#include "model/os_model_window.h"
#include "os/os.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_START OS_MODEL_WINDOW_START
#define WINDOW_BYTES OS_MODEL_WINDOW_BYTES
/* The lowest mapping. */
#if UINTPTR_MAX > 0xffffffffu
#define MAPPINGS_OFFSET ((size_t)1 << 36)
#else
#define MAPPINGS_OFFSET ((size_t)3 << 28)
#endif

#define RAM_PAGES ((uint64_t)4 << (30 - MODEL_PAGE_SHIFT))

/* What things cost on a machine of today, roughly: a call, a page it drops, a fault. */
#define CALL_NS 2000
#define DROP_NS 220
#define FAULT_NS 1200

static struct {
    pthread_mutex_t lock;
    bool is_open;
    bool calls_take_time;
    struct machine machine;
    struct mm mm;
    struct os_model_failures failures;
    struct os_model_counts counts;
} kernel = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* ---- entering the kernel ------------------------------------------------------------------- */

/* A signal handler that used the library inside of a call would find the lock taken. */
static void enter(sigset_t *former) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, former);
    pthread_mutex_lock(&kernel.lock);
}

static void leave(const sigset_t *former) {
    pthread_mutex_unlock(&kernel.lock);
    pthread_sigmask(SIG_SETMASK, former, NULL);
}

static void take_ns(uint64_t duration_ns) {
    if (kernel.calls_take_time) {
        os_model_pass_ns(duration_ns);
    }
}

/* ---- touches ------------------------------------------------------------------------------- */

static void say_denied(uintptr_t address, enum fault_signal signal) {
    static const char *const why[] = {[FAULT_MAPERR] = "nothing is mapped there",
                                      [FAULT_ACCERR] = "its mapping does not allow it",
                                      [FAULT_BUS] = "its file is shorter",
                                      [FAULT_OOM] = "the machine has no memory left"};
    char text[120];
    size_t length = format_text(text, sizeof text, "arenite: model: touch of %p: %s\n",
                                (const void *)address, why[signal]);
    (void)os_write(2, text, length);
}

/* A page may be in the model and not be shown yet (the rest of a huge one): no fault is counted
 * then. It is shown for reading until it is written to, so that the model learns of that, too. */
static bool serve(uintptr_t address, bool write) {
    pthread_mutex_lock(&kernel.lock);
    uint64_t before = kernel.mm.minor_faults;
    enum fault_signal signal = mm_access(&kernel.mm, address, write);
    bool served = signal == FAULT_NO_SIGNAL;
    if (!served) {
        say_denied(address, signal);
    } else {
        window_show((uintptr_t)PAGE_MASK_OF(address), write);
        take_ns((kernel.mm.minor_faults - before) * FAULT_NS);
    }
    pthread_mutex_unlock(&kernel.lock);
    return served;
}

/* ---- setting up ---------------------------------------------------------------------------- */

static const struct mm_layout layout = {
    .task_end = WINDOW_START + WINDOW_BYTES - OS_MODEL_MARGIN_BYTES,
    .mmap_base = OS_MODEL_MMAP_BASE,
    .mmap_low = WINDOW_START + MAPPINGS_OFFSET,
    .start_break = WINDOW_START + OS_MODEL_BREAK_OFFSET,
    .stack_top = WINDOW_START + WINDOW_BYTES,
};

static int start_machine(const struct os_model_settings *settings) {
    static const struct model_chunks chunks = {host_map, host_unmap};
    struct personality personality = personality_default(settings->ram_pages);
    personality.thp = settings->thp;
    personality.bits32 = sizeof(void *) == 4;
    personality.min_address = WINDOW_START;
    int error =
        machine_init(&kernel.machine, &personality, settings->index, settings->ram_pages, &chunks);
    return error < 0 ? error : mm_init(&kernel.mm, &kernel.machine, &layout);
}

int os_model_start(const struct os_model_settings *settings) {
    if (kernel.is_open) {
        return -EBUSY;
    }
    int error = window_open(WINDOW_START, WINDOW_BYTES, serve);
    error = error < 0 ? error : start_machine(settings);
    kernel.is_open = error == 0;
    kernel.calls_take_time = settings->calls_take_time;
    return error;
}

struct mm *os_model_mm(void) {
    return &kernel.mm;
}

static void ensure_open(void) {
    static const struct os_model_settings usual = {RAM_PAGES, INDEX_MAPLE, THP_MADVISE, true};
    if (UNLIKELY(!kernel.is_open) && os_model_start(&usual) != 0) {
        static const char text[] = "arenite: no userfaultfd, or no place for the model's window\n";
        (void)os_write(2, text, sizeof text - 1);
        os_abort();
    }
}

/* ---- failing calls ------------------------------------------------------------------------- */

void os_model_fail(const struct os_model_failures *failures) {
    kernel.failures = *failures;
    kernel.counts = (struct os_model_counts){0};
}

struct os_model_counts os_model_counts(void) {
    return kernel.counts;
}

static bool is_due(const struct os_model_failures *failures, uint64_t call) {
    switch (failures->rule) {
    case FAIL_NTH:
        return call == failures->n;
    case FAIL_EVERY:
        return call % failures->n == 0;
    case FAIL_FROM:
        return call >= failures->n;
    case FAIL_NEVER:
        break;
    }
    return false;
}

/* Begins a call: 0, or the negative errno that it fails with. Every one ends with end_call. */
static int begin_call(enum os_model_call call, sigset_t *former) {
    enter(former);
    ensure_open();
    take_ns(CALL_NS);
    const struct os_model_failures *failures = &kernel.failures;
    if (failures->rule != FAIL_NEVER && (failures->calls & (unsigned)call) == 0) {
        return 0;
    }
    kernel.counts.calls++;
    if (!is_due(failures, kernel.counts.calls)) {
        return 0;
    }
    kernel.counts.failed++;
    return -failures->error;
}

static void end_call(const sigset_t *former) {
    leave(former);
}

/* ---- address space ------------------------------------------------------------------------- */

size_t os_page_bytes(void) {
    return MODEL_PAGE_BYTES;
}

/* Pages that the model dropped disappear from the window. */
static void hide(vaddr start, uint64_t bytes, uint64_t pages_before) {
    take_ns((pages_before - kernel.mm.anon_pages) * DROP_NS);
    window_hide((uintptr_t)start, (size_t)bytes);
}

static void *map_pages(enum os_model_call call, const struct map_request *request) {
    sigset_t former;
    vaddr place = 0;
    int error = begin_call(call, &former);
    error = error < 0 ? error : mm_map(&kernel.mm, request, &place);
    end_call(&former);
    return error < 0 ? NULL : (void *)(uintptr_t)place;
}

void *os_map(size_t bytes) {
    const struct map_request request = {.length = bytes, .access = VMF_READ | VMF_WRITE};
    return map_pages(OS_MODEL_MAP, &request);
}

/* A hint is a wish, and outside of the window there is nothing to be had. */
void *os_reserve(size_t bytes, void *hint) {
    uintptr_t offset = (uintptr_t)hint - (WINDOW_START + MAPPINGS_OFFSET);
    size_t room = WINDOW_BYTES - MAPPINGS_OFFSET;
    bool inside = bytes <= room && offset <= room - bytes;
    const struct map_request request = {
        .address = inside ? (uintptr_t)hint : 0, .length = bytes, .flags = MAP_REQUEST_NORESERVE};
    return map_pages(OS_MODEL_RESERVE, &request);
}

int os_commit(void *start, size_t bytes) {
    sigset_t former;
    int error = begin_call(OS_MODEL_COMMIT, &former);
    if (error == 0) {
        error = mm_protect(&kernel.mm, (uintptr_t)start, bytes, VMF_READ | VMF_WRITE);
    }
    end_call(&former);
    return error;
}

int os_decommit(void *start, size_t bytes) {
    sigset_t former;
    int error = begin_call(OS_MODEL_DECOMMIT, &former);
    uint64_t before = kernel.mm.anon_pages;
    if (error == 0) {
        const struct map_request request = {.address = (uintptr_t)start,
                                            .length = bytes,
                                            .flags = MAP_REQUEST_FIXED | MAP_REQUEST_NORESERVE};
        vaddr place;
        error = mm_map(&kernel.mm, &request, &place);
    }
    if (error == 0) {
        hide((uintptr_t)start, bytes, before);
    }
    end_call(&former);
    return error;
}

int os_release(void *start, size_t bytes) {
    sigset_t former;
    int error = begin_call(OS_MODEL_RELEASE, &former);
    uint64_t before = kernel.mm.anon_pages;
    error = error < 0 ? error : mm_unmap(&kernel.mm, (uintptr_t)start, bytes);
    if (error == 0) {
        hide((uintptr_t)start, bytes, before);
    }
    end_call(&former);
    return error;
}

int os_purge(void *start, size_t bytes) {
    sigset_t former;
    int error = begin_call(OS_MODEL_PURGE, &former);
    uint64_t before = kernel.mm.anon_pages;
    error = error < 0 ? error : mm_advise(&kernel.mm, (uintptr_t)start, bytes, ADVICE_DONTNEED);
    if (error == 0) {
        hide((uintptr_t)start, bytes, before);
    }
    end_call(&former);
    return error;
}

long os_resident_bytes(const void *start, size_t bytes) {
    sigset_t former;
    uint64_t resident = 0;
    int error = begin_call(OS_MODEL_RESIDENCY, &former);
    error = error < 0 ? error : mm_resident(&kernel.mm, (uintptr_t)start, bytes, &resident);
    end_call(&former);
    return error < 0 ? error : (long)resident;
}

/* ---- resizing ------------------------------------------------------------------------------ */

/* The model has moved its pages; their bytes follow. */
static void follow(uintptr_t from, uintptr_t to, size_t bytes) {
    for (size_t offset = 0; offset < bytes; offset += MODEL_PAGE_BYTES) {
        page_entry entry = tables_entry(&kernel.mm.tables, to + offset);
        if ((entry & PTE_PRESENT) != 0 && (entry & PTE_ZERO) == 0) {
            window_copy(to + offset, from + offset, (entry & PTE_WRITE) != 0);
        }
    }
    window_hide(from, bytes);
}

static void mirror_remap(uintptr_t from, uintptr_t to, size_t old_bytes, size_t new_bytes) {
    size_t kept = old_bytes < new_bytes ? old_bytes : new_bytes;
    if (to != from) {
        follow(from, to, kept);
    }
    window_hide(from + kept, old_bytes - kept);
}

void *os_remap(void *start, size_t old_bytes, size_t new_bytes, bool may_move) {
    sigset_t former;
    vaddr place = 0;
    int error = begin_call(OS_MODEL_REMAP, &former);
    if (error == 0) {
        const struct remap_request request = {.address = (uintptr_t)start,
                                              .old_length = old_bytes,
                                              .new_length = new_bytes,
                                              .flags = may_move ? REMAP_REQUEST_MAYMOVE : 0};
        error = mm_remap(&kernel.mm, &request, &place);
    }
    if (error == 0) {
        mirror_remap((uintptr_t)start, (uintptr_t)place, old_bytes, new_bytes);
    }
    end_call(&former);
    return error < 0 ? NULL : (void *)(uintptr_t)place;
}

/* ---- the program break --------------------------------------------------------------------- */

static int move_break(vaddr from, vaddr to) {
    int error = mm_break(&kernel.mm, to);
    if (error == 0 && to < from) {
        vaddr start = page_round_up(to);
        window_hide((uintptr_t)start, (size_t)(page_round_up(from) - start));
    }
    return error;
}

/* sbrk(0) of libc asks nobody, and cannot fail. */
static void *known_break(void) {
    sigset_t former;
    enter(&former);
    ensure_open();
    vaddr place = kernel.mm.break_end;
    leave(&former);
    return (void *)(uintptr_t)place;
}

void *os_break_move(intptr_t delta) {
    if (delta == 0) {
        return known_break();
    }
    sigset_t former;
    int error = begin_call(OS_MODEL_BREAK, &former);
    vaddr from = kernel.mm.break_end;
    error = error < 0 ? error : move_break(from, from + (vaddr)(int64_t)delta);
    end_call(&former);
    return error < 0 ? NULL : (void *)(uintptr_t)from;
}

void *os_break_place(void) {
    sigset_t former;
    int error = begin_call(OS_MODEL_BREAK, &former);
    vaddr place = kernel.mm.break_end;
    end_call(&former);
    return error < 0 ? NULL : (void *)(uintptr_t)place;
}

/* ---- looking ------------------------------------------------------------------------------- */

struct os_model_usage os_model_usage(void) {
    const struct mm *mm = &kernel.mm;
    return (struct os_model_usage){
        .minor_faults = mm->minor_faults,
        .resident_pages = mm->anon_pages,
        .mapped_pages = mm->total_pages,
        .heap_bytes = mm->break_end - mm->layout.start_break,
    };
}

const char *os_model_audit(void) {
    sigset_t former;
    enter(&former);
    const char *broken = mm_audit(&kernel.mm);
    broken = broken != NULL ? broken : frames_audit(&kernel.machine.frames);
    leave(&former);
    return broken;
}

/* FNV-1a over words. */
static uint64_t digest_word(uint64_t digest, uint64_t word) {
    return (digest ^ word) * UINT64_C(0x100000001b3);
}

static uint64_t digest_page(uint64_t digest, vaddr page) {
    const uint64_t *word = (const uint64_t *)(uintptr_t)page;
    digest = digest_word(digest, page);
    for (size_t i = 0; i < MODEL_PAGE_BYTES / sizeof *word; i++) {
        digest = digest_word(digest, word[i]);
    }
    return digest;
}

/* Pages are read without the lock: a page that is not shown yet traps. */
uint64_t os_model_digest(void) {
    uint64_t digest = UINT64_C(0xcbf29ce484222325);
    const struct mm *mm = &kernel.mm;
    for (const struct vma *vma = vma_index_first(&mm->index); vma != NULL;
         vma = vma_index_next(&mm->index, vma)) {
        digest = digest_word(digest_word(digest, vma->start), vma->end);
        digest = digest_word(digest, vma->flags);
        for (vaddr page = vma->start; page < vma->end; page += MODEL_PAGE_BYTES) {
            if ((tables_entry(&mm->tables, page) & PTE_PRESENT) != 0) {
                digest = digest_page(digest, page);
            }
        }
    }
    return digest_word(digest_word(digest, mm->minor_faults), os_clock_ns());
}
