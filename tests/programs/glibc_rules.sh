#!/bin/bash
# glibc_rules.sh - under profile=glibc the engine keeps glibc's rules: the same calls of malloc and friends give
# the same blocks, figures and system calls. Only meaningful beside the glibc whose rules they are.
. "$(dirname "$0")/lib.sh"
need gcc
export ARENITE_OPTIONS=profile=glibc

seed=${ARENITE_TEST_SEED:-1}
echo "ARENITE_TEST_SEED=$seed"
case $(ldd --version | head -1) in
*" 2.3"[5-7]) ;;
*) skip "the rules are those of glibc 2.36" ;;
esac

gcc -O1 -g -fno-builtin -D_GNU_SOURCE "$here/glibc_rules.c" -o rules || fail "cannot compile"
# The table of thread-local blocks is on the heap; it has an entry for each such library.
echo '__thread char tls_model_of_a_library; char *tls(void) { return &tls_model_of_a_library; }' |
    gcc -shared -fPIC -x c - -o tls.so || fail "cannot compile"
if nm -D "$library" | grep -q ' mallinfo2$'; then export GLIBC_RULES_FIGURES=1; fi

failures=0
for scenario in $(./rules); do
    LD_PRELOAD=$PWD/tls.so ./rules "$scenario" "$seed" >plain || fail "$scenario: plain run"
    if ! arenite_env ./rules "$scenario" "$seed" >ours 2>errors; then
        echo "$scenario: exit status $?: $(tail -3 errors)"
    fi
    if ! cmp -s plain ours; then
        echo "$scenario: differs (< glibc, > ours):"
        diff plain ours | head -8
        failures=$((failures + 1))
        continue
    fi
    echo "$scenario: $(wc -l <ours) lines are the same"
done
[ "$failures" -eq 0 ] || fail "$failures scenarios differ"
command -v strace >/dev/null || exit 0

for scenario in $(./rules); do
    strace -f -q -e trace=brk,mmap,munmap,mprotect,madvise,mremap,getppid -o plain.trace \
        -E LD_PRELOAD="$PWD/tls.so" ./rules "$scenario" "$seed" >/dev/null || fail "$scenario: strace"
    strace -f -q -e trace=brk,mmap,munmap,mprotect,madvise,mremap,getppid -o ours.trace \
        -E LD_PRELOAD="$library" ./rules "$scenario" "$seed" >/dev/null || fail "$scenario: strace"
    verdict=$(python3 "$here/glibc_rules.py" plain.trace ours.trace 2>&1) || {
        failures=$((failures + 1))
    }
    echo "$scenario: $verdict"
done
[ "$failures" -eq 0 ] || fail "$failures scenarios make other system calls"
