#!/bin/sh
# The rules of merging, placing, moving and growing that were measured on a kernel.
set -eu
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_settings.sh"
. "$(dirname "$0")/lib_golden.sh"
keep_settings

golden merging <<'END'
mmap A 4p rw- fixed at W
mmap B 4p rw- fixed at W+4p
expect vmas 1
write A 4p
mmap C 4p rw- fixed at W+8p
expect vmas 1
END
golden not_merging <<'END'
mmap A 4p rw- fixed at W
mmap C 4p rw- fixed at W+8p
write A 1p
write C 1p
mmap B 4p rw- fixed at W+4p
expect vmas 2
write B 1p
expect vmas 2
END
golden one_side_faulted <<'END'
mmap A 4p rw- fixed at W
mmap C 4p rw- fixed at W+8p
write A 1p
mmap B 4p rw- fixed at W+4p
expect vmas 1
END
golden doubled <<'END'
mmap A 16p rw- shared fixed at W
write A 4p
mremap A+8p 0 4p maymove to W+64p
expect vmas 2
mremap A 0 4p maymove to W+80p
expect vmas 3
read W+80p 4p
expect rss_kb 32
END
golden mergeable <<'END'
mmap A 12p rw- fixed at W
madvise A+4p 4p mergeable
expect vmas 3
madvise A 12p unmergeable
expect vmas 1
mmap B 4p rw- shared fixed at W+64p
madvise B+2p 2p mergeable
expect errno 0
expect vmas 2
END
golden rights_and_back <<'END'
mmap A 12p rw- fixed at W
mprotect A+4p 4p r--
expect vmas 3
write A 1p
write A+8p 1p
mprotect A+4p 4p rw-
expect vmas 2
END
golden flags_split <<'END'
mmap A 12p rw- fixed at W
madvise A+4p 4p random
expect vmas 3
madvise A+4p 4p normal
expect vmas 1
madvise A+4p 4p dontfork
expect vmas 3
madvise A+4p 4p dofork
expect vmas 1
madvise A+4p 4p hugepage
expect vmas 3
madvise A 12p nohugepage
expect vmas 1
mlock A+4p 4p
expect vmas 3
munlock A+4p 4p
expect vmas 1
mmap B 4p rw- noreserve fixed at W+12p
expect vmas 2
mmap C 4p rw- stack fixed at W+16p
expect vmas 3
END
golden hole_and_back <<'END'
mmap A 12p rw- fixed at W
write A 12p
munmap A+4p 4p
expect vmas 2
mmap B 4p rw- fixed at W+4p
expect vmas 1
END
golden moving <<'END'
mmap A 4p rw- fixed at W
mmap B 4p rw- fixed at W+8p
mremap A 4p 4p maymove to W+12p
expect vmas 1
mmap C 4p rw- fixed at W+2M
write C 4p
mremap C 4p 4p maymove to W+16p
expect vmas 2
expect rss_kb 16
expect minflt 0
mremap C 4p 4p maymove dontunmap to W+4M
expect vmas 3
expect errno 0
mmap D 4p rw- fixed at W+6M
mremap D 4p 4p maymove dontunmap
expect errno 0
END
golden growing <<'END'
mmap A 4p rw- fixed at W
mremap A 4p 8p
expect errno 0
expect vmas 1
mmap B 4p r-- fixed at W+8p
mremap A 8p 12p
expect errno ENOMEM
mremap A 8p 12p maymove
expect errno 0
END
golden hints <<'END'
mmap A 4p rw- fixed at W
mmap B 4p rw- fixed_noreplace at W
expect errno EEXIST
mmap C 4p rw- at W+1M
expect vmas 2
mmap D 512p rw-
mmap E 513p rw-
mmap F 4p rw- at W
expect vmas 3
END
golden heap <<'END'
brk +64K
expect vmas 1
write W 1p
expect signal SEGV_MAPERR
brk -32K
expect errno 0
brk +32K
expect vmas 1
END
golden limits <<'END'
rlimit data 1M
mmap A 64K rw- fixed at W
expect errno 0
mmap B 2M rw- fixed at W+2M
expect errno ENOMEM
mmap C 2M r-- fixed at W+4M
expect errno 0
mprotect C 2M rw-
expect errno ENOMEM
rlimit as 4M
mmap D 4M --- fixed at W+8M
expect errno ENOMEM
END
golden account <<'END'
mmap A 4p rw- fixed at W
mmap B 4p r-- fixed at W+4p
mprotect A 4p r--
expect vmas 1
mmap C 4p rw- fixed at W+2M
write C 4p
mmap D 4p r-- fixed at W+516p
mprotect C 4p r--
expect vmas 3
END
golden stack <<'END'
stack 64K
expect minflt 16
stack 1M
expect minflt 240
rlimit stack 2M
stack 4M
expect signal SEGV_MAPERR
rlimit stack 8M
stack 4M
expect signal null
END
golden errors <<'END'
mmap A 4p rw- fixed at W
munmap W+1 1p
expect errno EINVAL
mprotect W+4p 1p r--
expect errno ENOMEM
madvise W 8p dontneed
expect errno ENOMEM
mmap B 0 rw-
expect errno EINVAL
mremap W+8p 1p 2p
expect errno EFAULT
mremap A 4p 0
expect errno EINVAL
mlock W 8p
expect errno ENOMEM
madvise A 1p dontneed
expect errno EINVAL
mmap C 4p --- fixed at W+8p
madvise C 4p populate_write
expect errno EINVAL
END
golden threads <<'END'
thread T
expect vmas 2
expect rss_kb 8
thread U use 64K
expect rss_kb 80
thread V stack 8K
expect errno EINVAL
join T
join U
thread X
expect vmas 4
join X
END
golden shared <<'END'
mmap A 64p rw- shared fixed at W
write A 16p
expect minflt 16
expect anon_kb 0
read A+16p 48p
expect minflt 48
write A+16p 48p
expect minflt 0
madvise A 64p dontneed
read A 64p
expect minflt 4
END
golden files <<'END'
file F 64p
mmap A 64p r-- file=F fixed at W
read A 64p
expect minflt 4
mmap B 64p rw- file=F fixed at W+2M
write B 5p
expect minflt 5
read B+16p 16p
expect minflt 1
write B+16p 16p
expect minflt 16
expect anon_kb 84
END
golden last_folio <<'END'
file F 96p
mmap A 64p r-- file=F+64p fixed at W+8p
read W+44p 1p
expect signal BUS_ADRERR
expect rss_kb 0
expect vmpte_kb 4
read W+33p 1p
expect rss_kb 64
mmap B 16p r-- file=F+82p fixed at W+2M
read B 3p
expect minflt 2
expect rss_kb 120
mmap C 16p r-- file=F+70p fixed at W+4M
read C+15p 1p
expect rss_kb 184
END
golden guarded_file <<'END'
file F 40p
mmap A 16p r-- file=F fixed at W
mmap B 16p r-- file=F+16p fixed at W+16p
madvise A 16p random
madvise A+1p 2p guard_install
madvise B+1p 2p guard_install
expect vmas 2
madvise A 16p normal
expect vmas 1
fork
in child
read A+1p 1p
expect signal SEGV_MAPERR
END
golden limits_to_the_page <<'END'
rlimit data 64K
mmap A 64K rw- fixed at W
expect errno 0
mmap B 4K rw- fixed at W+1M
expect errno ENOMEM
mmap C 4K r-- fixed at W+2M
expect errno 0
mprotect C 4K rw-
expect errno ENOMEM
rlimit as 1M
mmap D 952K --- fixed at W+4M
expect errno 0
mmap E 8K --- fixed at W+6M
expect errno ENOMEM
mmap F 4K --- fixed at W+6M
expect errno 0
END

