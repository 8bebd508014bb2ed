/* launch.c - runs a program once and reports what it took.
 *
 *   launch LIBRARY LIMIT-BYTES PROGRAM [ARGUMENT]...
 *
 * LIBRARY is preloaded unless empty; LIMIT-BYTES of address space, 0: no limit. The last line of
 * standard output is: exit status, wall seconds, CPU seconds, peak RSS in KiB, minor faults. The
 * program's own output goes nowhere. A program of its own because the kernel hands the peak RSS of
 * whoever forks on to the child: this one is small. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double seconds_of(struct timeval time) {
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void become(char **arguments) {
    rlim_t limit = strtoul(arguments[2], NULL, 0);
    if (limit != 0) {
        setrlimit(RLIMIT_AS, &(struct rlimit){limit, limit});
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO); /* it is expected to fail at times */
    }
    if (arguments[1][0] != '\0') {
        setenv("LD_PRELOAD", arguments[1], 1);
    }
    dup2(open("/dev/null", O_WRONLY), STDOUT_FILENO);
    execvp(arguments[3], arguments + 3);
    _exit(127);
}

int main(int count, char **arguments) {
    if (count < 4) {
        fprintf(stderr, "launch LIBRARY LIMIT-BYTES PROGRAM [ARGUMENT]...\n");
        return 2;
    }
    double start = now();
    pid_t child = fork();
    if (child == 0) {
        become(arguments);
    }
    int status;
    struct rusage usage;
    if (child < 0 || wait4(child, &status, 0, &usage) != child) {
        return 1;
    }
    printf("%d %.6f %.6f %ld %ld\n", WIFEXITED(status) ? WEXITSTATUS(status) : -1, now() - start,
           seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime), usage.ru_maxrss,
           usage.ru_minflt);
    return 0;
}
