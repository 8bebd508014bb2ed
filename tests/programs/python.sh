#!/bin/bash
# python.sh - python3 with every object from malloc: a script of its own and parts of its own test
# suite.
. "$(dirname "$0")/lib.sh"
need python3
export PYTHONMALLOC=malloc PYTHONHASHSEED=0

cat >script.py <<'END'
import collections, json, re, threading, zlib

def work(seed, out):
    state, table = seed, collections.OrderedDict()
    for i in range(20000):
        state = (state * 1103515245 + 12345) % 2**31
        table[state % 4001] = [str(state)] * (state % 17)
        if i % 7 == 0:
            table.popitem(last=False)
    text = json.dumps(table, sort_keys=True)
    assert json.loads(text) == {str(k): v for k, v in table.items()}
    out[seed] = (len(text), zlib.crc32(text.encode()), len(re.findall(r'"(\d{5})\d*"', text)))

out = {}
threads = [threading.Thread(target=work, args=(seed, out)) for seed in range(1, 7)]
for thread in threads: thread.start()
for thread in threads: thread.join()
for seed in sorted(out): print(seed, *out[seed])
big = [bytearray(n * 1000) for n in range(1, 700)]
print(sum(map(len, big)))
END
same_output python python3 script.py

python3 -c 'import test.test_dict' 2>/dev/null ||
    { echo "python's own tests are not installed (libpython3-testsuite): only the script ran"; exit 0; }
# Left out are those of its tests that fail on a slow machine because they look at the clock.
patient="--timeout 3600 -i test_timeout -i test_search_anchor_at_beginning"
for suite in test_dict test_list test_json test_re test_thread test_unicode test_set test_deque; do
    status=0
    # shellcheck disable=SC2086 # several words
    arenite_env python3 -m test -q $patient "$suite" >suite.log 2>&1 || status=$?
    if grep '^arenite: ' suite.log; then fail "$suite: arenite complains"; fi
    [ "$status" -eq 0 ] && continue
    # shellcheck disable=SC2086
    python3 -m test -q $patient "$suite" >/dev/null 2>&1 && { tail -30 suite.log; fail "$suite"; }
    echo "$suite fails plainly too"
done
echo "python's own tests pass as plainly"
