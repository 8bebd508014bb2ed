/* sandbox.c - a process whose filter of system calls refuses what a plain allocator needs not, and
 * one whose filter kills for it.
 * Layer: tests (includes libc only). */
#include "child.h"
#include "support.h"
#include "traffic.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CODE_MAX 64

struct filter {
    struct sock_filter code[CODE_MAX];
    unsigned short length;
};

static void add(struct filter *filter, struct sock_filter instruction) {
    TEST_CHECK(filter->length < CODE_MAX);
    filter->code[filter->length++] = instruction;
}

/* Answers one call number with an action. */
static void answer(struct filter *filter, int number, unsigned action) {
    add(filter, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)number, 0, 1));
    add(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

static struct filter filter_begin(void) {
    struct filter filter = {.length = 0};
    add(&filter,
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)));
    return filter;
}

static void enter_sandbox(struct filter *filter, unsigned otherwise) {
    add(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, otherwise));
    struct sock_fprog program = {.len = filter->length, .filter = filter->code};
    TEST_CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    TEST_CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void run_traffic(void) {
    struct traffic traffic;
    traffic_init(&traffic, 400, 1);
    for (size_t i = 0; i < 10; i++) {
        traffic_run(&traffic, 500);
        malloc_trim(0);
    }
    TEST_CHECK(traffic.refused == 0);
    traffic_destroy(&traffic);
}

/* Advice, remapping and everything one can do without is refused with an error number. */
static void refused(void *error) {
    static const int numbers[] = {SYS_madvise,   SYS_mremap, SYS_mincore, SYS_sched_getaffinity,
                                  SYS_getrandom, SYS_brk,    SYS_openat,  SYS_prctl};
    struct filter filter = filter_begin();
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        /* To a break that cannot be moved the kernel answers with an address, not a number. */
        unsigned data = numbers[i] == SYS_brk ? 0 : (unsigned)(size_t)error;
        answer(&filter, numbers[i], SECCOMP_RET_ERRNO | data);
    }
    enter_sandbox(&filter, SECCOMP_RET_ALLOW);
    run_traffic();
}

/* One kind of advice is allowed: what came to Linux later is not in every sandbox's list. */
static void allow_dontneed(struct filter *filter) {
    const struct sock_filter code[] = {
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MADV_DONTNEED, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    for (size_t i = 0; i < sizeof code / sizeof code[0]; i++) {
        add(filter, code[i]);
    }
}

/* Only what allocation must have is allowed (and what libc's qsort asks); any other call kills. */
static void killed(void *unused) {
    static const int numbers[] = {SYS_mmap, SYS_munmap,  SYS_mremap, SYS_mprotect,
                                  SYS_brk,  SYS_futex,   SYS_write,  SYS_exit_group,
                                  SYS_exit, SYS_mincore, SYS_sysinfo};
    struct filter filter = filter_begin();
    (void)unused;
    free(malloc(1));
    allow_dontneed(&filter);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        answer(&filter, numbers[i], SECCOMP_RET_ALLOW);
    }
    enter_sandbox(&filter, SECCOMP_RET_KILL_PROCESS);
    run_traffic();
}

static void expect_lives(const char *name, void (*action)(void *), void *argument) {
    struct child child;
    test_run_child(&child, action, argument);
    if (!test_child_passed(&child)) {
        fprintf(stderr, "%s: status %#x: %s\n", name, (unsigned)child.status, child.said);
    }
    TEST_CHECK(test_child_passed(&child));
}

int main(void) {
    expect_lives("refused, EPERM", refused, (void *)(size_t)EPERM);
    expect_lives("refused, ENOSYS", refused, (void *)(size_t)ENOSYS);
    expect_lives("refused, EINVAL", refused, (void *)(size_t)EINVAL);
    expect_lives("killed", killed, NULL);
    return 0;
}
