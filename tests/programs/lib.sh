# lib.sh - what the tests with real programs share; sourced, not run.
# A test gets ARENITE_BUILD (the directory of libarenite.so) from the environment, runs in an empty
# directory of its own, and exits 0 when it passed, 77 when it cannot run here, 1 when it failed.

skip() {
    echo "skipped: $*"
    exit 77
}

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

need() {
    for tool in "$@"; do
        command -v "$tool" >/dev/null 2>&1 || skip "$tool is not installed"
    done
}

# arenite_env CMD...: runs a command on the library, under the profile of ARENITE_TEST_PROFILE unless
# the test says otherwise.
arenite_env() {
    ARENITE_OPTIONS=${ARENITE_OPTIONS-profile=${ARENITE_TEST_PROFILE:-default}} \
        LD_PRELOAD=$library "$@"
}


# really_loaded CMD...: the loader runs the library's constructor in the program that CMD names (and
# in whatever it starts: the last one counts).
really_loaded() {
    LD_DEBUG=libs LD_DEBUG_OUTPUT=$PWD/loader arenite_env "$@" >/dev/null 2>&1 </dev/null || true
    really_status=0
    for log in loader.*; do
        grep -q "calling init: $library" "$log" || really_status=1
    done
    rm -f loader.*
    return $really_status
}

# same_output NAME CMD...: the command's stdout and exit status are those of a plain run, and
# nothing of ours appears on stderr.
same_output() {
    same_name=$1
    shift
    really_loaded "$@" || fail "$same_name: the library was not loaded"
    plain_status=0
    "$@" >"$same_name.plain" 2>"$same_name.plain.err" </dev/null || plain_status=$?
    ours_status=0
    arenite_env "$@" >"$same_name.ours" 2>"$same_name.ours.err" </dev/null || ours_status=$?
    if grep '^arenite: ' "$same_name.ours.err" >&2; then fail "$same_name: arenite complains"; fi
    [ "$ours_status" -eq "$plain_status" ] ||
        fail "$same_name: exit status $ours_status, plainly $plain_status: $(tail -5 "$same_name.ours.err")"
    cmp "$same_name.plain" "$same_name.ours" || fail "$same_name: the output differs"
    echo "$same_name: $(wc -c <"$same_name.ours") bytes of output are the same"
}

[ -n "${ARENITE_BUILD:-}" ] || fail "ARENITE_BUILD is not set"
ARENITE_BUILD=$(cd "$ARENITE_BUILD" && pwd -P)
library=$ARENITE_BUILD/libarenite.so
[ -e "$library" ] || skip "no library in $ARENITE_BUILD"
here=$(cd "$(dirname "$0")" && pwd -P)
unset LD_PRELOAD ARENITE_OPTIONS
