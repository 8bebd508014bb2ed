#!/bin/sh
# `arenite model walk`: the levels down to a page, a huge page, nothing, the hole, the kernel's half.
set -eu
. "$(dirname "$0")/lib.sh"

printf 'mmap A 4p rw- fixed at W\nwrite A 1p\nread A+1p 1p\nmmap B 2M rw- fixed at W+2M\n' >"$work/s"
printf 'madvise B 2M hugepage\nwrite B 1p\nmadvise A+2p 1p guard_install\n' >>"$work/s"

# walk ADDRESS PATTERN: a line of the drawing matches.
walk() {
    run "$arenite" model walk "$work/s" "$1"
    expect_status 0 "model walk $1"
    expect_line out "$2" "model walk $1"
}

walk A ' *PTE\[0\] -> page of anonymous memory, frame [0-9]*, writable'
walk A ' *PMD\[0\] -> a table of the next level'
walk A+1p ' *PTE\[1\] -> the zero page, read only.*'
walk A+2p ' *PTE\[2\] -> a guard marker.*'
walk A+3p ' *PTE\[3\] -> nothing.*'
walk W+3M ' *PMD\[1\] -> 2 MiB page of anonymous memory.*'
walk W+1G ' *PUD\[[0-9]*\] -> nothing.*'
walk W+1G ' *no mapping holds it.*'
walk 0x800000000000 ' *In the canonical hole.*'
walk 0xffff800000000000 ".*kernel's half.*"

run "$arenite" model walk "$work/s" C
expect_status 2 "model walk to no place"
expect_line err "arenite: walk: .C. is neither a number nor a place of the script" "no place"
