/* os_linux_process.c - processors, environment, time, chance, waiting and dying on Linux
 * (contract in os.h).
 * Layer: os (includes base). */
#include "os/os_linux.h"

#include "os/os.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <time.h>

/* Linux runs on at most 8192 processors: the mask the kernel copies is never longer. */
#define AFFINITY_MASK_BYTES 1024

/* Not in every <sys/random.h>; an older kernel answers EINVAL. */
#define RANDOM_NONBLOCK 1u
#define RANDOM_INSECURE 4u

#define NS_PER_SECOND 1000000000u

unsigned os_cpu_count(void) {
    unsigned long mask[AFFINITY_MASK_BYTES / sizeof(unsigned long)];
    long copied = KERNEL_CALL(SYS_sched_getaffinity, 0, sizeof mask, (uintptr_t)mask);
    unsigned count = 0;
    for (size_t i = 0; copied > 0 && i < (size_t)copied / sizeof mask[0]; i++) {
        count += (unsigned)__builtin_popcountl(mask[i]);
    }
    /* A sandbox may refuse the call. */
    return count > 0 ? count : 1;
}

static unsigned long auxiliary_value(unsigned long type) {
    int saved_errno = errno;
    unsigned long value = getauxval(type);
    errno = saved_errno;
    return value;
}

bool os_is_secure(void) {
    return auxiliary_value(AT_SECURE) != 0;
}

const char *os_environment_entry(size_t index) {
    if (environ == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < index; i++) {
        if (environ[i] == NULL) {
            return NULL;
        }
    }
    return environ[index];
}

/* The text after "NAME=" when the entry starts with it, or NULL. */
static const char *entry_value(const char *entry, const char *name) {
    while (*name != '\0' && *entry == *name) {
        entry++;
        name++;
    }
    return *name == '\0' && *entry == '=' ? entry + 1 : NULL;
}

const char *os_environment(const char *name) {
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        const char *value = entry_value(*entry, name);
        if (value != NULL) {
            return value;
        }
    }
    return NULL;
}

uint64_t os_clock_ns(void) {
    int saved_errno = errno;
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    errno = saved_errno;
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* The finaliser of splitmix64 (Steele, Lea, Flood 2014): every input bit reaches every output
 * bit. */
static uint64_t mix_bits(uint64_t x) {
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* What the kernel's generator gives without waiting, 0 when it gives nothing. */
static uint64_t kernel_random(void) {
    uint64_t bits = 0;
    long got = KERNEL_CALL(SYS_getrandom, (uintptr_t)&bits, sizeof bits, RANDOM_INSECURE);
    if (got < 0) {
        got = KERNEL_CALL(SYS_getrandom, (uintptr_t)&bits, sizeof bits, RANDOM_NONBLOCK);
    }
    return got == (long)sizeof bits ? bits : 0;
}

/* AT_RANDOM gives 16 bytes per exec even where getrandom is forbidden; the counter keeps two calls
 * apart then. */
uint64_t os_random(void) {
    static size_t calls;
    uint64_t count = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
    uint64_t bits = mix_bits(count * UINT64_C(0x9e3779b97f4a7c15)) ^ kernel_random();
    const unsigned char *seed = (const unsigned char *)(uintptr_t)auxiliary_value(AT_RANDOM);
    for (size_t i = 0; seed != NULL && i < 16; i++) {
        bits ^= (uint64_t)seed[i] << (i % 8 * 8);
        if (i == 7) {
            bits = mix_bits(bits);
        }
    }
    return mix_bits(bits);
}

void os_sleep_ns(uint64_t duration_ns) {
    struct timespec duration = {(time_t)(duration_ns / NS_PER_SECOND),
                                (long)(duration_ns % NS_PER_SECOND)};
    int saved_errno = errno;
    nanosleep(&duration, NULL);
    errno = saved_errno;
}

int os_thread_id(void) {
    return (int)KERNEL_CALL(SYS_gettid, 0);
}

int os_process_id(void) {
    return (int)KERNEL_CALL(SYS_getpid, 0);
}

void os_wait(const uint32_t *word, uint32_t value) {
    KERNEL_CALL(SYS_futex, (uintptr_t)word, FUTEX_WAIT_PRIVATE, value);
}

void os_wake_one(const uint32_t *word) {
    KERNEL_CALL(SYS_futex, (uintptr_t)word, FUTEX_WAKE_PRIVATE, 1);
}

int os_write(int descriptor, const void *bytes, size_t length) {
    const char *at = bytes;
    while (length > 0) {
        long written = KERNEL_CALL(SYS_write, (uintptr_t)descriptor, (uintptr_t)at, length);
        if (written == -EINTR) {
            continue;
        }
        if (written < 0) {
            return (int)written;
        }
        at += written;
        length -= (size_t)written;
    }
    return 0;
}

void os_abort(void) {
    abort();
}
