/* helper_thread.c - helper=1: memory that a program has freed goes back while it sleeps, whatever
 * may be retained; without the option it stays. The helper takes no signals, stays behind in a
 * fork, and is not needed: where no thread can be made, all else goes on.
 * Layer: tests (includes libc only).
 *
 * Runs itself again with each setting, because the thread is started before main(). */
#include "support.h"

#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCKS 2000
#define BLOCK_BYTES 60000
#define LEFT_BYTES ((size_t)1 << 20)
/* SIGKILL and SIGSTOP, and the two that libc keeps for itself. */
#define UNBLOCKABLE \
    (1ull << (SIGKILL - 1) | 1ull << (SIGSTOP - 1) | 1ull << (32 - 1) | 1ull << (33 - 1))
#define PATIENCE 3000 /* looks, a tenth of a second apart, until memory must have gone */

static size_t left_after_sleep(bool wants_all) {
    static void *blocks[BLOCKS];
    for (size_t i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(BLOCK_BYTES);
        memset(blocks[i], 1, BLOCK_BYTES);
    }
    size_t left = mallinfo2().arena;
    TEST_CHECK(left >= (size_t)BLOCKS * BLOCK_BYTES);
    for (size_t i = 0; i < BLOCKS; i++) {
        free(blocks[i]);
    }
    for (int i = 0; i < (wants_all ? 5 : PATIENCE) && left > LEFT_BYTES; i++) {
        nanosleep(&(struct timespec){0, 100000000}, NULL);
        left = mallinfo2().arena;
    }
    return left;
}

/* ---- what the thread is like ----------------------------------------------------------------- */

/* The mask of blocked signals in a thread's status, as the kernel writes it. */
static unsigned long long blocked_signals(const char *thread) {
    static const char key[] = "\nSigBlk:";
    char path[300], text[8192];
    snprintf(path, sizeof path, "/proc/self/task/%s/status", thread);
    FILE *file = fopen(path, "r");
    TEST_CHECK(file != NULL);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *at = strstr(text, key);
    TEST_CHECK(at != NULL);
    return strtoull(at + strlen(key), NULL, 16);
}

/* Threads of this process, and how many of them take no signal but those that nobody can block. */
static void count_threads(int *all, int *deaf) {
    DIR *folder = opendir("/proc/self/task");
    const struct dirent *entry;
    TEST_CHECK(folder != NULL);
    *all = *deaf = 0;
    while ((entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.') {
            (*all)++;
            *deaf += (blocked_signals(entry->d_name) | UNBLOCKABLE) == UINT64_MAX;
        }
    }
    closedir(folder);
}

/* The child has no helper and is as any other. */
static bool is_well_behaved(void) {
    int all, deaf, status = -1;
    count_threads(&all, &deaf);
    TEST_CHECK(all == 2 && deaf == 1);
    pid_t child = fork();
    if (child == 0) {
        free(malloc(100000));
        malloc_trim(0);
        count_threads(&all, &deaf);
        _exit(all == 1 && deaf == 0 ? 0 : 1);
    }
    TEST_CHECK(child > 0 && waitpid(child, &status, 0) == child);
    return status == 0;
}

/* As where a sandbox or a limit forbids threads: one line, and the program runs. */
static void forbid_threads(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAGAIN),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    TEST_CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    TEST_CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static bool lives_alone(void) {
    int all, deaf;
    count_threads(&all, &deaf);
    free(malloc(100000));
    return all == 1 && deaf == 0;
}

static bool passes(const char *what) {
    if (strcmp(what, "behaves") == 0) {
        return is_well_behaved();
    }
    if (strcmp(what, "alone") == 0) {
        return lives_alone();
    }
    bool wants_all = strcmp(what, "stays") == 0;
    size_t left = left_after_sleep(wants_all);
    return wants_all ? left >= (size_t)BLOCKS * BLOCK_BYTES : left <= LEFT_BYTES;
}

static int run(const char *options, const char *what) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        setenv("ARENITE_OPTIONS", options, 1);
        if (strcmp(what, "alone") == 0) {
            forbid_threads();
        }
        execl("/proc/self/exe", "helper_thread", what, (char *)NULL);
        _exit(126);
    }
    TEST_CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        return passes(argv[1]) ? 0 : 1;
    }
    if (getenv("ARENITE_OPTIONS") != NULL) {
        test_skip("the test sets the options itself");
    }
    TEST_CHECK(run("retain=-1,retain_decay=50ms", "stays") == 0);
    TEST_CHECK(run("retain=-1,retain_decay=50ms,helper=1", "goes") == 0);
    TEST_CHECK(run("helper=1", "behaves") == 0);
    TEST_CHECK(run("helper=1", "alone") == 0);
    return 0;
}
