#!/bin/bash
# git.sh - git on a generated repository: log, blame, diff, grep, repack and gc with threads.
. "$(dirname "$0")/lib.sh"
need git
export GIT_CONFIG_NOSYSTEM=1 HOME=$PWD GIT_AUTHOR_DATE=@1600000000 GIT_COMMITTER_DATE=@1600000000
export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a
export GIT_COMMITTER_EMAIL=a@example.org

mkdir repository && cd repository || exit 1
git init -q -b main .
for commit in $(seq 1 40); do
    for file in 1 2 3 4 5; do
        seq $((commit * file)) $((commit * file + 300 + file * 50)) >"file$file"
        echo "line of $commit in $file" >>"notes$file"
    done
    git add -A && git commit -qm "Change number $commit"
done
cd ..
same_output log git -C repository log -p --stat --all
same_output blame git -C repository blame notes3
same_output grep git -C repository grep -n 'line of [12]'
same_output diff git -C repository diff --minimal main~30 main
arenite_env git -C repository -c pack.threads=4 repack -adfq --depth=20 --window=20 || fail "repack"
arenite_env git -C repository gc -q --aggressive --prune=now || fail "gc"
git -C repository fsck --full --strict >fsck 2>&1 || { cat fsck; fail "fsck after gc"; }
same_output log_after git -C repository log --format='%H %T %s'
