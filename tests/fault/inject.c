/* inject.c - runs a program and lets chosen kernel calls of the library under test fail.
 * Layer: tests (includes libc only).
 *
 *   inject [-n FIRST] [-c COUNT] [-p CHANCE] [-s SEED] [-e ERRNO] [-r REPORT] PROGRAM ARGS...
 *
 * The FIRST-th call and COUNT - 1 that follow fail (0: none that follows succeeds); with CHANCE,
 * from the FIRST-th on one in CHANCE fails instead. Without -n all succeed and are counted. REPORT
 * gets one line: "calls=C injected=I". Ends with the program's status, 128 + N when signal N ended
 * it, 77 when the kernel cannot do this.
 *
 * A seccomp filter sends every call of a few kinds to this supervisor, before the kernel acts on
 * it. The library calls the kernel through libc's syscall() and sbrk(), where the loader, libc and
 * the program have instructions of their own: so the code in front of the calling instruction,
 * compared with that of syscall() here, tells whose call it is. */
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define SKIP_STATUS 77
#define FAILED_STATUS 126
/* Bytes of code compared: the last of syscall() up to and with its `syscall` instruction. */
#define CODE_BYTES 16
#define CODE_SEARCHED_BYTES 64

struct plan {
    unsigned long first; /* 0: nothing fails */
    unsigned long count; /* 0: for ever */
    unsigned long chance;
    uint64_t random;
    int error;
    const char *report;
};

struct tally {
    unsigned long calls;
    unsigned long injected;
};

static const int watched[] = {SYS_mmap,     SYS_munmap,  SYS_mremap,    SYS_madvise,
                              SYS_mprotect, SYS_mincore, SYS_getrandom, SYS_sched_getaffinity,
                              SYS_brk};
#define WATCHED_COUNT (sizeof watched / sizeof watched[0])

static unsigned char library_code[CODE_BYTES];

static void fail(int status, const char *what) {
    fprintf(stderr, "inject: %s: %s\n", what, strerror(errno));
    _exit(status);
}

/* ---- in the child -------------------------------------------------------------------------- */

/* The listener of a filter that asks about the watched calls and allows all others. */
static int install_filter(void) {
    struct sock_filter code[WATCHED_COUNT + 3];
    size_t at = 0;
    code[at++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < WATCHED_COUNT; i++) {
        uint8_t to_ask = (uint8_t)(WATCHED_COUNT - i);
        code[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)watched[i],
                                                  to_ask, 0);
    }
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[at++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    struct sock_fprog filter = {.len = (unsigned short)at, .filter = code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return -1;
    }
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                        &filter);
}

/* Room for one descriptor in a control message, aligned as one. */
union control {
    struct cmsghdr header;
    char room[CMSG_SPACE(sizeof(int))];
};

static void send_descriptor(int socket, int descriptor) {
    char byte = 0;
    struct iovec data = {&byte, 1};
    union control control = {0};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &descriptor, sizeof descriptor);
    if (sendmsg(socket, &message, 0) != 1) {
        fail(FAILED_STATUS, "sendmsg");
    }
}

static int receive_descriptor(int socket) {
    char byte = 0;
    struct iovec data = {&byte, 1};
    union control control = {0};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    int descriptor = -1;
    if (recvmsg(socket, &message, 0) == 1 && message.msg_controllen != 0) {
        memcpy(&descriptor, CMSG_DATA(&control.header), sizeof descriptor);
    }
    return descriptor;
}

static void run_program(int socket, char **arguments) {
    const char *preload = getenv("ARENITE_TEST_INJECT_PRELOAD");
    int listener = install_filter();
    if (listener < 0) {
        printf("skipped: this kernel hands no system calls to a supervisor\n");
        fflush(stdout);
        _exit(SKIP_STATUS);
    }
    send_descriptor(socket, listener);
    close(listener);
    close(socket);
    if (preload != NULL) {
        setenv("LD_PRELOAD", preload, 1);
    }
    execvp(arguments[0], arguments);
    fail(FAILED_STATUS, arguments[0]);
}

/* ---- the supervisor ------------------------------------------------------------------------ */

/* Learns what the code in front of syscall()'s own kernel call looks like. */
static void learn_library_code(void) {
    static const unsigned char instruction[] = {0x0f, 0x05};
    const unsigned char *code = (const unsigned char *)(uintptr_t)syscall;
    const unsigned char *found = memmem(code, CODE_SEARCHED_BYTES, instruction, 2);
    if (found == NULL || found + 2 < code + CODE_BYTES) {
        printf("skipped: this libc's syscall() is not as expected\n");
        fflush(stdout);
        _exit(SKIP_STATUS);
    }
    memcpy(library_code, found + 2 - CODE_BYTES, CODE_BYTES);
}

