#!/bin/bash
# bench.sh - the bench runs single rows beside other allocators and leaves tables, figures and plots.
. "$(dirname "$0")/lib.sh"
need gcc python3
bench=$here/../../bench/run

"$bench" --row 'thread start and 100 blocks' --row 'threads: 64' --row 'lua, tables' --rounds 1 --lib mimalloc= \
    --lib jemalloc= --lib tcmalloc= --lib arenite="$library" --lib second="$library" --report report >table 2>messages ||
    { cat messages; fail "bench/run"; }
grep -q '^| thread start and 100 blocks |' table && grep -q '^| mean of all' table || { cat table; fail "the table"; }
cmp -s <(grep '^| thread start' table) <(grep '^| thread start' report/figures.md) || fail "the report's table differs"
python3 - <<'END' || fail "the figures"
import json
rows = {row["name"]: row for row in json.load(open("report/figures.json"))["rows"]}
for name in ("thread start and 100 blocks", "threads: 64"):
    for library in ("glibc", "arenite", "second", "floor"):
        figures = rows[name]["results"].get(library, {"seconds": 1, "rss_kib": 1})
        assert figures["seconds"] > 0 and figures["rss_kib"] > 0, (name, library)
    assert "arenite" in rows[name]["results"] and "second" in rows[name]["results"], name
END
if command -v gnuplot >/dev/null; then
    for plot in time peak-rss threads; do
        grep -q '</svg>' "report/$plot.svg" || fail "the plot $plot"
    done
fi
if "$bench" --row 'no such row' >table 2>messages || ! grep -q 'no row is called so' messages; then
    fail "a row that there is not: $(cat messages)"
fi
if "$bench" --row 'pair, 8 B' --lib x=/no/such/file >table 2>messages || ! grep -q '/no/such/file' messages; then
    fail "a library that there is not: $(cat messages)"
fi
echo "rows, figures and plots are there"
