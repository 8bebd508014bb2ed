#!/bin/bash
# statistics.sh - mallinfo2, arenite_stats_json and malloc_info say the same about processes in known
# states, under every profile; the JSON and the XML are read by parsers that are not ours.
. "$(dirname "$0")/lib.sh"
need gcc python3
gcc -O1 -g -fno-builtin -D_GNU_SOURCE "$here/statistics.c" -o statistics || fail "cannot compile"
for profile in default ptmalloc glibc; do
    for scene in nothing small large queued threads huge; do
        ARENITE_OPTIONS=profile=$profile arenite_env ./statistics $scene >output ||
            fail "$scene, profile $profile: exit status $?"
        python3 "$here/statistics.py" $scene $profile <output || fail "see above"
        echo "$scene, profile $profile: $(wc -c <output) bytes agree"
    done
done
