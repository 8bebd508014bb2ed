#!/bin/sh
# `arenite compare` notices when CMD's output depends on the allocator, and when on nothing.
set -eu
. "$(dirname "$0")/lib.sh"

run "$arenite" compare -n 2 -- sh -c 'case $LD_PRELOAD in *arenite*) echo b;; *) echo a;; esac'
expect_status 0 "output differs"
expect_line out "glibc .* 0  same" "output differs under Arenite alone"
expect_line out "arenite .* 0  differs" "output differs under Arenite alone"
expect_line err "arenite: CMD's output under arenite differs from that under glibc" "output differs"
[ "$(grep -c differs "$work/out")" -eq 1 ] || fail "others are said to differ too"

# The same length, and only the last of many bytes is another.
run "$arenite" compare -n 1 -- sh -c \
    'head -c 5000000 /dev/zero; case $LD_PRELOAD in *arenite*) echo b;; *) echo a;; esac'
expect_line out "arenite .* 0  differs" "the last byte differs"
run "$arenite" compare -n 1 -- head -c 5000000 /dev/zero
expect_line out "arenite .* 0  same" "five megabytes"

run "$arenite" compare -n 2 -- sh -c "echo x >>$work/count; wc -l <$work/count"
expect_status 0 "output that varies"
expect_line out "glibc .* 0  differs" "output that varies"
expect_line err "arenite: CMD's output is not the same from run to run under glibc alone: .*" \
    "output that varies"
expect_no_line err "under arenite differs" "output that varies is not blamed on an allocator"
run "$arenite" compare -n 2 --json -- sh -c "echo x >>$work/count; wc -l <$work/count"
expect_line out '   "output_same": false' "output that varies, in JSON"

run "$arenite" compare -n 2 -- sh -c \
    "case \$LD_PRELOAD in *arenite*) echo x >>$work/count; wc -l <$work/count;; esac"
expect_line err "arenite: .* under arenite differs from that under glibc, and from run to run" \
    "output that varies under Arenite alone"

# The dynamic linker writes its log to CMD's stdout when the log cannot be created where CMD is:
# that happens in the warm-up round only, whose output is not compared.
run "$arenite" compare -n 2 -- sh -c 'LD_DEBUG_OUTPUT=/nowhere/log; export LD_DEBUG_OUTPUT; exec true'
expect_line out "arenite .* 0  same" "a log that cannot be created"
