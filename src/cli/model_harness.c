/* model_harness.c - the process in which `arenite model check` makes the real calls.
 * Layer: cli (may use libc). */
#include "cli/model_harness.h"

#include "cli/model_arrange.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#define PAGE 4096UL
#define STACK_BYTES ((size_t)256 * 1024)

static struct {
    struct harness_pipes pipes[HARNESS_TASKS];
    struct harness_hello hello;
    pid_t child;
    sigjmp_buf jump;
    volatile int signal;
    volatile int signal_code;
    int files[HARNESS_SLOTS];
    ucontext_t main_context;
    ucontext_t own_context;
} harness;

/* ---- touching ------------------------------------------------------------------------------ */

static void on_fault(int number, siginfo_t *info, void *context) {
    (void)context;
    harness.signal = number;
    harness.signal_code = info->si_code;
    siglongjmp(harness.jump, 1);
}

static void catch_faults(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

/* Keeps the processor from looking ahead: a translation that it fetched before a fault made the
 * page writable would cost a second, spurious fault that the kernel counts. */
static void wait_for_access(void) {
#if defined(__x86_64__)
    __asm__ volatile("lfence" ::: "memory");
#else
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

static void touch_page(uint64_t address, bool write) {
    volatile char *byte = (volatile char *)address;
    if (write) {
        *byte = 1;
    } else {
        (void)*byte;
    }
    wait_for_access();
}

static void touch_up(const struct harness_request *request) {
    bool write = request->verb == SCRIPT_WRITE;
    uint64_t end = request->address + request->length;
    if (sigsetjmp(harness.jump, 0) != 0) {
        return;
    }
    for (uint64_t at = request->address & ~(PAGE - 1); at < end; at += PAGE) {
        touch_page(at < request->address ? request->address : at, write);
    }
}

static void touch_down(const struct harness_request *request) {
    if (sigsetjmp(harness.jump, 0) != 0) {
        return;
    }
    for (uint64_t done = 0; done < request->length; done += PAGE) {
        touch_page(request->address - done - PAGE, true);
    }
}

/* ---- calls --------------------------------------------------------------------------------- */

static uint64_t call_brk(const struct harness_request *request) {
    uint64_t got = (uint64_t)syscall(SYS_brk, request->address);
    errno = got == request->address ? 0 : ENOMEM;
    return got;
}

static void call_rlimit(const struct harness_request *request) {
    struct rlimit limit;
    getrlimit((__rlimit_resource_t)request->flags, &limit);
    limit.rlim_cur = request->length == SCRIPT_UNLIMITED ? RLIM_INFINITY : request->length;
    limit.rlim_cur = limit.rlim_cur > limit.rlim_max ? limit.rlim_max : limit.rlim_cur;
    setrlimit((__rlimit_resource_t)request->flags, &limit);
}

/* A file that is wholly in the page cache. */
static void call_file(const struct harness_request *request) {
    static const char zeros[65536];
    char path[] = "/tmp/arenite-model-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0) {
        return;
    }
    unlink(path);
    uint64_t length = (request->length + PAGE - 1) & ~(PAGE - 1);
    for (uint64_t done = 0; done < length;) {
        uint64_t part = length - done < sizeof zeros ? length - done : sizeof zeros;
        ssize_t wrote = write(fd, zeros, part);
        if (wrote <= 0) {
            return;
        }
        done += (uint64_t)wrote;
    }
    harness.files[request->slot] = fd;
    errno = 0;
}

static uint64_t call_mmap(const struct harness_request *request) {
    int fd = request->slot < 0 ? -1 : harness.files[request->slot];
    int flags = request->slot < 0 ? request->flags | MAP_ANONYMOUS : request->flags;
    return (uint64_t)syscall(SYS_mmap, request->address, request->length, request->protection,
                             flags, fd, request->new_length);
}

static void serve(enum harness_task task);

/* ---- threads ------------------------------------------------------------------------------- */

struct worker {
    pthread_t thread;
    bool runs;
    uint64_t use_bytes;
    sem_t ready;
    sem_t leave;
};

static struct worker workers[HARNESS_SLOTS];

static uint64_t stack_of(pthread_t thread, uint64_t *bytes) {
    pthread_attr_t attributes;
    void *lowest = NULL;
    size_t size = 0;
    size_t guard = 0;
    if (pthread_getattr_np(thread, &attributes) == 0) {
        pthread_attr_getstack(&attributes, &lowest, &size);
        pthread_attr_getguardsize(&attributes, &guard);
        pthread_attr_destroy(&attributes);
    }
    *bytes = size + guard;
    return (uint64_t)lowest - guard;
}

static void *work(void *argument) {
    struct worker *worker = argument;
    const struct harness_request use = {
        .address = (uint64_t)__builtin_frame_address(0) & ~(PAGE - 1),
        .length = worker->use_bytes,
    };
    touch_down(&use); /* nobody else touches meanwhile */
    sem_post(&worker->ready);
    while (sem_wait(&worker->leave) != 0) {
    }
    return NULL;
}

static uint64_t call_thread(const struct harness_request *request, uint64_t *bytes) {
    struct worker *worker = &workers[request->slot];
    if (worker->runs) {
        errno = EBUSY;
        return 0;
    }
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    int error = 0;
    if (request->length != SCRIPT_NO_SIZE) {
        error = pthread_attr_setstacksize(&attributes, request->length);
    }
    worker->use_bytes = request->new_length;
    sem_init(&worker->ready, 0, 0);
    sem_init(&worker->leave, 0, 0);
    error = error != 0 ? error : pthread_create(&worker->thread, &attributes, work, worker);
    pthread_attr_destroy(&attributes);
    errno = error;
    if (error != 0) {
        return 0;
    }
    while (sem_wait(&worker->ready) != 0) {
    }
    worker->runs = true;
    errno = 0;
    return stack_of(worker->thread, bytes);
}

static void call_join(const struct harness_request *request) {
    struct worker *worker = &workers[request->slot];
    if (!worker->runs) {
        errno = EINVAL;
        return;
    }
    sem_post(&worker->leave);
    pthread_join(worker->thread, NULL);
    worker->runs = false;
    errno = 0;
}

static void settle(void) {
    arrange_settle(true);
}

/* Both sides have their own pages of the harness when this returns. */
static pid_t call_fork(void) {
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        settle();
        serve(HARNESS_CHILD);
    }
    settle();
    harness.child = pid;
    return pid;
}

