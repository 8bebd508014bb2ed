/* signals.h - the tool stands between a terminal and CMD without getting into the way of either.
 * Layer: cli (may use libc).
 *
 * I1: between signals_hold and signals_release the signals handled here are delivered only inside
 *     signals_poll, so that no code of the tool can be interrupted by them elsewhere.
 * Thread-safety: the tool has one thread. */
#ifndef ARENITE_CLI_SIGNALS_H
#define ARENITE_CLI_SIGNALS_H

#include <poll.h>
#include <sys/types.h>

/* Takes over SIGINT, SIGTERM, SIGHUP, SIGQUIT (those not ignored already) and SIGCHLD. */
void signals_hold(void);

/* Gives all of them back, as they were. The child does the same before it executes CMD. */
void signals_release(void);

/* Where signals sent to the tool alone are passed on to; 0 for nowhere. */
void signals_forward_to(pid_t pid);

/* Waits as poll does, and also ends (-1, EINTR) when a child changes state or a signal comes. */
int signals_poll(struct pollfd *fds, nfds_t count, int timeout_ms);

/* The last of the four that arrived since signals_hold, or 0. */
int signals_seen(void);

#endif
