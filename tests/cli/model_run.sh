#!/bin/sh
# `arenite model run`: the JSON line, places, `expect`, and what is said to a bad line.
set -eu
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "no python3"

cat >"$work/script" <<'END'
# sizes and places in all their forms
mmap A 64K rw- fixed at W     # the window
write A+4p 2p
mmap B 0x2000 r-- at W+2M
read B 1
munmap W+4K 1p
write W+4096 1p
expect signal SEGV_MAPERR
expect vmas 3
END
for index in maple rbtree; do
    run "$arenite" model run "$work/script" --json --index $index
    expect_status 0 "model run --json --index $index"
    cp "$work/out" "$work/$index"
done
cmp -s "$work/maple" "$work/rbtree" || fail "the indexes give different lines"
cat >"$work/check.py" <<'END'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
keys = ["op", "line", "errno", "signal", "task", "vmas", "minflt", "majflt", "rss_kb", "anon_kb",
        "ahp_kb", "vmpte_kb"]
assert [line["op"] for line in lines] == [1, 2, 3, 4, 5, 6], lines
assert all(list(line) == keys for line in lines), lines[0]
assert lines[0]["line"] == "mmap A 64K rw- fixed at W" and lines[0]["errno"] == 0
assert lines[0]["vmas"] == [{"start": "W+0", "end": "W+64K", "perm": "rw-p",
                             "flags": ["rd", "wr", "mr", "mw", "me", "ac"]}], lines[0]
assert (lines[1]["minflt"], lines[1]["rss_kb"], lines[1]["anon_kb"]) == (2, 8, 8), lines[1]
assert lines[1]["vmpte_kb"] == 8 and lines[1]["ahp_kb"] == 0 and lines[1]["majflt"] == 0
assert lines[2]["vmas"][1] == {"start": "W+2M", "end": "W+2056K", "perm": "r--p",
                               "flags": ["rd", "mr", "mw", "me"]}, lines[2]
assert (lines[3]["minflt"], lines[3]["rss_kb"], lines[3]["vmpte_kb"]) == (1, 8, 12), lines[3]
assert [v["start"] for v in lines[4]["vmas"]] == ["W+0", "W+8K", "W+2M"], lines[4]
assert lines[5]["signal"] == "SEGV_MAPERR" and lines[5]["minflt"] == 0, lines[5]
assert all(line["signal"] is None and line["task"] == "parent" for line in lines[:5])
END
python3 "$work/check.py" "$work/maple" || fail "see above"

# Counts of what the harness itself disturbs are null.
printf 'mmap A 4p rw- fixed at W\nwrite A 4p\nfork\nin child\nwrite A 1p\nexit\n' >"$work/fork"
run "$arenite" model run --json - <"$work/fork" || true
run sh -c "'$arenite' model run --json - <'$work/fork'"
expect_status 0 "a script from standard input"
expect_line out '{"op":3,"line":"fork",.*"task":"parent",.*"minflt":null,.*' "fork"
expect_line out '{"op":5,"line":"write A 1p",.*"task":"child",.*"minflt":1,.*' "the child's write"
expect_line out '{"op":6,"line":"exit",.*"task":"parent",.*"minflt":null,.*' "exit"

# Nothing after a bad line runs; the line is named, and what was expected.
bad() {
    printf 'mmap A 1p rw- fixed at W\n%s\nwrite A 1p\n' "$1" >"$work/bad"
    run "$arenite" model run --json "$work/bad"
    expect_status 2 "a bad line: $1"
    [ "$(wc -l <"$work/out")" -eq 1 ] || fail "operations after a bad line ran: $1"
    expect_line err "arenite: $work/bad:2: expected $2.*" "a bad line: $1"
}
bad "mmapp A 1p rw-" "an operation"
bad "write A" "a size"
bad "write A 1q" "a size"
bad "write C 1p" "a place"
bad "mprotect A 1p rwz" "rights"
bad "madvise A 1p dontned" "an advice"
bad "mmap B 1p rw- fixed" "at PLACE"
bad "mmap W 1p rw-" "a name"
bad "mremap A 1p 2p moveit" "maymove"
bad "in child" "a fork"
bad "exit" "in child"
bad "brk 4K" "+LEN"
bad "rlimit cpu 1" "a limit"
bad "join T" "the name of a thread"
bad "expect speed 1" "a key"
bad "write A 1p 2p" "the end of the line"

# `expect` that does not hold.
printf 'mmap A 1p rw- fixed at W\nwrite A 1p\nexpect minflt 2\n' >"$work/wrong"
run "$arenite" model run "$work/wrong"
expect_status 1 "an expectation that does not hold"
expect_line err "arenite: $work/wrong:3: expected minflt 2, but it is 1" "expect"

# A VMA that begins below what a name stands for is told by that name all the same.
printf 'mmap A 5p rw-\nmremap A+4p 1p 16p maymove\n' >"$work/below"
run "$arenite" model run --json "$work/below"
expect_line out '.*"vmas":\[{"start":"A-64K","end":"A+16K",.*' "a VMA that begins below its name"
