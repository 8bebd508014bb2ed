#!/bin/bash
# programs.sh - real programs while kernel calls fail: they finish as plainly, or say that memory
# has run out; none of them crashes. TIMEOUT_SECONDS: 1800
. "$(dirname "$0")/lib.sh"

export PYTHONMALLOC=malloc PYTHONHASHSEED=0

cat >table.sql <<'END'
create table t(a integer primary key, b text);
with recursive c(i) as (select 1 union all select i + 1 from c where i < 8000)
    insert into t select i, hex(zeroblob(i % 100)) from c;
create index ix on t(b, a);
select count(*), sum(length(b)), max(b) from t;
END
cat >threads.py <<'END'
import json, threading
def work(seed, out):
    table = {str(i): [i] * (i % 50) for i in range(seed, seed + 1500)}
    out[seed] = (len(json.dumps(table)), sum(len(bytearray(i * 700)) for i in range(200)))
out = {}
threads = [threading.Thread(target=work, args=(i, out)) for i in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sorted(out.items()))
END
cat >maps.cc <<'END'
#include <iostream>
#include <map>
#include <string>
int main() {
    std::map<int, std::string> map;
    for (int i = 0; i < 30000; i++) map[i * 7919 % 30011] = std::string(i % 200, 'x');
    size_t sum = 0;
    for (auto &entry : map) sum += entry.second.size();
    std::cout << map.size() << " " << sum << "\n";
}
END

# A C++ program that nothing catches an exception in ends by abort, after it has said so.
ended_for_want_of_memory() {
    [ "$status" -eq 1 ] || { [ "$status" -eq 134 ] && grep -q 'terminate called' errors; } ||
        grep -qi 'memory' errors output
}

# expect_survives PLAN CMD...
expect_survives() {
    local plan=$1
    shift
    under_faults "$plan" "$@"
    if grep '^arenite: ' errors >&2; then fail "$1, plan $plan: arenite complains"; fi
    [ "$status" -ne 139 ] && [ "$status" -ne 124 ] || fail "$1, plan $plan: status $status"
    { [ "$status" -eq 0 ] && cmp -s output plain; } || ended_for_want_of_memory ||
        fail "$1, plan $plan: status $status: $(tail -2 errors)"
}

# plan comes behind the command here, so that every_plan can append it.
visit() {
    expect_survives "${!#}" "${@:1:$#-1}"
}

scan() {
    "$@" >plain || fail "$1 does not run plainly"
    expect_survives "-n 0" "$@"
    last=$calls
    every_plan "$last" visit "$@"
    echo "$1: $last calls without failures; so far $runs runs, $injected failures injected"
}

if command -v g++ >/dev/null && g++ -O1 maps.cc -o maps; then scan ./maps; fi
# -init: else it asks libc for the home directory, and libc's name service follows a NULL when its
# own allocation fails.
if command -v sqlite3 >/dev/null; then scan sqlite3 -init /dev/null :memory: '.read table.sql'; fi
# Not what may be a script that finds the interpreter.
python=$(python3 -c 'import sys; print(sys.executable)' 2>/dev/null || true)
if [ -n "$python" ]; then scan "$python" threads.py; fi
[ "$runs" -gt 0 ] || skip "none of g++, sqlite3 and python3 is installed"
