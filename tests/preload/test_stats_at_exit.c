/* test_stats_at_exit.c - the report of a process's end: it comes when asked for, only then, and its
 * rows add up to what the process itself has counted. */
#include "support.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_BYTES 8192

struct row {
    size_t bytes;
    size_t count;
};

static void fill(void) {
    static void *blocks[300];
    for (size_t i = 0; i < 300; i++) {
        blocks[i] = malloc(i * 20);
    }
    for (size_t i = 0; i < 300; i += 2) {
        free(blocks[i]);
    }
    for (size_t i = 0; i < 2; i++) {
        TEST_CHECK(malloc(1 << 20) != NULL);
    }
}

/* Runs this program again to fill its heap and end; returns what it wrote to stderr. */
static void run(const char *options, char output[OUTPUT_BYTES]) {
    int ends[2];
    TEST_CHECK(pipe(ends) == 0);
    pid_t pid = fork();
    TEST_CHECK(pid >= 0);
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        setenv("ARENITE_OPTIONS", options, 1);
        execl("/proc/self/exe", "test_stats_at_exit", "fill", (char *)NULL);
        _exit(126);
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t got;
    while ((got = read(ends[0], output + length, OUTPUT_BYTES - 1 - length)) > 0) {
        length += (size_t)got;
    }
    output[length] = '\0';
    close(ends[0]);
    int status = 0;
    TEST_CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 7);
}

static struct row find(const char *output, const char *what) {
    struct row row = {0, 0};
    const char *at = strstr(output, what);
    TEST_CHECK(at != NULL);
    TEST_CHECK(sscanf(at + strlen(what), " %zu bytes %zu", &row.bytes, &row.count) == 2);
    return row;
}

static void check_rows(const char *output) {
    struct row small = find(output, "small blocks in use");
    struct row slots = find(output, "free, in slabs");
    struct row rest = find(output, "not carved, between slabs");
    struct row slabs = find(output, "= slabs");
    struct row used = find(output, "arenite:   in use");
    struct row kept = find(output, "free, kept by threads");
    struct row fast = find(output, "free, in fast bins");
    struct row bins = find(output, "free, in bins");
    struct row tops = find(output, "free, at the ends of heaps");
    struct row heaps = find(output, "= heaps");
    struct row mapped = find(output, "blocks mapped by themselves");
    struct row records = find(output, "records of the library");
    struct row all = find(output, "= in all");
    TEST_CHECK(used.bytes + kept.bytes + fast.bytes + bins.bytes + tops.bytes == heaps.bytes);
    TEST_CHECK(small.bytes + slots.bytes + rest.bytes == slabs.bytes);
    TEST_CHECK(slabs.bytes + heaps.bytes + mapped.bytes + records.bytes == all.bytes);
    TEST_CHECK(heaps.count >= heaps.bytes);
    TEST_CHECK(used.count + small.count >= 150 && used.count + small.count < 300);
    TEST_CHECK(kept.count + fast.count + slots.count > 0 && slots.bytes >= slots.count * 16);
    TEST_CHECK(mapped.count == 2 && mapped.bytes >= (size_t)2 << 20);
    TEST_CHECK(tops.count == 1 && records.count == 1);
}

int main(int argc, char **argv) {
    static char output[OUTPUT_BYTES];
    if (argc > 1 && strcmp(argv[1], "fill") == 0) {
        fill();
        return 7;
    }
    run("stats_at_exit=0", output);
    TEST_CHECK(output[0] == '\0');
    run("stats_at_exit=1", output);
    TEST_CHECK(strncmp(output, "arenite: memory of process ", 27) == 0);
    check_rows(output);
    return 0;
}