#define CHILD_STACK_BYTES ((size_t)64 * 1024)

static int begin_child(void *unused) {
    (void)unused;
    serve(HARNESS_CHILD);
    return 0;
}

/* A task that shares our memory: it serves on a stack of its own. The others of the clone flags
 * share what no mapping depends on. */
static pid_t call_clone(int flags) {
    static _Alignas(16) char stack[CHILD_STACK_BYTES];
    if ((flags & CLONE_VM) == 0) {
        return (flags & (CLONE_SIGHAND | CLONE_THREAD)) != 0 ? -1 : call_fork();
    }
    const unsigned passed =
        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_IO;
    int shared = (int)((unsigned)flags & passed);
    pid_t pid = clone(begin_child, stack + sizeof stack, shared | SIGCHLD, NULL);
    harness.child = pid;
    return pid;
}

/* Of a task that shares our memory, this must not end the process. */
static void call_exit(enum harness_task task) {
    if (task == HARNESS_CHILD) {
        const struct harness_reply taken = {0}; /* the next child finds an empty pipe */
        bool told = write(harness.pipes[task].out, &taken, sizeof taken) == sizeof taken;
        syscall(SYS_exit, told ? 0 : 1);
    }
    waitpid(harness.child, NULL, __WALL);
    errno = 0;
}

/* Not by libc's functions: the first use of each would make pages of the loader present. */
static uint64_t kernel_call(long number, uint64_t second, uint64_t third,
                            const struct harness_request *request) {
    return (uint64_t)syscall(number, request->address, second, third);
}

