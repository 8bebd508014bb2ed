#!/bin/sh
# Replacement to swap and the OOM killer, which the model has and this kernel, without swap, not.
# With ARENITE_TEST_SWAP=1, and as root, the same script is compared with the kernel: that turns a
# swap file of 32 MiB on, and off again.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_settings.sh"

cat >"$work/pageout" <<'END'
mmap A 128p rw- fixed at W
write A 128p
madvise A 128p pageout
expect rss_kb 0
expect swap_kb 512
expect minflt 0
read A 16p
expect minflt 16
expect majflt 0
write A+16p 16p
expect swap_kb 384
write A 128p
expect minflt 96
expect swap_kb 0
madvise A 64p pageout
fork
in child
expect swap_kb 256
read A 32p
expect minflt 32
write A 64p
expect minflt 64
in parent
expect swap_kb 256
write A 64p
expect minflt 64
madvise A 64p pageout
madvise A 8p dontneed
expect swap_kb 224
madvise A 16p free
expect swap_kb 192
mremap A 128p 128p maymove to W+2M
expect swap_kb 192
mprotect W+2M 32p r--
read W+2M 64p
mmap T 2M rw- fixed at W+4M
madvise T 2M hugepage
write T 3p
madvise T 2M pageout
expect rss_kb 448
expect swap_kb 12
read T 10p
mmap S 64p rw- shared fixed at W+8M
write S 64p
madvise S 64p pageout
expect swap_kb 256
read S 64p
expect swap_kb 0
munmap W 16M
END

# One read brings the 8 slots around in: two where the pages lie in two such groups.
cat >"$work/short" <<'END'
mmap A 3000p rw- fixed at W
write A 3000p
expect majflt 0
madvise A 3000p cold
read A 8p
expect majflt 2
expect minflt 6
END

cat >"$work/killed" <<'END'
mmap A 1500p rw- fixed at W
mmap B 1500p rw- fixed at W+8M
write A 1500p
write B 1500p
expect signal SIGKILL
expect rss_kb 0
write A 1p
expect errno ESRCH
END

# Who has most is killed: the child, which then is gone; its parent goes on.
cat >"$work/child" <<'END'
mmap A 200p rw- fixed at W
write A 200p
fork
in child
mmap B 1900p rw- fixed at W+8M
write B 1900p
expect signal SIGKILL
in parent
write A 200p
expect signal null
expect rss_kb 800
END

for index in maple rbtree; do
    run "$arenite" model run "$work/pageout" --ram 64M --swap 16M --index $index
    expect_status 0 "pages that go to swap and come back ($index)"
    run "$arenite" model run "$work/short" --ram 8M --swap 16M --index $index
    expect_status 0 "memory runs short ($index)"
    run "$arenite" model run "$work/killed" --ram 8M --index $index
    expect_status 0 "the OOM killer without swap ($index)"
    run "$arenite" model run "$work/child" --ram 8M --index $index
    expect_status 0 "the OOM killer and a child ($index)"
done

run "$arenite" model run "$work/short" --ram 8M --swap 16M --memory
expect_line out "SwapTotal: *16384 kB" "meminfo"
run "$arenite" model run "$work/short" --ram 8M --swap 16M --json
expect_line out '{"op":1,.*,"swap_kb":0}' "the JSON line where there is swap"
run "$arenite" model run "$work/short" --json
expect_no_line out swap_kb "the JSON line where there is none"

[ "${ARENITE_TEST_SWAP:-0}" = 1 ] || exit 0
change_settings
dd if=/dev/zero of="$work/swapfile" bs=1M count=32 2>"$work/err"
chmod 600 "$work/swapfile"
mkswap "$work/swapfile" >"$work/out"
swapon "$work/swapfile" || skip "swapon is refused"
trap 'swapoff "$work/swapfile"; rm -rf "$work"' EXIT
run "$arenite" model check "$work/pageout"
expect_status 0 "pages that go to swap, in the kernel"
run "$arenite" model check --random --scripts 100 --ops 40 --seed "${ARENITE_TEST_SEED:-1}"
expect_status 0 "random scripts with swap, in the kernel"
