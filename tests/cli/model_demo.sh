#!/bin/sh
# `arenite model demo`: the experiments of the notes. Each must tell what the notes, or a running
# kernel, say; the machine's row must add up after every step, on machines of any size.
set -eu
. "$(dirname "$0")/lib.sh"

# demo NAME [OPTION...]: plays it, and adds its rows up.
demo() {
    name=$1
    run "$arenite" model demo "$@"
    expect_status 0 "model demo $*"
    sed -n 's/^   machine: //p' "$work/out" >"$work/rows"
    [ -s "$work/rows" ] || fail "model demo $*: no rows"
    awk '{ sum = $5 + $8 + $11 + $15 + $18 + $22 + 0; if ($1 != sum) { print NR ": " $0; bad = 1 } }
         END { exit bad }' "$work/rows" || fail "model demo $*: a row does not add up"
}

# step NUMBER PATTERN: what a step says, its figures included.
step() {
    awk -v number="$1" '$0 ~ "^" number "[.] " { on = 1 } /^$/ { on = 0 } on' "$work/out" \
        >"$work/step"
    grep -q -e "$2" "$work/step" || fail "demo $name, step $1: nothing says: $2"
}

# 13 GB on 12 GB; ten times 2 GB; touching them; and the third of them beside other processes.
demo overcommit
step 1 "malloc(13958643712)"
step 1 "-> NULL, ENOMEM"
step 2 "malloc(2147483648), ten times"
step 2 "-> 10 of 10 succeed"
step 2 "resident 4 kB"
step 7 "-> succeeds, and so do all 524288 touches"
step 8 "-> malloc succeeds; SIGKILL"
step 8 "Killed process [0-9]* (foo)"
step 10 "-> succeeds"
step 11 "malloc number 3 of 2 GiB"
step 11 "-> malloc succeeds; SIGKILL"
demo overcommit --swap 2G
step 1 "-> succeeds"

demo coldpages
step 1 "resident 4 kB"
step 2 "24576 minor and 0 major"
step 2 "resident 4 kB"
step 3 "12288 minor"
step 5 "12288 minor"
step 6 "64 minor and 1 major"
step 7 "64 minor and 0 major"
demo coldpages --ram 64M --swap 64M
step 11 "128 minor and 0 major"
step 12 "111 minor and 17 major"

demo forkcow --ram 64M
step 2 "resident 4100 kB"
step 3 " 0 minor"
step 4 " 512 minor"
step 5 " 1024 minor"
step 7 " 1 minor"
step 8 " 512 minor"
step 9 " 1 minor"

demo stack --ram 64M
step 1 "a stack of 132 kB"
step 3 "SEGV_MAPERR.*8192 kB"
step 4 "16384 kB"
step 5 "the VMA has 3072 kB"

demo threads --ram 64M
step 1 " 2 minor"
step 1 "page tables 20 kB"
step 3 "-> 32784 kB of stacks are kept"
step 4 " 0 minor"
step 5 "SEGV_ACCERR"

demo two-megabytes --ram 64M
step 1 "-> 12000 faults"
step 2 "-> 12 faults"
step 4 "-> 6 faults: 6 at the first request, 0 at the 1999 others"

for size in 16M 100M 1G; do
    for name in overcommit coldpages forkcow stack threads two-megabytes; do
        demo "$name" --ram $size
        demo "$name" --ram $size --swap 8M
    done
done

run "$arenite" model demo stack --ram 64M --json
expect_line out '{"demo":"stack","step":5,.*"machine":{"total_kb":65536,.*}}' "JSON"
run "$arenite" model demo nothing
expect_status 2 "an unknown demo"
run "$arenite" model demo
expect_status 2 "no demo"