static uint64_t call(const struct harness_request *request, struct harness_reply *reply) {
    switch (request->verb) {
    case SCRIPT_MMAP:
        return call_mmap(request);
    case SCRIPT_MUNMAP:
        return kernel_call(SYS_munmap, request->length, 0, request);
    case SCRIPT_MPROTECT:
        return kernel_call(SYS_mprotect, request->length, (uint64_t)request->protection, request);
    case SCRIPT_MADVISE:
        return kernel_call(SYS_madvise, request->length, (uint64_t)request->advice, request);
    case SCRIPT_MREMAP:
        return (uint64_t)syscall(SYS_mremap, request->address, request->length, request->new_length,
                                 request->flags, request->target);
    case SCRIPT_MLOCK:
        return kernel_call(SYS_mlock, request->length, 0, request);
    case SCRIPT_MUNLOCK:
        return kernel_call(SYS_munlock, request->length, 0, request);
    case SCRIPT_READ:
    case SCRIPT_WRITE:
        touch_up(request);
        return 0;
    case SCRIPT_STACK:
        touch_down(request);
        return 0;
    case SCRIPT_BRK:
        return call_brk(request);
    case SCRIPT_RLIMIT:
        call_rlimit(request);
        return 0;
    case SCRIPT_FILE:
        call_file(request);
        return 0;
    case SCRIPT_THREAD:
        return call_thread(request, &reply->result_length);
    case SCRIPT_JOIN:
        call_join(request);
        return 0;
    case SCRIPT_FORK:
        return (uint64_t)call_fork();
    case SCRIPT_CLONE:
        return (uint64_t)call_clone(request->flags);
    case SCRIPT_EXIT:
        call_exit((enum harness_task)request->slot);
        return 0;
    default:
        return 0;
    }
}

/* ---- requests ------------------------------------------------------------------------------ */

/* Writes to whatever the call and its measurement will write to. */
static void warm_up(struct harness_reply *reply, struct rusage *before, struct rusage *after) {
    memset(reply, 0, sizeof *reply);
    harness.signal = harness.signal_code = 0;
    getrusage(RUSAGE_SELF, before);
    getrusage(RUSAGE_SELF, after);
    syscall(SYS_munmap, 1UL, 0UL); /* fails */
    if (sigsetjmp(harness.jump, 0) != 0) {
        return;
    }
    errno = 0;
}

static void answer(const struct harness_request *request, struct harness_reply *reply) {
    struct rusage before;
    struct rusage after;
    warm_up(reply, &before, &after);
    getrusage(RUSAGE_SELF, &before);
    reply->result = call(request, reply);
    reply->error = errno;
    getrusage(RUSAGE_SELF, &after);
    reply->signal = harness.signal;
    reply->signal_code = harness.signal_code;
    reply->minflt = after.ru_minflt - before.ru_minflt;
    reply->majflt = after.ru_majflt - before.ru_majflt;
    reply->pid = harness.child;
}

static void serve(enum harness_task task) {
    struct harness_request request;
    struct harness_reply reply = {0};
    const struct harness_pipes *pipes = &harness.pipes[task];
    if (write(pipes->out, &reply, sizeof reply) != sizeof reply) { /* ready */
        _exit(1);
    }
    while (read(pipes->in, &request, sizeof request) == sizeof request) {
        answer(&request, &reply);
        if (write(pipes->out, &reply, sizeof reply) != sizeof reply) {
            break;
        }
    }
    _exit(0);
}

/* Runs on a stack of our own, so that the process's stack is the script's. */
static void serve_scene(void) {
    arrange_settle(false);
    arrange_stack(&harness.hello, harness.hello.frame);
    arrange_settle(true);
    const struct harness_pipes *pipes = &harness.pipes[HARNESS_PARENT];
    if (write(pipes->out, &harness.hello, sizeof harness.hello) == sizeof harness.hello) {
        serve(HARNESS_PARENT);
    }
    _exit(1);
}

/* Room in our own heap for what pthread_create allocates: the break is the script's. */
static void keep_heap(void) {
    mallopt(M_TRIM_THRESHOLD, 1 << 30);
    mallopt(M_MMAP_THRESHOLD, 1 << 30);
    void *room = malloc((size_t)256 * 1024);
    free(room);
}

_Noreturn void harness_run(const struct harness_pipes pipes[HARNESS_TASKS], bool bottom_up) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    memcpy(harness.pipes, pipes, sizeof harness.pipes);
    memset(harness.files, -1, sizeof harness.files);
    catch_faults();
    keep_heap();
    void *stack =
        mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (stack == MAP_FAILED || getcontext(&harness.own_context) != 0) {
        _exit(1);
    }
    arrange_space(&harness.hello, bottom_up);
    harness.hello.frame = (uint64_t)__builtin_frame_address(0);
    harness.own_context.uc_stack.ss_sp = stack;
    harness.own_context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&harness.own_context, serve_scene, 0);
    swapcontext(&harness.main_context, &harness.own_context);
    _exit(1);
}