# The heap lies above the window there, and is listed all the same.
golden heap_bottom_up --layout bottomup <<'END'
brk +64K
expect vmas 1
brk +2M
expect vmas 1
brk -2M
mmap A 4p rw-
expect vmas 2
END

# Without CAP_IPC_LOCK the limit on locked memory holds; who has it has it taken away.
cat >"$work/unprivileged" <<SCRIPT
#!/bin/sh
exec setpriv --bounding-set=-ipc_lock "$arenite" "\$@"
SCRIPT
chmod +x "$work/unprivileged"
if [ "$(id -u)" -eq 0 ] && setpriv --bounding-set=-ipc_lock true 2>/dev/null; then
    arenite=$work/unprivileged
fi
if [ "$(id -u)" -ne 0 ] || [ "$arenite" = "$work/unprivileged" ]; then
    golden locked_limit <<'SCRIPT'
rlimit memlock 8p
mmap A 16p rw- fixed at W
mlock A 8p
expect errno 0
mlock A 9p
expect errno ENOMEM
mmap B 1p rw- locked fixed at W+100p
expect errno EAGAIN
munlock A 16p
mmap B 8p rw- locked fixed at W+100p
mremap B 8p 9p maymove
expect errno EAGAIN
rlimit memlock 0
mlock A 1p
expect errno EPERM
SCRIPT
fi
