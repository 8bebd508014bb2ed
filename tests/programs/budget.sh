#!/bin/bash
# budget.sh - in a real memory cgroup: without a budget the kernel kills the program, with
# limit=cgroup it gets NULL, and lives.
. "$(dirname "$0")/lib.sh"
need gcc
gcc -O1 -g -fno-builtin "$here/budget.c" -o budget || fail "cannot compile"

group=
for top in /sys/fs/cgroup/memory /sys/fs/cgroup; do
    if [ -e $top/cgroup.procs ] && mkdir $top/arenite_budget_$$ 2>/dev/null; then
        group=$top/arenite_budget_$$
        break
    fi
done
[ -n "$group" ] || skip "no memory cgroup can be made here"
trap 'rmdir "$group"' EXIT
bytes=$((80 << 20))
if [ -e "$group/memory.max" ]; then
    limit_file=memory.max
else
    limit_file=memory.limit_in_bytes
fi
{ echo $bytes >"$group/$limit_file"; } 2>/dev/null || skip "no memory limit can be set here"
for swap in memory.swap.max:0 memory.memsw.limit_in_bytes:$bytes; do
    { echo "${swap#*:}" >"$group/${swap%:*}"; } 2>/dev/null
done

# in_group CMD...: runs it in the group; its exit status.
in_group() {
    bash -c 'echo $$ >"$0"/cgroup.procs && exec "$@"' "$group" "$@"
}

in_group ./budget >plain 2>&1
status=$?
[ $status -eq 137 ] || skip "the kernel does not kill beyond the limit here: exit status $status"
echo "plainly: killed"
for setting in cgroup cgroup:90% cgroup:50% 40M; do
    ARENITE_OPTIONS=limit=$setting LD_PRELOAD=$library in_group ./budget >ours 2>&1
    status=$?
    [ $status -eq 0 ] || fail "limit=$setting: exit status $status: $(cat ours)"
    echo "limit=$setting: $(cat ours)"
done
