/* os_linux_module.c - which loaded file an address lies in, and whether it lies on the stack
 * (contract in os.h).
 * Layer: os (includes base).
 *
 * Asked while a damaged heap is reported, perhaps under a lock of ours or in a signal handler, so
 * nothing here may wait: dladdr and dl_iterate_phdr take the loader's lock, whose holder may be
 * waiting for memory; /proc/self/maps needs three system calls that a sandbox may punish before the
 * line is out. _dl_find_object (glibc 2.35) was made for unwinders: it takes no lock, allocates
 * nothing and calls no kernel. Where it is missing the caller prints a bare address. */
#include "os/os_linux.h"

#include "os/os.h"

#include <dlfcn.h>
#include <link.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/auxv.h>

static const char *base_name(const char *path) {
    const char *name = path;
    for (const char *at = path; *at != '\0'; at++) {
        name = *at == '/' ? at + 1 : name;
    }
    return name;
}

/* The kernel wrote the path that was executed to the top of the first thread's stack. */
static const char *executed_path(void) {
    int saved_errno = errno;
    const char *path = (const char *)(uintptr_t)getauxval(AT_EXECFN);
    errno = saved_errno;
    return path;
}

static void describe(struct os_module *module, const char *path, uintptr_t offset) {
    const char *program = executed_path();
    if (path == NULL || path[0] == '\0') {
        path = program != NULL ? program : "program";
    }
    *module = (struct os_module){base_name(path), offset};
}

#if defined(DLFO_STRUCT_HAS_EH_DBASE)
#pragma weak _dl_find_object

static bool ask_loader(const void *address, struct os_module *module) {
    struct dl_find_object found;
    if (_dl_find_object == NULL || _dl_find_object((void *)(uintptr_t)address, &found) != 0) {
        return false;
    }
    describe(module, found.dlfo_link_map->l_name,
             (uintptr_t)address - (uintptr_t)found.dlfo_link_map->l_addr);
    return true;
}
#else
static bool ask_loader(const void *address, struct os_module *module) {
    (void)address;
    (void)module;
    return false;
}
#endif

#if defined(ARENITE_STATIC)
/* Laid out by the linker; weak for links that are not complete. */
extern const char __ehdr_start[] WEAK __attribute__((visibility("hidden")));
extern const char _end[] WEAK __attribute__((visibility("hidden")));

/* A program linked with -static has no loader to ask, and no other file. */
static bool ask_linker(const void *address, struct os_module *module) {
    uintptr_t start = (uintptr_t)__ehdr_start;
    if (start == 0 || (uintptr_t)address - start >= (uintptr_t)_end - start) {
        return false;
    }
    describe(module, NULL, (uintptr_t)address - start);
    return true;
}
#else
static bool ask_linker(const void *address, struct os_module *module) {
    (void)address;
    (void)module;
    return false;
}
#endif

bool os_find_module(const void *address, struct os_module *module) {
    return ask_loader(address, module) || ask_linker(address, module);
}

/* libc puts a thread's descriptor on top of its stack, wherever that lies. */
bool os_is_on_stack(const void *address) {
    bool is_first = os_thread_id() == os_process_id();
    uintptr_t top = is_first ? (uintptr_t)executed_path() : (uintptr_t)pthread_self();
    uintptr_t bottom = (uintptr_t)__builtin_frame_address(0);
    return bottom <= (uintptr_t)address && (uintptr_t)address < top;
}

/* ---- the thread's own stack ------------------------------------------------------------------ */

/* The kernel keeps mappings so far away from the top of the first thread's stack. */
#define FIRST_STACK_GAP ((size_t)128 << 20)
/* Of another thread's stack: more is not looked through. */
#define STACK_MOST_BYTES ((size_t)64 << 20)

/* Threads' stacks end in a page that cannot be read. Any word will do: it is not told apart from
 * one of another value by this. */
static bool is_readable(uintptr_t start, uintptr_t end) {
    for (uintptr_t at = start; at < end; at += os_page_bytes()) {
        const uint32_t *word = (const uint32_t *)(at & ~(uintptr_t)(sizeof *word - 1));
        long status = KERNEL_CALL(SYS_futex, (uintptr_t)word, FUTEX_CMP_REQUEUE_PRIVATE, 0, 0,
                                  (uintptr_t)word, 0);
        if (status != 0 && status != -EAGAIN) {
            return false;
        }
    }
    return true;
}

/* One that lies on another stack, as on an alternate one that a frame lends, may be alive. */
static bool is_on_signal_stack(uintptr_t low) {
    stack_t stack = {.ss_flags = 0};
    long status = KERNEL_CALL(SYS_sigaltstack, 0, (uintptr_t)&stack);
    return status != 0 ||
           ((stack.ss_flags & SS_ONSTACK) != 0 && low - (uintptr_t)stack.ss_sp >= stack.ss_size);
}

bool os_is_on_own_stack(const void *low, const void *high) {
    uintptr_t first_top = (uintptr_t)executed_path(), top = (uintptr_t)pthread_self();
    uintptr_t from = (uintptr_t)low, to = (uintptr_t)high;
    bool is_first = from < to && to < first_top && first_top - from < FIRST_STACK_GAP;
    bool is_other = from < to && to < top && top - from < STACK_MOST_BYTES;
    return (is_first || (is_other && is_readable(from, top))) && !is_on_signal_stack(from);
}
