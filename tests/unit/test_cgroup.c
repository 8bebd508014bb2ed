/* test_cgroup.c - memory limits of control groups, read from files as the kernel writes them. */
#include "os/cgroup.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char top[] = "/tmp/arenite_cgroup_XXXXXX";

static const char *path_of(const char *name) {
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", top, name);
    return path;
}

/* Writes text to a file below the scratch folder, making folders as needed. */
static void put(const char *name, const char *text) {
    char path[200];
    snprintf(path, sizeof path, "%s", path_of(name));
    for (char *at = path + strlen(top) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(path, 0700);
        *at = '/';
    }
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
}

static void expect_limit(const char *groups, const char *mount_root, const char *mount_tail,
                         uint64_t limit) {
    char mounts[600];
    char groups_file[200];
    snprintf(mounts, sizeof mounts,
             "22 1 0:20 / / rw - overlay overlay rw,lowerdir=/a:/b\n"
             "23 22 0:21 / /proc rw,nosuid - proc proc rw\n"
             "30 23 0:26 %s %s/mnt rw,relatime shared:9 %s\n",
             mount_root, top, mount_tail);
    put("groups", groups);
    put("mounts", mounts);
    snprintf(groups_file, sizeof groups_file, "%s", path_of("groups"));
    assert_int_equal(cgroup_memory_limit(groups_file, path_of("mounts")), limit);
}

#define V1 "- cgroup cgroup rw,memory"
#define V2 "- cgroup2 cgroup2 rw,nsdelegate"

static void test_version_1(void **state) {
    (void)state;
    put("mnt/web/42/memory.limit_in_bytes", "104857600\n");
    put("mnt/web/memory.limit_in_bytes", "9223372036854771712\n");
    put("mnt/memory.limit_in_bytes", "9223372036854771712\n");
    expect_limit("5:cpu,cpuacct:/\n4:memory:/web/42\n0::/\n", "/", V1, 104857600);
    expect_limit("4:memory:/web\n", "/", V1, CGROUP_UNLIMITED);
    expect_limit("4:memory:/\n", "/", V1, CGROUP_UNLIMITED);
    expect_limit("4:hugememory:/web/42\n", "/", V1, CGROUP_UNLIMITED);
    /* In a container the hierarchy is mounted from the group on. */
    put("mnt/memory.limit_in_bytes", "5000000\n");
    expect_limit("4:memory:/docker/abc\n", "/docker/abc", V1, 5000000);
    expect_limit("4:memory:/docker/abc/web/42\n", "/docker/abc", V1, 5000000);
    expect_limit("4:memory:/elsewhere\n", "/docker/abc", V1, 5000000);
}

static void test_version_2(void **state) {
    (void)state;
    put("mnt/app/leaf/memory.max", "max\n");
    put("mnt/app/memory.max", "2097152\n");
    put("mnt/small/memory.max", "4096\n");
    expect_limit("0::/app/leaf\n", "/", V2, 2097152);
    expect_limit("0::/small\n", "/", V2, 4096);
    expect_limit("0::/none/there\n", "/", V2, CGROUP_UNLIMITED);
}

/* Whatever is in the files, the answer is a limit or none. */
static void test_odd_files(void **state) {
    (void)state;
    static char long_line[4000];
    memset(long_line, 'x', sizeof long_line - 2);
    long_line[sizeof long_line - 2] = '\n';
    put("mnt/app/memory.max", "99999999999999999999999\n");
    expect_limit("0::/app\n", "/", V2, CGROUP_UNLIMITED);
    put("mnt/app/memory.max", "");
    expect_limit("0::/app\n", "/", V2, CGROUP_UNLIMITED);
    expect_limit("", "/", V2, CGROUP_UNLIMITED);
    expect_limit(":\n::\n0:\nnothing\n", "/", V2, CGROUP_UNLIMITED);
    expect_limit("0::/app\n", "/", "- cgroup2", CGROUP_UNLIMITED);
    expect_limit("0::/app\n", "/", "cgroup2 cgroup2 rw", CGROUP_UNLIMITED);
    expect_limit(long_line, "/", V2, CGROUP_UNLIMITED);
    assert_int_equal(cgroup_memory_limit("/nonexistent", "/nonexistent"), CGROUP_UNLIMITED);
}

/* Of this process: one or the other, without harm. */
static void test_own(void **state) {
    (void)state;
    assert_true(cgroup_memory_limit("/proc/self/cgroup", "/proc/self/mountinfo") > 1 << 20);
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(top) == NULL;
}

static int drop_folder(void **state) {
    (void)state;
    char command[100];
    snprintf(command, sizeof command, "rm -rf %s", top);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_1),
        cmocka_unit_test(test_version_2),
        cmocka_unit_test(test_odd_files),
        cmocka_unit_test(test_own),
    };
    return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
