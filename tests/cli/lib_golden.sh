#!/bin/sh
# lib_golden.sh - runs the golden scripts: each in the model under both indexes, and in the kernel.
# Sourced after lib.sh.

# golden NAME [OPTION...] <SCRIPT: every `expect` of the script must hold, in the model and in the
# kernel.
golden() {
    name=$1
    shift
    cat >"$work/$name"
    for index in maple rbtree; do
        run "$arenite" model run "$work/$name" --index $index "$@"
        expect_status 0 "$name in the model ($index)"
    done
    run "$arenite" model check "$work/$name" "$@"
    grep -q "cannot be arranged" "$work/err" && skip "$(cat "$work/err")"
    expect_status 0 "$name in the kernel"
    expect_line out "1 scripts, [0-9]* operations, 0 mismatches" "$name"
}
