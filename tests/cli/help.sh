#!/bin/sh
# The table of verbs: help, --version, and what is said to a wrong word.
set -eu
. "$(dirname "$0")/lib.sh"

run "$arenite" help
expect_status 0 "help"
expect_line out "  run  .*" "help lists run"
expect_line out "  compare  .*" "help lists compare"
expect_line out "  options  .*" "help lists options"
[ ! -s "$work/err" ] || fail "help writes to stderr"

for verb in run compare options model help; do
    run "$arenite" help $verb
    expect_status 0 "help $verb"
    expect_line out "usage: arenite $verb.*" "help $verb"
    cp "$work/out" "$work/help"
    run "$arenite" $verb --help
    expect_status 0 "$verb --help"
    cmp -s "$work/out" "$work/help" || fail "$verb --help is not help $verb"
done

run "$arenite" --version
expect_status 0 "--version"
expect_line out "arenite [0-9][0-9.]*.*" "--version"

for typo in rn rnu runn; do
    run "$arenite" $typo
    expect_status 2 "verb $typo"
    expect_line err "arenite: no verb .$typo.; did you mean .run.?" "verb $typo"
done
run "$arenite" comapre
expect_line err "arenite: no verb .comapre.; did you mean .compare.?" "verb comapre"
run "$arenite" xylophone
expect_status 2 "verb xylophone"
expect_no_line err "did you mean" "verb xylophone"

run "$arenite"
expect_status 2 "no verb"
run "$arenite" help run compare
expect_status 2 "help with two verbs"
if [ -w /dev/full ]; then
    status=0
    "$arenite" help >/dev/full 2>"$work/err" || status=$?
    expect_status 1 "help into a full disk"
fi
