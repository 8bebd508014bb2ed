#!/bin/sh
# `arenite run` adds nothing to stdout, takes nothing from stdin, and ends as CMD ends.
set -eu
. "$(dirname "$0")/lib.sh"

head -c 300000 /dev/urandom >"$work/bytes"
"$arenite" run -- cat <"$work/bytes" >"$work/copy" 2>"$work/err"
cmp "$work/bytes" "$work/copy" || fail "the bytes through stdin and stdout changed"
expect_line err "arenite: active in cat (process [0-9]*, $library)" "verdict for cat"
[ "$(wc -l <"$work/err")" -eq 1 ] || fail "more than one line on stderr"

run "$arenite" run -- sh -c 'echo to stderr >&2'
expect_line err "to stderr" "CMD's stderr"

for code in 0 1 3 255; do
    run "$arenite" run -- sh -c "exit $code"
    expect_status $code "CMD exits with $code"
done
for signal in 9 11 15; do
    run "$arenite" run -- sh -c "kill -$signal \$\$"
    expect_status $((128 + signal)) "CMD dies of signal $signal"
done

run "$arenite" run -- "$work/missing"
expect_status 127 "CMD missing"
expect_line err "arenite: cannot run $work/missing: No such file or directory" "CMD missing"
run "$arenite" run -- no-such-command-anywhere
expect_status 127 "CMD not in PATH"
: >"$work/plain"
run "$arenite" run -- "$work/plain"
expect_status 126 "CMD not executable"
expect_line err "arenite: cannot run $work/plain: Permission denied" "CMD not executable"
run "$arenite" run -- "$work"
expect_status 126 "CMD is a directory"

# Options behind CMD are CMD's.
run "$arenite" run echo --summary -o x
expect_line out "--summary -o x" "options of CMD"

run "$arenite" run --summary -- sh -c 'exit 7'
expect_status 7 "--summary"
[ ! -s "$work/out" ] || fail "--summary writes to stdout"
expect_line err "arenite: exit status 7" "--summary"
expect_line err "arenite: wall [0-9.]* s, user [0-9.]* s, sys [0-9.]* s" "--summary"
expect_line err "arenite: peak RSS [0-9.]* MiB, minor faults [0-9]*, major faults [0-9]*" "--summary"
run "$arenite" run --summary -- sh -c 'kill -11 $$'
expect_line err "arenite: exit status 139 (signal 11: .*)" "--summary of a killed program"
run "$arenite" run --summary -- sh -c 'exit 139'
expect_line err "arenite: exit status 139" "--summary of exit status 139"
