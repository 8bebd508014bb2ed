/* secure.c - a program that runs with more rights than its caller ignores the environment and opens
 * no file.
 * Layer: tests (includes libc and public headers only).
 *
 * The program copies itself, gives the copy to another user with the set-user-id bit, runs it. */
#include "support.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arenite/options.h"

#define OTHER_USER 65534
#define NOT_SECURE 76 /* the file system or a sandbox took the bit away */

static void expect_defaults(void) {
    static const char *const names[] = {"top_pad", "arena_max", "mmap_max", "profile"};
    struct arenite_option option;
    for (size_t i = 0; arenite_option_at(i, &option) == 0; i++) {
        for (size_t j = 0; j < sizeof names / sizeof names[0]; j++) {
            if (strcmp(option.name, names[j]) == 0) {
                TEST_CHECK(strcmp(option.value, option.normal) == 0);
                TEST_CHECK(strcmp(option.source, "default") == 0);
            }
        }
    }
}

static int run_copy(void) {
    if (getauxval(AT_SECURE) == 0) {
        return NOT_SECURE;
    }
    free(malloc(100));
    expect_defaults();
    return 0;
}

static void copy_self(char *path) {
    struct stat status;
    int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int to = mkstemp(path);
    TEST_CHECK(from >= 0 && to >= 0 && fstat(from, &status) == 0);
    off_t at = 0;
    while (at < status.st_size && sendfile(to, from, &at, (size_t)(status.st_size - at)) > 0) {
    }
    TEST_CHECK(at == status.st_size);
    TEST_CHECK(fchown(to, OTHER_USER, OTHER_USER) == 0 && fchmod(to, 04755) == 0);
    TEST_CHECK(close(from) == 0 && close(to) == 0);
}

/* To open one ends the process. Not where a loader has to open libraries. Without the promise never
 * to gain rights, which only root may leave out. */
static void forbid_files(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_open, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};
    if (getauxval(AT_BASE) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        fprintf(stderr, "files cannot be forbidden here\n");
    }
}

/* The copy's exit status; what it writes on stderr goes to the file. */
static int run(char *path, const char *errors) {
    char *argv[] = {path, path, NULL};
    char list[] = "ARENITE_OPTIONS=top_pad=1M,profile=glibc,nonsense=1";
    char variable[] = "MALLOC_ARENA_MAX=2";
    char tunables[] = "GLIBC_TUNABLES=glibc.malloc.mmap_max=3";
    char *envp[] = {list, variable, tunables, NULL};
    int status;
    pid_t child = fork();
    if (child == 0) {
        dup2(open(errors, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), STDERR_FILENO);
        forbid_files();
        execve(path, argv, envp);
        _exit(126);
    }
    TEST_CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1) {
        return run_copy();
    }
    if (geteuid() != 0) {
        test_skip("only root can make a program of another user");
    }
    char path[] = "/tmp/arenite_secure_XXXXXX";
    char errors[64];
    struct stat status;
    copy_self(path);
    snprintf(errors, sizeof errors, "%s.err", path);
    int result = run(path, errors);
    TEST_CHECK(stat(errors, &status) == 0);
    TEST_CHECK(unlink(path) == 0 && unlink(errors) == 0);
    if (result == NOT_SECURE) {
        test_skip("programs do not get another user's rights here");
    }
    TEST_CHECK(result == 0 && status.st_size == 0);
    return 0;
}
