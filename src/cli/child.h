/* child.h - starting one program and collecting what is left of it.
 * Layer: cli (may use libc).
 *
 * Valid only between signals_hold and signals_release. */
#ifndef ARENITE_CLI_CHILD_H
#define ARENITE_CLI_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

struct child_spec {
    char **argv; /* argv[0] is looked up in PATH as a shell does */
    char **envp;
    int fds[3]; /* what becomes its descriptors 0, 1, 2; -1 inherits the tool's */
};

struct child {
    pid_t pid;
    int64_t start_ns;
    int64_t end_ns;      /* this and the next are valid once child_reap returned true */
    int exit_status;     /* the shell's convention: 128 + signal when killed */
    int signal_number;   /* 0: it ended by itself */
    struct rusage usage; /* of the program and of all descendants that were waited for */
};

/* Starts the program; 0, or the negative errno with which it could not be executed. */
int child_start(const struct child_spec *spec, struct child *child);

/* Fills in the result when the program has ended; does not wait. */
bool child_reap(struct child *child);

#endif