/* The break of a process as far as its mapping tells. */
static uintptr_t break_of(pid_t thread) {
    char name[64];
    char line[512];
    unsigned long end = 0;
    snprintf(name, sizeof name, "/proc/%d/maps", (int)thread);
    FILE *maps = fopen(name, "re");
    while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
        unsigned long past;
        if (strstr(line, "[heap]") != NULL && sscanf(line, "%*x-%lx", &past) == 1) {
            end = past;
        }
    }
    if (maps != NULL) {
        fclose(maps);
    }
    return end;
}

/* Nobody but the library moves the break; everybody may ask where it is. */
static bool is_by_library(const struct seccomp_notif *call) {
    if (call->data.nr == SYS_brk) {
        return call->data.args[0] != 0;
    }
    unsigned char code[CODE_BYTES];
    struct iovec here = {code, sizeof code};
    struct iovec there = {(void *)(uintptr_t)(call->data.instruction_pointer - CODE_BYTES),
                          sizeof code};
    ssize_t got = process_vm_readv((pid_t)call->pid, &here, 1, &there, 1, 0);
    return got == CODE_BYTES && memcmp(code, library_code, CODE_BYTES) == 0;
}

static uint64_t next_random(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

static bool shall_fail(struct plan *plan, unsigned long call) {
    if (plan->first == 0 || call < plan->first) {
        return false;
    }
    if (plan->chance != 0) {
        return next_random(&plan->random) % plan->chance == 0;
    }
    return plan->count == 0 || call < plan->first + plan->count;
}

/* A break that cannot move stays where it is; other calls answer with an error number. */
static void refuse(const struct plan *plan, const struct seccomp_notif *call,
                   struct seccomp_notif_resp *answer) {
    answer->flags = 0;
    if (call->data.nr == SYS_brk) {
        answer->val = (int64_t)break_of((pid_t)call->pid);
    } else {
        answer->error = -plan->error;
    }
}

static void serve_one(int listener, struct plan *plan, struct tally *tally) {
    struct seccomp_notif call = {0};
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &call) != 0) {
        return; /* the caller was killed meanwhile */
    }
    struct seccomp_notif_resp answer = {.id = call.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    if (is_by_library(&call)) {
        tally->calls++;
        if (shall_fail(plan, tally->calls)) {
            tally->injected++;
            refuse(plan, &call, &answer);
        }
    }
    (void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &answer);
}

/* Until the last process under the filter is gone. */
static struct tally serve(int listener, struct plan *plan) {
    struct tally tally = {0};
    struct pollfd waiting = {.fd = listener, .events = POLLIN};
    while (poll(&waiting, 1, -1) >= 0 && (waiting.revents & POLLHUP) == 0) {
        if ((waiting.revents & POLLIN) != 0) {
            serve_one(listener, plan, &tally);
        }
    }
    return tally;
}

static void write_report(const char *name, const struct tally *tally) {
    FILE *file = name != NULL ? fopen(name, "we") : NULL;
    if (file != NULL) {
        fprintf(file, "calls=%lu injected=%lu\n", tally->calls, tally->injected);
        fclose(file);
    }
}

static struct plan read_plan(int argc, char **argv) {
    struct plan plan = {.count = 1, .random = 1, .error = ENOMEM};
    int option;
    while ((option = getopt(argc, argv, "+n:c:p:s:e:r:")) != -1) {
        unsigned long value = optarg != NULL ? strtoul(optarg, NULL, 0) : 0;
        switch (option) {
        case 'n':
            plan.first = value;
            break;
        case 'c':
            plan.count = value;
            break;
        case 'p':
            plan.chance = value;
            break;
        case 's':
            plan.random = value;
            break;
        case 'e':
            plan.error = (int)value;
            break;
        case 'r':
            plan.report = optarg;
            break;
        default:
            fprintf(stderr, "inject: see the top of inject.c\n");
            exit(FAILED_STATUS);
        }
    }
    return plan;
}

int main(int argc, char **argv) {
    struct plan plan = read_plan(argc, argv);
    int ends[2];
    learn_library_code();
    if (optind == argc || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        fail(FAILED_STATUS, "no program");
    }
    pid_t child = fork();
    if (child == 0) {
        run_program(ends[1], argv + optind);
    }
    close(ends[1]);
    int listener = receive_descriptor(ends[0]);
    if (listener >= 0) {
        struct tally tally = serve(listener, &plan);
        write_report(plan.report, &tally);
    }
    int status = 0;
    if (waitpid(child, &status, 0) != child) {
        fail(FAILED_STATUS, "waitpid");
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
