#!/bin/sh
# The tables that need another setting of the kernel: huge pages of 64 KiB. As root only; the
# setting is changed for a moment and put back.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_settings.sh"

setting=/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled
[ -w "$setting" ] || skip "$setting cannot be written"
change_settings
old=$(sed 's/.*\[\(.*\)\].*/\1/' "$setting")
trap 'echo "$old" 2>/dev/null >"$setting"; rm -rf "$work"' EXIT
echo madvise 2>/dev/null >"$setting" || skip "$setting is refused"

# One fault fills each naturally aligned 64 KiB that lie in the mapping and hold nothing; reads
# map single zero pages; only mappings of 2 MiB count as AnonHugePages.
cat >"$work/mthp" <<'END'
mmap A 128p rw- fixed at W
madvise A 128p hugepage
write A+3p 100p
expect minflt 7
mmap B 100p rw- fixed at W+2051p
madvise B 100p hugepage
write B 100p
expect minflt 25
expect ahp_kb 0
mmap C 511p rw- fixed at W+4099p
madvise C 511p hugepage
write C 511p
expect minflt 46
mmap D 64p rw- fixed at W+6144p
madvise D 64p hugepage
read D 32p
expect minflt 32
expect errno 0
write D+32p 32p
expect minflt 2
write D 16p
expect minflt 16
END
run "$arenite" model check "$work/mthp"
grep -q "cannot be arranged" "$work/err" && skip "$(cat "$work/err")"
expect_status 0 "huge pages of 64 KiB"

# Advice for a part of such a page makes single pages of it; those of zeros give way to the zero page.
cat >"$work/parted" <<'END'
mmap A 64p rw- fixed at W
madvise A 64p hugepage
write A 15p
expect minflt 1
write A+32p 1p
expect rss_kb 128
madvise A+2p 11p free
expect rss_kb 124
madvise A+32p 16p cold
expect rss_kb 124
madvise A+40p 1p cold
expect rss_kb 64
END
run "$arenite" model check "$work/parted"
expect_status 0 "a part of 64 KiB"
run "$arenite" model check --random --scripts 60 --ops 40 --seed "${ARENITE_TEST_SEED:-64}"
expect_status 0 "random scripts with huge pages of 64 KiB"

# The setting changes while scripts run: the model follows.
echo never >"$setting"
"$arenite" model check --random --scripts 40 --ops 40 --seed "${ARENITE_TEST_SEED:-65}" \
    >"$work/changed" 2>"$work/follows" &
sleep 0.3
echo madvise >"$setting"
wait $! || fail "a setting that changes: $(cat "$work/changed" "$work/follows")"
