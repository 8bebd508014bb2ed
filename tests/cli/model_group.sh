#!/bin/sh
# A process in a memory control group touches more than the limit: the OOM killer comes after as many
# pages in the model as in the kernel. Needs the right to make a group and a C compiler.
set -eu
. "$(dirname "$0")/lib.sh"

# What both must come to, by the number of pages of each mapping (0: it is one).
pages_of() {
    case $1 in
    0) echo 8174 ;;
    64) echo 8140 ;;
    esac
}

# Every second mapping of that many pages is read-only, and not touched.
script() {
    echo "mmap A 64M rw- fixed at W"
    if [ "$1" -eq 0 ]; then
        echo "write A 64M"
        return
    fi
    at=0
    while [ $at -lt 16384 ]; do
        echo "mprotect A+$((at + $1))p $1p r--"
        at=$((at + 2 * $1))
    done
    at=0
    while [ $at -lt 16384 ]; do
        echo "write A+${at}p $1p"
        at=$((at + 2 * $1))
    done
}

# Prints after how many faults the killer came.
count_in_model() {
    script "$1" >"$work/script"
    run "$arenite" model run "$work/script" --group 32M --json
    expect_status 0 "$1 in the model"
    grep -q '"signal":"SIGKILL"' "$work/out" || fail "nobody was killed in the model"
    sed -n 's/.*"line":"write.*"minflt":\([0-9]*\).*/\1/p' "$work/out" |
        awk '{ sum += $1 } END { print sum }'
}

for each in 0 64; do
    counted=$(count_in_model $each)
    [ "$counted" = "$(pages_of $each)" ] || fail "mappings of $each pages: $counted faults in the model"
done
script 0 | sed 's/^write.*/madvise A 64M hugepage/' >"$work/script"
echo "write A 64M" >>"$work/script"
run "$arenite" model run "$work/script" --group 32M
grep -q "SIGKILL" "$work/out" || fail "huge pages do not count"
grep -q "^note: the group is charged" "$work/out" || fail "not labelled"

# In the kernel.
[ "$(id -u)" -eq 0 ] || skip "only root may make a control group"
grep -q "^SwapTotal: *0 kB" /proc/meminfo || skip "with swap nobody is killed"
build touch -O1 <<'END' || skip "no C compiler"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define GIB ((uintptr_t)1 << 30)
#define PAGES 16384

/* Of the group from here on; the place is aligned as the model's window is. */
static void touch(const char *procs, size_t each, volatile size_t *count, char *place) {
    char pid[24];
    int length = snprintf(pid, sizeof pid, "%d", (int)getpid());
    int fd = open(procs, O_WRONLY);
    if (fd < 0 || write(fd, pid, (size_t)length) != length) {
        _exit(2);
    }
    close(fd);
    if (mmap(place, PAGES * PAGE, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != place) {
        _exit(3);
    }
    for (size_t at = each; each > 0 && at < PAGES; at += 2 * each) {
        mprotect(place + at * PAGE, each * PAGE, PROT_READ);
    }
    for (size_t i = 0; i < PAGES; i++) {
        if (each == 0 || i / each % 2 == 0) {
            place[i * PAGE] = 1;
            ++*count;
        }
    }
    _exit(0);
}

int main(int argc, char **argv) {
    volatile size_t *count =
        mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *room = mmap(NULL, 3 * GIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (argc < 3 || count == MAP_FAILED || room == MAP_FAILED) {
        return 1;
    }
    char *place = (char *)(((uintptr_t)room + GIB) & ~(GIB - 1));
    munmap(room, 3 * GIB);
    *count = 0;
    pid_t pid = fork();
    if (pid == 0) {
        touch(argv[1], (size_t)atoi(argv[2]), count, place);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    printf("%s %zu\n", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "ended", *count);
    return 0;
}
END

for root in /sys/fs/cgroup/memory /sys/fs/cgroup; do
    group=$root/arenite-model-$$
    mkdir "$group" 2>/dev/null || continue
    trap 'rmdir "$group"; rm -rf "$work"' EXIT
    for limit in memory.limit_in_bytes memory.max; do
        [ -e "$group/$limit" ] && echo 33554432 >"$group/$limit" && break 2
    done
    rmdir "$group"
    trap 'rm -rf "$work"' EXIT
    group=
done 2>/dev/null
[ -n "$group" ] && [ -d "$group" ] || skip "no memory control group can be made here"

# The kernel may have charged up to 64 pages ahead on each other processor, and not taken them back:
# the best of five counts.
for each in 0 64; do
    best=0
    for i in 1 2 3 4 5; do
        run "$work/touch" "$group/cgroup.procs" $each
        [ "$(cut -d ' ' -f 1 "$work/out")" = Killed ] || skip "not killed here: $(cat "$work/out")"
        count=$(cut -d ' ' -f 2 "$work/out")
        [ "$count" -gt "$best" ] && best=$count
    done
    [ "$best" = "$(pages_of $each)" ] ||
        fail "mappings of $each pages: $best faults in the kernel, $(pages_of $each) in the model"
done
