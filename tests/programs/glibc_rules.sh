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
gcc -O1 -g -w -fno-builtin -D_GNU_SOURCE "$here/glibc_programs.c" -o programs || fail "cannot compile"
# The table of thread-local blocks is on the heap; it has an entry for each such library.
echo '__thread char tls_model_of_a_library; char *tls(void) { return &tls_model_of_a_library; }' |
    gcc -shared -fPIC -x c - -o tls.so || fail "cannot compile"
if nm -D "$library" | grep -q ' mallinfo2$'; then export GLIBC_RULES_FIGURES=1; fi

failures=0

# compare_output PROGRAM SCENARIO: false when what it writes differs.
compare_output() {
    LD_PRELOAD=$PWD/tls.so ./"$1" "$2" "$seed" >plain || fail "$2: plain run"
    if ! arenite_env ./"$1" "$2" "$seed" >ours 2>errors; then
        echo "$2: exit status $?: $(tail -3 errors)"
    fi
    if ! cmp -s plain ours; then
        echo "$2: differs (< glibc, > ours):"
        diff plain ours | head -8
        return 1
    fi
    echo "$2: $(wc -l <ours) lines are the same"
}

# trace FILE LIBRARY COMMAND...: the calls that concern memory.
trace() {
    file=$1
    preload=$2
    shift 2
    strace -f -q -e trace=brk,mmap,munmap,mprotect,madvise,mremap,getppid -o "$file" \
        -E LD_PRELOAD="$preload" "$@" >/dev/null || fail "$*: strace"
}

# compare_calls PROGRAM SCENARIO
compare_calls() {
    trace plain.trace "$PWD/tls.so" ./"$1" "$2" "$seed"
    trace ours.trace "$library" ./"$1" "$2" "$seed"
    verdict=$(python3 "$here/glibc_rules.py" plain.trace ours.trace 2>&1)
    status=$?
    echo "$2: $verdict"
    return $status
}

for program in rules programs; do
    for scenario in $(./$program); do
        compare_output $program "$scenario" || failures=$((failures + 1))
    done
done
[ "$failures" -eq 0 ] || fail "$failures scenarios differ"
command -v strace >/dev/null || exit 0

for program in rules programs; do
    for scenario in $(./$program); do
        compare_calls $program "$scenario" || failures=$((failures + 1))
    done
done
[ "$failures" -eq 0 ] || fail "$failures scenarios make other system calls"
