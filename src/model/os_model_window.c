/* os_model_window.c - see os_model_window.h.
 * Layer: model (includes only base). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "model/os_model_window.h"

#include "model/address.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* Not in every <linux/userfaultfd.h>. */
#define USER_MODE_ONLY 1
#define PAGE ((size_t)MODEL_PAGE_BYTES)

static struct {
    uintptr_t start;
    size_t bytes;
    int descriptor;
    window_serve serve;
    struct sigaction former;
} window;

static const _Alignas(MODEL_PAGE_BYTES) unsigned char zeros[MODEL_PAGE_BYTES];

/* ---- traps --------------------------------------------------------------------------------- */

/* What the processor said about the access that failed: bit 1 of its error code. */
static bool was_write(const ucontext_t *context) {
#if defined(__x86_64__) || defined(__i386__)
    return (context->uc_mcontext.gregs[REG_ERR] & 2) != 0;
#else
    (void)context;
    return false;
#endif
}

static void on_trap(int number, siginfo_t *info, void *context) {
    int saved_errno = errno;
    uintptr_t address = (uintptr_t)info->si_addr;
    bool inside = address - window.start < window.bytes;
    if (!inside || !window.serve(address, was_write(context))) {
        sigaction(number, &window.former, NULL); /* the access is made again, and meets that one */
    }
    errno = saved_errno;
}

static int catch_traps(void) {
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    sigfillset(&action.sa_mask);
    return sigaction(SIGBUS, &action, &window.former) == 0 ? 0 : -errno;
}

/* ---- opening ------------------------------------------------------------------------------- */

/* Which kind of access it was is known on x86 only. */
static int open_descriptor(void) {
#if defined(__x86_64__) || defined(__i386__)
    long descriptor = syscall(SYS_userfaultfd, O_CLOEXEC | USER_MODE_ONLY);
    if (descriptor < 0) {
        return -errno;
    }
    struct uffdio_api api = {.api = UFFD_API,
                             .features = UFFD_FEATURE_SIGBUS | UFFD_FEATURE_PAGEFAULT_FLAG_WP};
    if (ioctl((int)descriptor, UFFDIO_API, &api) != 0) {
        int error = -errno;
        close((int)descriptor);
        return error;
    }
    return (int)descriptor;
#else
    return -ENOSYS;
#endif
}

static int map_window(uintptr_t start, size_t bytes) {
    void *place = mmap((void *)start, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (place == MAP_FAILED) {
        return -errno;
    }
    if ((uintptr_t)place != start) { /* a kernel that does not know the flag takes it for a hint */
        munmap(place, bytes);
        return -EEXIST;
    }
    madvise(place, bytes, MADV_NOHUGEPAGE);
    return 0;
}

static int watch(int descriptor, uintptr_t start, size_t bytes) {
    struct uffdio_register watched = {
        .range = {start, bytes},
        .mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP,
    };
    return ioctl(descriptor, UFFDIO_REGISTER, &watched) == 0 ? 0 : -errno;
}

int window_open(uintptr_t start, size_t bytes, window_serve serve) {
    int descriptor = open_descriptor();
    if (descriptor < 0) {
        return descriptor;
    }
    int error = map_window(start, bytes);
    if (error == 0) {
        error = watch(descriptor, start, bytes);
        window.start = start;
        window.bytes = bytes;
        window.descriptor = descriptor;
        window.serve = serve;
        error = error == 0 ? catch_traps() : error;
        if (error < 0) {
            munmap((void *)start, bytes);
        }
    }
    if (error < 0) {
        close(descriptor);
    }
    return error;
}

/* ---- pages --------------------------------------------------------------------------------- */

/* The real kernel refuses, and nothing can be promised any more. */
static COLD _Noreturn void give_up(const char *what) {
    (void)!write(STDERR_FILENO, what, strlen(what));
    abort();
}

/* 0, -EEXIST when the page is there, -EFAULT when the source is not. */
static int copy_page(uintptr_t to, uintptr_t from, bool writable) {
    struct uffdio_copy copy = {
        .dst = to, .src = from, .len = PAGE, .mode = writable ? 0 : UFFDIO_COPY_MODE_WP};
    int error;
    do {
        error = ioctl(window.descriptor, UFFDIO_COPY, &copy) == 0 ? 0 : -errno;
    } while (error == -EAGAIN);
    if (error != 0 && error != -EEXIST && error != -EFAULT) {
        give_up("arenite: the model's window: no memory for a page\n");
    }
    return error;
}

static void allow_writes(uintptr_t page) {
    struct uffdio_writeprotect protect = {.range = {page, PAGE}, .mode = 0};
    if (ioctl(window.descriptor, UFFDIO_WRITEPROTECT, &protect) != 0) {
        give_up("arenite: the model's window: a page stays protected\n");
    }
}

void window_show(uintptr_t page, bool writable) {
    if (copy_page(page, (uintptr_t)zeros, writable) == -EEXIST && writable) {
        allow_writes(page);
    }
}

void window_copy(uintptr_t to, uintptr_t from, bool writable) {
    (void)copy_page(to, from, writable);
}

void window_hide(uintptr_t start, size_t bytes) {
    if (bytes != 0 && madvise((void *)start, bytes, MADV_DONTNEED) != 0) {
        give_up("arenite: the model's window: pages stay\n");
    }
}
