#!/bin/sh
# `arenite model run --memory`: the machine's frames and slabs after a script, in the kernel's formats.
set -eu
. "$(dirname "$0")/lib.sh"

cat >"$work/script" <<'END'
mmap A 40p rw- fixed at W
write A 40p
mprotect A+4p 1p r--
END
run "$arenite" model run "$work/script" --memory
expect_status 0 "model run --memory"
for line in \
    '^Node 0, zone   Normal( +[0-9]+){11} $' \
    '^Node    0, zone   Normal, type      Movable( +[0-9]+){11} $' \
    '^Node 0, zone   Normal( +[0-9]+){5} $' \
    '^slabinfo - version: 2\.1$' \
    '^vm_area_struct +[0-9]+ +[0-9]+    192   21    1 : tunables   16    8    0 : slabdata' \
    '^maple_node +[0-9]+ +[0-9]+    256   16    1 : tunables   16    8    0 : slabdata' \
    '^ Active / Total Objects \(% used\)    : [0-9]+ / [0-9]+ \([0-9.]+%\)$' \
    '^  OBJS ACTIVE  USE OBJ SIZE  SLABS OBJ/SLAB CACHE SIZE NAME'; do
    grep -Eq "$line" "$work/out" || fail "no line like: $line"
done
run "$arenite" model run "$work/script"
! grep -q slabinfo "$work/out" || fail "slabinfo without --memory"
