/* signals.c - the tool stands between a terminal and CMD without getting into the way of either.
 * Layer: cli (may use libc).
 *
 * A key such as Ctrl-C reaches the whole foreground process group, CMD included: the kernel sends
 * it (si_code > 0), and the tool must only survive it. A signal from kill(1) or a service manager
 * was meant for CMD but reached the tool alone: that one is passed on. */
#include "cli/signals.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

static const int held_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD};
enum { HELD_COUNT = sizeof held_signals / sizeof held_signals[0] };

static struct sigaction old_actions[HELD_COUNT];
static sigset_t old_mask;
static volatile sig_atomic_t last_seen;
static volatile sig_atomic_t forward_pid;

static void on_signal(int number, siginfo_t *info, void *context) {
    (void)context;
    if (number == SIGCHLD) {
        return; /* its only purpose is to end signals_poll */
    }
    last_seen = number;
    if (info->si_code <= 0 && forward_pid > 0) {
        kill((pid_t)forward_pid, number);
    }
}

/* A signal ignored from outside (nohup) stays ignored, in CMD as well. SIGCHLD is always needed:
 * ignored, it would make wait4 fail. */
static void hold_one(size_t i, const struct sigaction *action) {
    sigaction(held_signals[i], NULL, &old_actions[i]);
    bool ignored = old_actions[i].sa_handler == SIG_IGN;
    if (!ignored || held_signals[i] == SIGCHLD) {
        sigaction(held_signals[i], action, NULL);
    }
}

void signals_hold(void) {
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    sigfillset(&action.sa_mask);
    sigset_t held;
    sigemptyset(&held);
    for (size_t i = 0; i < HELD_COUNT; i++) {
        sigaddset(&held, held_signals[i]);
    }
    sigprocmask(SIG_BLOCK, &held, &old_mask);
    last_seen = 0;
    forward_pid = 0;
    for (size_t i = 0; i < HELD_COUNT; i++) {
        hold_one(i, &action);
    }
}

void signals_release(void) {
    for (size_t i = 0; i < HELD_COUNT; i++) {
        sigaction(held_signals[i], &old_actions[i], NULL);
    }
    sigprocmask(SIG_SETMASK, &old_mask, NULL);
}

void signals_forward_to(pid_t pid) {
    forward_pid = (sig_atomic_t)pid;
}

int signals_poll(struct pollfd *fds, nfds_t count, int timeout_ms) {
    struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    sigset_t open_mask = old_mask;
    for (size_t i = 0; i < HELD_COUNT; i++) {
        sigdelset(&open_mask, held_signals[i]);
    }
    return ppoll(fds, count, timeout_ms < 0 ? NULL : &timeout, &open_mask);
}

int signals_seen(void) {
    return last_seen;
}
