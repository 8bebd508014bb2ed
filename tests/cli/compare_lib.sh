#!/bin/sh
# `arenite compare --lib NAME=PATH` enters any allocator; wrong options end with exit status 2.
set -eu
. "$(dirname "$0")/lib.sh"

# An allocator without a single constructor: nothing but the dynamic linker knows that it is there.
cat >"$work/mine.c" <<'END'
#include <stddef.h>
extern void *__libc_malloc(size_t);
void *malloc(size_t n) { return __libc_malloc(n); }
END
if build mine.so -shared -fPIC -nostartfiles <"$work/mine.c"; then
    cd "$work"
    run "$arenite" compare -n 1 --lib mine=./mine.so --lib yours=mine.so -- \
        sh -c "echo \"\$LD_PRELOAD\" >>$work/preloads"
    cd "$OLDPWD"
    expect_status 0 "--lib"
    expect_line out "mine .* 0  same" "--lib mine"
    expect_line out "yours .* 0  same" "--lib yours"
    [ "$(grep -cx "$work/mine.so" "$work/preloads")" -eq 2 ] || fail "mine.so was not preloaded twice"

    run "$arenite" compare -n 1 --json --lib "jemalloc=$work/mine.so" -- true
    expect_status 0 "--lib in place of an installed one"
    expect_line out "   \"path\": \"$work/mine.so\"," "--lib in place of an installed one"
    [ "$(grep -c '"name": "jemalloc"' "$work/out")" -eq 1 ] || fail "jemalloc is there twice"
fi

# A preload from outside would be in all runs and is left out.
run env LD_PRELOAD=libutil.so.1 "$arenite" compare -n 1 -- sh -c "echo \"\${LD_PRELOAD-none}\" >>$work/outside"
expect_line outside "none" "glibc runs without any preload"
expect_no_line outside "libutil" "glibc runs without any preload"

wrong() {
    message=$1
    shift
    run "$arenite" compare "$@"
    expect_status 2 "compare $*"
    expect_line err "arenite: compare: $message" "compare $*"
    [ ! -s "$work/out" ] || fail "compare $*: a result nevertheless"
}
for count in 0 -1 x 3x 1001 99999999999999999999 ""; do
    wrong "-n $count: expected a number from 1 to 1000" -n "$count" -- true
done
wrong "--lib mine: expected NAME=PATH" --lib mine -- true
wrong "--lib =/x.so: expected NAME=PATH" --lib =/x.so -- true
wrong "--lib mine=: expected NAME=PATH" --lib mine= -- true
wrong "--lib glibc=/x.so: the names glibc and arenite are taken.*" --lib glibc=/x.so -- true
wrong "-o oops: expected NAME=VALUE.*" -o oops -- true
wrong "unknown option --jason; .*" --jason -- true
wrong "-n needs a value" -n
wrong "CMD is missing" -n 2
