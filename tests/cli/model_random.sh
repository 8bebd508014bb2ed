#!/bin/sh
# `arenite model check --random`: the model against this kernel, after every operation, under both
# indexes and both layouts. ARENITE_TEST_SEED and ARENITE_TEST_SCRIPTS make it another or a longer one.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_settings.sh"
keep_settings

seed=${ARENITE_TEST_SEED:-20261121}
scripts=${ARENITE_TEST_SCRIPTS:-160}
echo "ARENITE_TEST_SEED=$seed ARENITE_TEST_SCRIPTS=$scripts"

# check_random SCRIPTS [OPTION...]
check_random() {
    count=$1
    shift
    run "$arenite" model check --random --scripts "$count" --ops 40 --seed "$seed" "$@"
    grep -q "cannot be arranged" "$work/err" && skip "$(cat "$work/err")"
    expect_status 0 "model check --random $*"
    expect_line out "$count scripts, [0-9]* operations, 0 mismatches" "the last line ($*)"
}

check_random "$scripts" --index maple
check_random 30 --index rbtree
check_random 30 --layout bottomup

# The same seed gives the same number of operations.
run "$arenite" model check --random --scripts 3 --ops 20 --seed 5
first=$(tail -n 1 "$work/out")
run "$arenite" model check --random --scripts 3 --ops 20 --seed 5
[ "$first" = "$(tail -n 1 "$work/out")" ] || fail "one seed, two results"
