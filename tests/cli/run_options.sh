#!/bin/sh
# `arenite run -o` ends in ARENITE_OPTIONS, behind what is there; LD_PRELOAD keeps what it had.
set -eu
. "$(dirname "$0")/lib.sh"

show='echo "$ARENITE_OPTIONS"'
run "$arenite" run -- sh -c 'echo "${ARENITE_OPTIONS-unset}"'
expect_line out "unset" "without -o"
run "$arenite" run -o stats_at_exit=0 -- sh -c "$show"
expect_line out "stats_at_exit=0" "one -o"
run "$arenite" run -o stats_at_exit=1 -ostats_at_exit=0 -- sh -c "$show"
expect_line out "stats_at_exit=1,stats_at_exit=0" "two -o"
run env ARENITE_OPTIONS=stats_at_exit=0 "$arenite" run --summary -- sh -c "$show"
expect_line out "stats_at_exit=0,stats_at_exit=1" "--summary behind the environment"

run "$arenite" run -- sh -c 'echo "$LD_PRELOAD"'
expect_line out "$library" "LD_PRELOAD"
run env LD_PRELOAD=libm.so.6 "$arenite" run -- sh -c 'echo "$LD_PRELOAD"'
expect_line out "$library:libm.so.6" "LD_PRELOAD with an old value"

# wrong ARGUMENT... : exit status 2, the message names the option, and CMD does not run.
wrong() {
    message=$1
    shift
    run "$arenite" run "$@"
    expect_status 2 "run $*"
    expect_line err "arenite: run: $message" "run $*"
    [ ! -s "$work/out" ] || fail "run $*: CMD has run"
}
wrong "-o stats: expected NAME=VALUE.*" -o stats -- echo
wrong "-o =1: expected NAME=VALUE.*" -o =1 -- echo
wrong "-o STATS=1: expected NAME=VALUE.*" -o STATS=1 -- echo
wrong "-o a=1,b=2: a comma .*" -o a=1,b=2 -- echo
wrong "-o needs a value.*" -o
wrong "unknown option -x; .*" -x -- echo
wrong "unknown option --summery; .*" --summery -- echo
wrong "CMD is missing" --summary --
