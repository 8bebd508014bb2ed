#!/bin/sh
# `arenite compare`: the table, whose rows and ratios can be trusted, and what it says besides.
set -eu
. "$(dirname "$0")/lib.sh"

run "$arenite" compare -n 2 -- sh -c 'echo hello; echo whisper >&2'
expect_status 0 "compare"
expect_line out "sh -c echo hello; echo whisper >&2" "the command"
expect_line out "medians of 2 runs with each allocator, in turn, after one warm-up round" "the rule"
number='[0-9][0-9.]*'
for name in glibc arenite; do
    expect_line out "$name  *\($number  *\([0-9.]*x\|-\)  *\)\{5\}0  same" "the row of $name"
done
expect_line out "glibc  *$number *1.00x .*" "glibc is the measure"
expect_no_line out "^hello" "CMD's stdout is taken away"
expect_no_line err "whisper" "CMD's stderr is hidden"

run "$arenite" compare -n 1 -- true
expect_line out "medians of 1 run with each allocator, in turn, without warm-up" "a single run"

# N runs and a warm-up with each allocator, in turn, beginning with another one each time.
run "$arenite" compare -n 3 -- sh -c "echo \${LD_PRELOAD:-glibc} >>$work/order"
count=$(sed '1,3d' "$work/out" | wc -l)
[ "$(wc -l <"$work/order")" -eq $((4 * count)) ] || fail "not 4 rounds of $count allocators"
[ "$(sort "$work/order" | uniq -c | awk '{print $1}' | sort -u)" = 4 ] || fail "not 4 runs each"
[ "$(awk -v n="$count" 'NR % n == 1' "$work/order" | sort -u | wc -l)" -gt 1 ] ||
    fail "each round begins with the same allocator"

# Figures are CMD's: 60 MiB touched are 60 MiB of peak RSS and as many pages of faults.
cat >"$work/touch.c" <<'END'
#include <stdlib.h>
#include <string.h>
int main(void) {
    char *block = malloc(60u << 20);
    memset(block, 1, 60u << 20);
    return block[12345] - 1;
}
END
if build touch <"$work/touch.c"; then
    run "$arenite" compare -n 1 -- "$work/touch"
    awk '$1 == "glibc" && ($8 < 60 || $8 > 64) { exit 1 }' "$work/out" || fail "RSS of 60 MiB"
fi

# ... and not the tool's, however many results it keeps: a child inherits its pages.
rss_of_glibc() {
    run "$arenite" compare -n "$1" -- true
    awk '$1 == "glibc" { print int($8 * 1024) }' "$work/out"
}
few=$(rss_of_glibc 5)
many=$(rss_of_glibc 60)
[ "$many" -lt $((few + 256)) ] || fail "RSS of true: $few KiB in 1 run, $many KiB in 60"

# A failing CMD is reported and does not stop the comparison.
run "$arenite" compare -n 1 -- sh -c 'echo last words >&2; exit 4'
expect_status 0 "a failing CMD"
expect_line out "glibc .* 4  same" "a failing CMD"
expect_line err "arenite: CMD failed under glibc with exit status 4; its stderr:" "a failing CMD"
expect_line err "arenite:   last words" "a failing CMD"
run "$arenite" compare -n 1 -- sh -c 'kill -11 $$'
expect_line out "glibc .* 139  same" "a crashing CMD"
run "$arenite" compare -n 1 -- sh -c 'yes | head -n 5000 >&2; echo end >&2; exit 1'
expect_line err "arenite: .* its stderr ends in:" "long last words"
expect_line err "arenite:   end" "long last words"
expect_line err "arenite:   y" "long last words"
run "$arenite" compare -n 1 -- sh -c \
    'for i in $(seq 100 400); do echo "$i is a line of words" >&2; done; exit 1'
expect_line err "arenite:   400 is a line of words" "last words in many writes"
[ "$(grep -cx 'arenite:   [0-9]* is a line of words' "$work/err")" -eq $((4096 / 23)) ] ||
    fail "last words in many writes: not the last 4096 bytes"
[ "$(wc -c <"$work/err")" -lt 30000 ] || fail "too much of CMD's stderr"

# A daemon that holds the pipes does not hold the comparison.
run timeout 250 "$arenite" compare -n 1 -- sh -c 'sleep 1000 & echo $! >>'"$work/daemons"
for daemon in $(cat "$work/daemons"); do kill "$daemon"; done
expect_status 0 "CMD leaves a daemon behind"

# CMD reads nothing: `cat` ends at once although the tool's stdin stays open.
mkfifo "$work/open"
sleep 1000 >"$work/open" &
holder=$!
status=0
timeout 250 "$arenite" compare -n 1 -- cat <"$work/open" >"$work/out" 2>"$work/err" || status=$?
kill $holder
expect_status 0 "CMD's stdin is /dev/null"

run "$arenite" compare -n 1 -- "$work/missing"
expect_status 127 "CMD missing"
[ ! -s "$work/out" ] || fail "a table although CMD is missing"
: >"$work/plain"
run "$arenite" compare -n 1 -- "$work/plain"
expect_status 126 "CMD not executable"

run "$arenite" compare -n 1 -o stats_at_exit=0 -- sh -c 'echo $ARENITE_OPTIONS'
expect_status 0 "-o"
run "$arenite" compare -n 1 -o stats_at_exit=0 -- sh -c '[ "$ARENITE_OPTIONS" = stats_at_exit=0 ]'
expect_line out "arenite .* 0  same" "-o reaches CMD"
