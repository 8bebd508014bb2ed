#!/bin/sh
# `arenite compare --json`: valid, exactly the documented keys, and the values of real runs.
set -eu
. "$(dirname "$0")/lib.sh"
command -v python3 >/dev/null || skip "no python3"

run "$arenite" compare -n 2 --json -- sh -c 'echo "a \"quoted\" word"' "$(printf 'caf\303\251')"
expect_status 0 "compare --json"
python3 -m json.tool <"$work/out" >/dev/null || fail "not JSON"
cat >"$work/check.py" <<'END'
import json, os, sys
result = json.load(open(sys.argv[1]))
assert list(result) == ["cmd", "runs", "libs"], list(result)
assert result["cmd"] == ["sh", "-c", 'echo "a \\"quoted\\" word"', "caf\u00e9"], result["cmd"]
assert result["runs"] == 2
names = [lib["name"] for lib in result["libs"]]
assert names[:2] == ["glibc", "arenite"] and len(set(names)) == len(names), names
for lib in result["libs"]:
    assert list(lib) == ["name", "path", "wall_s", "user_s", "sys_s", "maxrss_kb", "minflt",
                         "exit", "output_same"], list(lib)
    assert (lib["path"] == "") == (lib["name"] == "glibc"), lib
    assert lib["path"] == "" or os.path.isfile(lib["path"]), lib
    assert all(type(lib[key]) is float and lib[key] >= 0 for key in ("wall_s", "user_s", "sys_s"))
    assert lib["wall_s"] > 0, lib
    assert all(type(lib[key]) is int and lib[key] > 0 for key in ("maxrss_kb", "minflt")), lib
    assert lib["exit"] == 0 and lib["output_same"] is True, lib
assert result["libs"][1]["path"] == os.path.realpath(sys.argv[2])
END
python3 "$work/check.py" "$work/out" "$library" || fail "see above"

# A command line that is not UTF-8 still gives valid JSON.
run "$arenite" compare -n 1 --json -- true "$(printf 'caf\351')"
expect_status 0 "a command line that is not UTF-8"
python3 -c 'import json, sys; assert json.load(sys.stdin)["cmd"] == ["true", "caf?"]' <"$work/out" ||
    fail "a command line that is not UTF-8"

# The progress line is for terminals only.
expect_no_line err "run 1 of" "no progress line without a terminal"
cat >"$work/progress.py" <<'END'
import os, pty, subprocess, sys
ours, theirs = pty.openpty()
result = subprocess.run([sys.argv[1], "compare", "-n", "1", "--json", "--", "true"],
                        stdout=subprocess.PIPE, stderr=theirs)
os.close(theirs)
seen = b""
try:
    while chunk := os.read(ours, 4096):
        seen += chunk
except OSError:
    pass
assert result.returncode == 0 and result.stdout.startswith(b"{"), result
assert b"run 1 of " in seen and b": glibc" in seen and seen.endswith(b"\x1b[K"), seen
END
python3 "$work/progress.py" "$arenite" || fail "the progress line"
