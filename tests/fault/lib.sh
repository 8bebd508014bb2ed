# lib.sh - runs programs while kernel calls of the library fail; sourced, not run.
# ARENITE_TEST_FAULTS sets how many runs with failures a test makes for each program (it spreads
# them over all calls), ARENITE_TEST_SEED where it begins, ARENITE_TEST_ERRNO the error number (in
# turn ENOMEM, EAGAIN, EINVAL and EPERM: what kernels answer that are short, old or strict).
. "$(dirname "$0")/../programs/lib.sh"

inject=$ARENITE_BUILD/tests/fault/inject
seed=${ARENITE_TEST_SEED:-$RANDOM}
echo "ARENITE_TEST_SEED=$seed"
runs=0
injected=0
errors_in_turn=(12 11 22 1)

# under_faults PLAN CMD...: runs CMD on the library with the plan's failures. Sets status, calls.
under_faults() {
    plan=$1
    shift
    status=0
    # The plan is several words.
    # shellcheck disable=SC2086
    ARENITE_TEST_INJECT_PRELOAD=$library timeout 400 "$inject" -r report \
        -e "${ARENITE_TEST_ERRNO:-${errors_in_turn[runs % 4]}}" $plan "$@" \
        >output 2>errors </dev/null || status=$?
    [ "$status" -ne 77 ] || skip "$(tail -1 output)"
    calls=$(sed 's/calls=\([0-9]*\) .*/\1/' report)
    injected=$((injected + $(sed 's/.*injected=//' report)))
    runs=$((runs + 1))
}

# spread COUNT LAST: COUNT numbers in [1, LAST], evenly apart, the first one by the seed.
spread() {
    local step=$((($2 + $1 - 1) / $1))
    seq $((seed % step + 1)) "$step" "$2"
}

# every_plan CALLS VISITOR...: calls VISITOR PLAN for one failure, twenty and no end of them, each
# begun at calls spread over all, and for failures by chance.
every_plan() {
    local last=$1 count=${ARENITE_TEST_FAULTS:-40}
    shift
    for first in $(spread $((count / 2)) "$last"); do "$@" "-n $first"; done
    for first in $(spread $((count / 4)) "$last"); do "$@" "-n $first -c 20"; done
    for first in $(spread $((count / 8)) "$last"); do "$@" "-n $first -c 0"; done
    for chance in $(seq 2 $((count / 8 + 1))); do "$@" "-n 1 -p $chance -s $seed"; done
}
