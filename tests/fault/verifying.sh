#!/bin/bash
# verifying.sh - traffic that checks every answer and all contents, while kernel calls fail once,
# twenty times, for ever, or by chance; under three profiles. TIMEOUT_SECONDS: 1800
. "$(dirname "$0")/lib.sh"

export ARENITE_TEST_SEED=$seed ARENITE_TEST_STEPS=${ARENITE_TEST_STEPS:-500}

# expect_verified PLAN: all was as it should be, but for memory that could not be had.
expect_verified() {
    unset ARENITE_TEST_FOREVER
    case $1 in *"-c 0" | *-p*) export ARENITE_TEST_FOREVER=1 ;; esac
    under_faults "$1" "$ARENITE_BUILD/tests/fault/target"
    [ "$status" -eq 0 ] ||
        fail "profile=$profile, plan $1: status $status: $(tail -2 errors)"
}

for profile in default ptmalloc glibc; do
    export ARENITE_OPTIONS=profile=$profile
    expect_verified "-n 0"
    last=$calls
    every_plan "$last" expect_verified
    echo "$profile: $last calls without failures; so far $runs runs, $injected failures injected"
done
