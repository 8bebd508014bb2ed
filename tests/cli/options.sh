#!/bin/sh
# `arenite options`: every option of the table, values from every place, and what is wrong is said.
set -eu
. "$(dirname "$0")/lib.sh"
unset GLIBC_TUNABLES MALLOC_ARENA_MAX MALLOC_TOP_PAD_

run "$arenite" options
expect_status 0 "options"
[ ! -s "$work/err" ] || fail "options writes to stderr"
names=$(sed -n 's/^OPTION([A-Z_]*, \([a-z_]*\),.*/\1/p' "$ARENITE_SOURCE/src/api/options.def")
[ -n "$names" ] || fail "no names in the table"
for name in $names; do
    expect_line out "$name  *[^ ]*  *[^ ]*  *default  .*" "options lists $name"
done
[ "$(wc -l <"$work/out")" -eq $(($(echo "$names" | wc -l) + 1)) ] || fail "lines of options"
expect_line out "trim_threshold  *128K  *128K  *default  .*" "sizes are readable"

run env GLIBC_TUNABLES=glibc.malloc.arena_test=3:glibc.malloc.arena_max=3 MALLOC_ARENA_MAX=5 \
    ARENITE_OPTIONS=top_pad=3K,profile=ptmalloc,mmap_max=7 "$arenite" options -o top_pad=2M
expect_status 0 "options from every place"
expect_line out "arena_test  *3  *0  *GLIBC_TUNABLES  .*" "a tunable"
expect_line out "arena_max  *5  *0  *MALLOC_ARENA_MAX  .*" "a variable beats a tunable"
expect_line out "top_pad  *2M  *128K  *ARENITE_OPTIONS  .*" "-o beats the environment"
expect_line out "mmap_max  *7  *65536  *ARENITE_OPTIONS  .*" "ARENITE_OPTIONS"
expect_line out "tcache_count  *0  *7  *profile  .*" "a profile's default"
expect_line out "profile  *ptmalloc  *default  *ARENITE_OPTIONS  .*" "the profile"

run env MALLOC_ARENA_MAX=many "$arenite" options -o trim_treshold=1M
expect_status 0 "wrong options"
expect_line err "arenite: MALLOC_ARENA_MAX: arena_max=many ignored: .* allowed is a number .*" "value"
expect_line err "arenite: ARENITE_OPTIONS: trim_treshold ignored: .* trim_threshold=VALUE .*" "name"
[ "$(wc -l <"$work/err")" -eq 2 ] || fail "one line for each wrong option"
expect_line out "arena_max  *0  *0  *default  .*" "a wrong value changes nothing"

run "$arenite" options -o stats_at_exit=1
expect_line out "stats_at_exit  *1  *0  *ARENITE_OPTIONS  .*" "stats_at_exit"
[ ! -s "$work/err" ] || fail "the tool reports its own memory"

if command -v python3 >/dev/null; then
    run env MALLOC_TOP_PAD_=4096 ARENITE_OPTIONS=limit=cgroup:90%,profile=glibc,retain_decay=2s \
        "$arenite" options --json -o trim_threshold=-1 -o stats_at_exit=yes
    expect_status 0 "options --json"
    cat >"$work/check.py" <<'END'
import json, sys
options = json.load(open(sys.argv[1]))
assert [option["name"] for option in options] == sys.argv[2].split(), options
for option in options:
    assert list(option) == ["name", "type", "unit", "default", "value", "source"], option
found = {option["name"]: option for option in options}
def expect(name, kind, unit, normal, value, source):
    wanted = dict(name=name, type=kind, unit=unit, default=normal, value=value, source=source)
    assert found[name] == wanted and type(found[name]["value"]) is type(value), found[name]
expect("profile", "word", "", "default", "glibc", "ARENITE_OPTIONS")
expect("top_pad", "size", "bytes", 131072, 4096, "MALLOC_TOP_PAD_")
expect("trim_threshold", "size", "bytes", 131072, -1, "ARENITE_OPTIONS")
expect("limit", "budget", "bytes", 0, "cgroup:90%", "ARENITE_OPTIONS")
expect("stats_at_exit", "flag", "", False, True, "ARENITE_OPTIONS")
expect("retain_decay", "duration", "ms", 10000, 2000, "ARENITE_OPTIONS")
expect("arena_max", "number", "arenas", 0, 0, "default")
END
    python3 "$work/check.py" "$work/out" "$(echo $names)" || fail "the JSON, see above"
fi

# wrong ARGUMENT... : exit status 2, one line that names the problem.
wrong() {
    message=$1
    shift
    run "$arenite" options "$@"
    expect_status 2 "options $*"
    expect_line err "arenite: options: $message" "options $*"
}
wrong "unknown option --xml; .*" --xml
wrong "-o needs a value.*" -o
wrong "unexpected word all" all
wrong "-o =1: expected NAME=VALUE.*" -o =1

cp "$arenite" "$work/arenite"
run "$work/arenite" options
expect_status 1 "no library"
expect_line err "arenite: options: no libarenite.so in .*" "no library"
if [ -w /dev/full ]; then
    status=0
    "$arenite" options >/dev/full 2>"$work/err" || status=$?
    expect_status 1 "options into a full disk"
fi
