#!/bin/sh
# The tables of faults, huge pages, fork and page tables that were measured on a kernel.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_settings.sh"
. "$(dirname "$0")/lib_golden.sh"
keep_settings

golden touching <<'END'
mmap A 64p rw- fixed at W
write A 16p
expect minflt 16
expect rss_kb 64
expect anon_kb 64
read A+16p 16p
expect minflt 16
expect rss_kb 64
write A+16p 16p
expect minflt 16
expect rss_kb 128
madvise A 16p dontneed
expect minflt 0
expect rss_kb 64
write A 16p
expect minflt 16
madvise A 16p free
expect rss_kb 128
write A 16p
expect minflt 0
mprotect A 16p r--
mprotect A 16p rw-
write A 16p
expect minflt 0
END
golden populating <<'END'
mmap A 16p rw- fixed at W
madvise A 16p populate_read
expect minflt 16
expect rss_kb 0
write A 16p
expect minflt 16
mmap B 16p rw- populate fixed at W+2M
expect minflt 16
mmap C 16p r-- populate fixed at W+4M
expect minflt 16
expect rss_kb 128
mmap D 16p rw- locked fixed at W+6M
expect minflt 16
END
golden refused <<'END'
mmap A 16p --- fixed at W
read A 1p
expect signal SEGV_ACCERR
expect minflt 0
write W+16p 1p
expect signal SEGV_MAPERR
mprotect A 16p r--
write A 1p
expect signal SEGV_ACCERR
mprotect A 16p rw-
write A 16p
madvise A+4p 4p guard_install
expect minflt 0
expect vmas 1
expect rss_kb 48
read A+4p 1p
expect signal SEGV_MAPERR
expect minflt 0
END
golden huge <<'END'
mmap A 4M rw- fixed at W
madvise A 4M hugepage
write A 1p
expect minflt 1
expect rss_kb 2048
expect ahp_kb 2048
expect vmpte_kb 8
read A+2M 1p
expect minflt 1
expect rss_kb 2048
expect vmpte_kb 12
write A+2M 1p
expect minflt 1
expect rss_kb 4096
madvise A 1M dontneed
expect ahp_kb 2048
expect vmpte_kb 12
madvise A+2M 2M dontneed
expect ahp_kb 0
expect vmpte_kb 8
END
golden huge_misaligned <<'END'
mmap A 2048p rw- fixed at W+1p
madvise A 2048p hugepage
write A 2048p
expect minflt 515
expect ahp_kb 6144
expect vmpte_kb 24
END
golden huge_fork <<'END'
mmap A 2M rw- fixed at W
madvise A 2M hugepage
write A 1p
fork
in child
write A 2M
expect minflt 512
expect ahp_kb 0
exit
write A 2M
expect minflt 1
expect ahp_kb 2048
END
golden forked <<'END'
mmap A 8p rw- fixed at W
mmap B 8p rw- fixed at W+2M
write A 8p
read B 8p
fork
in child
expect vmpte_kb 8
read A 8p
expect minflt 0
write A 4p
expect minflt 4
read B 8p
expect minflt 8
mmap C 4p rw- fixed at W+8p
expect vmas 3
in parent
write A 8p
expect minflt 8
mmap C 4p rw- fixed at W+8p
expect vmas 2
END
golden wiped <<'END'
mmap A 4p rw- fixed at W
write A 4p
madvise A 4p wipeonfork
fork
in child
expect rss_kb 0
read A 4p
expect minflt 4
expect rss_kb 0
END
golden tables <<'END'
mmap A 4M rw- fixed at W
write A 1p
expect vmpte_kb 8
write A+2M 1p
expect vmpte_kb 12
madvise A 2M dontneed
expect vmpte_kb 8
madvise A+2M 1M dontneed
expect vmpte_kb 8
munmap A+2M 1M
expect vmpte_kb 8
munmap A+3M 1M
expect vmpte_kb 4
munmap A 2M
expect vmpte_kb 0
END
golden cloned <<'END'
mmap A 8p rw- fixed at W
write A 4p
clone vm fs files sighand thread sysvsem
in child
write A 8p
expect minflt 4
mmap B 4p rw- fixed at W+2M
write B 4p
in parent
expect vmas 2
read B 4p
expect minflt 0
in child
exit
clone files
in child
write A 2p
expect minflt 2
exit
clone vm
in child
munmap A 2p
exit
write A 1p
expect signal SEGV_MAPERR
END
golden collapsed <<'END'
mmap A 4M rw- fixed at W
write A 8p
madvise A 4M hugepage
write A+8p 8p
expect minflt 8
expect ahp_kb 0
madvise A 2M collapse
expect minflt 0
expect ahp_kb 2048
expect rss_kb 2048
write A 2M
expect minflt 0
madvise A+2M 1M populate_write
expect minflt 1
expect ahp_kb 4096
END
golden collapsed_unwritten <<'END'
mmap A 6M rw- fixed at W
read A+2M 4p
madvise A+2M 2M collapse
expect errno EINVAL
write A 1p
madvise A+2M 2M collapse
expect errno 0
expect minflt 0
expect ahp_kb 2048
expect rss_kb 2052
madvise A+4M 2M collapse
expect errno EINVAL
madvise A+5M 8K collapse
expect errno EINVAL
madvise A+3M 2M collapse
expect errno 0
END
golden punched <<'END'
mmap A 32p rw- shared fixed at W
write A 32p
madvise A+4p 8p remove
expect errno 0
expect rss_kb 96
read A 32p
expect minflt 8
fork
in child
read A 32p
expect rss_kb 128
in parent
madvise A 32p remove
expect rss_kb 0
in child
write A 1p
expect minflt 1
expect rss_kb 4
in parent
mlock A 4p
madvise A 8p remove
expect errno EINVAL
file F 8p
mmap B 8p rw- file=F fixed at W+64p
madvise B 8p remove
expect errno EACCES
mmap C 8p rw- fixed at W+128p
madvise C 8p remove
expect errno EINVAL
END
golden paged_out <<'END'
mmap A 64p rw- fixed at W
write A 64p
madvise A 16p cold
read A 64p
expect minflt 0
mmap B 2M rw- fixed at W+2M
madvise B 2M hugepage
write B 5p
expect rss_kb 2304
madvise A 8p free
write A 2p
madvise A 8p pageout
expect minflt 0
write A 8p
END
golden shared_file <<'END'
file F 128p
mmap A 64p rw- shared file=F fixed at W
read A 64p
expect minflt 4
write A 64p
expect minflt 64
mprotect A 64p r--
mprotect A 64p rw-
write A 64p
expect minflt 0
mmap B 64p rw- shared file=F+64p fixed at W+64p
write B 64p
expect minflt 4
madvise B 64p dontneed
write B+3p 2p
expect minflt 1
END
golden shared_paged_out <<'END'
mmap A 64p rw- shared fixed at W
read A 32p
write A+32p 8p
madvise A+40p 8p populate_write
madvise A 64p pageout
expect rss_kb 0
read A 32p
expect minflt 32
read A+32p 16p
expect minflt 1
END
golden locked_growth <<'END'
mmap A 8p rw- growsdown locked fixed at W+8M
write W+8128K 1p
expect errno 0
expect signal null
munlock W+8128K 24p
expect errno 0
mlock W+8M 8p
END
golden file_paged_out <<'END'
file F 100p
mmap A 100p rw- file=F fixed at W
read A 100p
madvise A 100p pageout
expect rss_kb 0
read A 100p
expect minflt 7
madvise A+3p 40p pageout
expect rss_kb 336
write A+50p 1p
madvise A+48p 16p pageout
expect rss_kb 336
mmap B 16p r-- file=F+80p fixed at W+200p
read B 16p
madvise A+80p 20p pageout
expect rss_kb 384
END
golden recursion <<'END'
rlimit stack 8M
stack 16M
expect signal SEGV_MAPERR
stack 4M
expect minflt 0
END
