/* os_linux_clock.c - what differs from run to run: processors, time, chance, identity, on Linux
 * (contract in os.h).
 * Layer: os (includes base).
 *
 * A file of its own, so that a program which has to run the same way twice can be linked with
 * others in its place. */
#include "os/os_linux.h"

#include "os/os.h"

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

static const unsigned char *auxiliary_bytes(void) {
    int saved_errno = errno;
    const unsigned char *bytes = (const unsigned char *)(uintptr_t)getauxval(AT_RANDOM);
    errno = saved_errno;
    return bytes;
}

/* AT_RANDOM gives 16 bytes per exec even where getrandom is forbidden; the counter keeps two calls
 * apart then. */
uint64_t os_random(void) {
    static size_t calls;
    uint64_t count = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
    uint64_t bits = mix_bits(count * UINT64_C(0x9e3779b97f4a7c15)) ^ kernel_random();
    const unsigned char *seed = auxiliary_bytes();
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
