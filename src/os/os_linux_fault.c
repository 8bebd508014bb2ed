/* os_linux_fault.c - SIGSEGV: looked at, and handed on (contract in os.h).
 * Layer: os (includes base).
 *
 * The handler stands in front of the one that it found. It runs on the thread's alternate stack if
 * there is one, and with the signals blocked that the other one wants blocked. Where that was the
 * default action, or to ignore, it is put back: the instruction faults again and the kernel does
 * what it would have done, with the registers of the fault in the core file. A SIGSEGV that
 * somebody sent does not come again by itself and is sent once more. */
#include "os/os_linux.h"

#include "os/os.h"

#include <signal.h>
#include <string.h>
#include <ucontext.h>

static struct sigaction former;
static void (*look_at_fault)(const struct os_fault *fault);

bool os_can_read(const void *address) {
    /* The set is read before it is seen that there is no such operation. */
    long status = KERNEL_CALL(SYS_rt_sigprocmask, UINT32_MAX, (uintptr_t)address, 0, 8);
    return status == -EINVAL;
}

/* ---- what the machine tells ------------------------------------------------------------------ */

/* The processor's error code: bit 1 is set for a write. */
#define FAULT_WRITE 2

#if defined(__x86_64__) || defined(__i386__)
#if defined(__x86_64__)
#define PLACE_REGISTER REG_RIP
#define FRAME_REGISTER REG_RBP
#else
#define PLACE_REGISTER REG_EIP
#define FRAME_REGISTER REG_EBP
#endif

static void read_registers(struct os_fault *fault, const ucontext_t *context) {
    const greg_t *registers = context->uc_mcontext.gregs;
    fault->place = (const void *)(uintptr_t)registers[PLACE_REGISTER];
    fault->frame = (const void *)(uintptr_t)registers[FRAME_REGISTER];
    fault->access = (registers[REG_ERR] & FAULT_WRITE) != 0 ? OS_ACCESS_WRITE : OS_ACCESS_READ;
}
#elif defined(__aarch64__)
static void read_registers(struct os_fault *fault, const ucontext_t *context) {
    fault->place = (const void *)(uintptr_t)context->uc_mcontext.pc;
    fault->frame = (const void *)(uintptr_t)context->uc_mcontext.regs[29];
}
#else
static void read_registers(struct os_fault *fault, const ucontext_t *context) {
    (void)fault;
    (void)context;
}
#endif

/* ---- the handler ----------------------------------------------------------------------------- */

static bool is_function(const struct sigaction *action) {
    return (action->sa_flags & SA_SIGINFO) != 0 ||
           (action->sa_handler != SIG_DFL && action->sa_handler != SIG_IGN);
}

static void call_former(int number, siginfo_t *info, void *context) {
    if ((former.sa_flags & SA_SIGINFO) != 0) {
        former.sa_sigaction(number, info, context);
    } else {
        former.sa_handler(number);
    }
}

/* Only the kernel's own are answers to an instruction. */
static bool was_sent(const siginfo_t *info) {
    return info->si_code <= 0;
}

static void hand_on(int number, siginfo_t *info, void *context) {
    if (is_function(&former)) {
        call_former(number, info, context);
        return;
    }
    if (was_sent(info) && former.sa_handler == SIG_IGN) {
        return;
    }
    sigaction(number, &former, NULL);
    if (was_sent(info)) {
        KERNEL_CALL(SYS_tgkill, (uintptr_t)os_process_id(), (uintptr_t)os_thread_id(),
                    (uintptr_t)number);
    }
}

static void handle(int number, siginfo_t *info, void *context) {
    int saved_errno = errno;
    struct os_fault fault = {.address = info->si_addr, .access = OS_ACCESS_UNKNOWN};
    if (!was_sent(info)) {
        read_registers(&fault, context);
        look_at_fault(&fault);
    }
    errno = saved_errno;
    hand_on(number, info, context);
}

int os_watch_faults(void (*look)(const struct os_fault *fault)) {
    int saved_errno = errno;
    struct sigaction ours;
    look_at_fault = look;
    if (sigaction(SIGSEGV, NULL, &former) != 0) {
        int status = -errno;
        errno = saved_errno;
        return status;
    }
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = handle;
    ours.sa_mask = former.sa_mask;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (former.sa_flags & (SA_NODEFER | SA_RESTART));
    int status = sigaction(SIGSEGV, &ours, NULL) == 0 ? 0 : -errno;
    errno = saved_errno;
    return status;
}
