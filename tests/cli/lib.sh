#!/bin/sh
# lib.sh - what the tests of the tool share; sourced, not run.
# A test gets ARENITE_BUILD (the directory of arenite and libarenite.so) from the environment and
# exits 0 when it passed, 77 when it cannot run here, 1 when it failed.

skip() {
    echo "skipped: $*"
    exit 77
}

fail() {
    echo "FAILED: $*" >&2
    for file in out err; do
        [ -s "$work/$file" ] && sed "s/^/  $file: /" "$work/$file" >&2
    done
    exit 1
}

# run CMD...: fills $work/out, $work/err and $status.
run() {
    status=0
    "$@" >"$work/out" 2>"$work/err" </dev/null || status=$?
}

expect_status() {
    [ "$status" -eq "$1" ] || fail "$2: exit status $status, expected $1"
}

# expect_line FILE PATTERN WHAT: a whole line of the file matches the basic regular expression.
expect_line() {
    grep -qx -e "$2" "$work/$1" || fail "$3: no line in $1 matches: $2"
}

expect_no_line() {
    if grep -q -e "$2" "$work/$1"; then fail "$3: a line in $1 matches: $2"; fi
}

# build NAME [FLAG...] <SOURCE: compiles a C program to $work/NAME; false when that is not possible.
build() {
    build_name=$1
    shift
    ${CC:-cc} -x c "$@" -o "$work/$build_name" - 2>"$work/build.log"
}

[ -n "${ARENITE_BUILD:-}" ] || fail "ARENITE_BUILD is not set"
ARENITE_BUILD=$(cd "$ARENITE_BUILD" && pwd -P)
arenite=$ARENITE_BUILD/arenite
library=$ARENITE_BUILD/libarenite.so
[ -x "$arenite" ] || skip "no tool in $ARENITE_BUILD"
[ -e "$library" ] || skip "no library in $ARENITE_BUILD"
unset LD_PRELOAD ARENITE_OPTIONS
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
