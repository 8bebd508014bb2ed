/* os_linux.h - how the Linux side of os.h enters the kernel.
 * Layer: os, private to os_linux_*.c.
 *
 * Raw system calls, not libc's wrappers: a program may define its own mmap or madvise (tracers
 * and other preloaded libraries do), and that function may call malloc. */
#ifndef ARENITE_OS_OS_LINUX_H
#define ARENITE_OS_OS_LINUX_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "base/compiler.h"

#include <errno.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KERNEL_ARGUMENTS 6

/* The call's result, or a negative errno in [-4095, -1]; errno itself stays as it was. */
static inline long kernel_call(long number, const uintptr_t args[KERNEL_ARGUMENTS]) {
    int saved_errno = errno;
    long result = syscall(number, args[0], args[1], args[2], args[3], args[4], args[5]);
    if (result == -1) {
        result = -(long)errno;
        errno = saved_errno;
    }
    return result;
}

/* Arguments not named are 0. */
#define KERNEL_CALL(number, ...) \
    kernel_call((number), (const uintptr_t[KERNEL_ARGUMENTS]){__VA_ARGS__})

/* 32-bit addresses may be negative as a long, so only the errno range means failure. */
INLINE bool kernel_failed(long result) {
    return result < 0 && result >= -4095;
}

#endif
