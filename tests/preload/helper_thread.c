/* helper_thread.c - helper=1: memory that a program has freed goes back while it sleeps, whatever
 * may be retained; without the option it stays.
 * Layer: tests (includes libc only).
 *
 * Runs itself again with each setting, because the thread is started before main(). */
#include "support.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCKS 2000
#define BLOCK_BYTES 60000
#define LEFT_BYTES ((size_t)1 << 20)
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

static int run(const char *options, const char *what) {
    int status;
    pid_t child = fork();
    if (child == 0) {
        setenv("ARENITE_OPTIONS", options, 1);
        execl("/proc/self/exe", "helper_thread", what, (char *)NULL);
        _exit(126);
    }
    TEST_CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

int main(int argc, char **argv) {
    if (argc > 1) {
        bool wants_all = strcmp(argv[1], "stays") == 0;
        size_t left = left_after_sleep(wants_all);
        return (wants_all ? left >= (size_t)BLOCKS * BLOCK_BYTES : left <= LEFT_BYTES) ? 0 : 1;
    }
    if (getenv("ARENITE_OPTIONS") != NULL) {
        test_skip("the test sets the options itself");
    }
    TEST_CHECK(run("retain=-1,retain_decay=50ms", "stays") == 0);
    TEST_CHECK(run("retain=-1,retain_decay=50ms,helper=1", "goes") == 0);
    return 0;
}
