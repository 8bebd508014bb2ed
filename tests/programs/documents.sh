#!/bin/bash
# documents.sh - the programs of the notes on glibc's malloc: under profile=ptmalloc the figures, the
# addresses, the lines of /proc/self/maps and the kernel calls are those told there, exactly; and
# under profile=glibc they are those of the system's glibc.
. "$(dirname "$0")/lib.sh"
need gcc
gcc -O1 -g -fno-builtin -D_GNU_SOURCE "$here/documents.c" -o documents || fail "cannot compile"
[ "$(getconf PAGESIZE)" = 4096 ] || skip "the figures are those of pages of 4 KiB"

# expect WHAT OPTIONS ARGUMENT...: the program prints what stands on stdin.
expect() {
    what=$1
    options=$2
    shift 2
    cat >expected
    ARENITE_OPTIONS=$options arenite_env ./documents "$@" >found || fail "$what: exit status $?"
    diff expected found >differences || fail "$what (< told, > found): $(cat differences)"
    echo "$what: $(wc -l <found) lines as told"
}

# ---- blocks of 30K, 40K, 200K and 100K; then the last three are freed ---------------------------

cat >steps <<'END'
start
  [heap] 0, C is not mapped
A = malloc(30K): heap +16
  [heap] 163840, C is not mapped
B = malloc(40K): heap +30752
  [heap] 163840, C is not mapped
C = malloc(200K): page +16
  [heap] 163840, C is mapped
D = malloc(100K): heap +71728
  [heap] 307200, C is mapped
free(C)
  [heap] 307200, C is not mapped
free(B)
  [heap] 307200, C is not mapped
free(D)
END
# With the threshold as it was, 270 KiB free at the end of the heap are trimmed to 126 KiB, and A.
{ cat steps && echo "  [heap] 163840, C is not mapped"; } >trimmed
# With the dynamic threshold freeing C raised it to 408 KiB.
{ cat steps && echo "  [heap] 307200, C is not mapped"; } >kept
expect "the sequence, trim_threshold=128K" profile=ptmalloc,trim_threshold=128K sequence <trimmed
expect "the sequence, dynamic threshold" profile=ptmalloc sequence <kept

# ---- the two programs that print mallinfo -------------------------------------------------------

expect "200 blocks of i KiB" profile=ptmalloc kibibytes <<'END'
allocated: arena 8327168 ordblks 1 smblks 0 hblks 72 hblkhd 12238848 usmblks 0 fsmblks 0 uordblks 8325136 fordblks 2032 keepcost 2032
freed: arena 8327168 ordblks 64 smblks 0 hblks 36 hblkhd 6119424 usmblks 0 fsmblks 0 uordblks 4129808 fordblks 4197360 keepcost 132096
END
# Chunks of 112 bytes: freed ones are fast.
expect "1000 blocks of 100 bytes" profile=ptmalloc blocks 1000 100 2 <<'END'
before: arena 0 ordblks 1 smblks 0 hblks 0 hblkhd 0 usmblks 0 fsmblks 0 uordblks 0 fordblks 0 keepcost 0
allocated: arena 135168 ordblks 1 smblks 0 hblks 0 hblkhd 0 usmblks 0 fsmblks 0 uordblks 112000 fordblks 23168 keepcost 23168
freed: arena 135168 ordblks 1 smblks 500 hblks 0 hblkhd 0 usmblks 0 fsmblks 56000 uordblks 56000 fordblks 79168 keepcost 23168
END
# Chunks of 1008 bytes: 500 free ones that have no free neighbour, and top.
expect "1000 blocks of 1000 bytes" profile=ptmalloc blocks 1000 1000 2 <<'END'
before: arena 0 ordblks 1 smblks 0 hblks 0 hblkhd 0 usmblks 0 fsmblks 0 uordblks 0 fordblks 0 keepcost 0
allocated: arena 1081344 ordblks 1 smblks 0 hblks 0 hblkhd 0 usmblks 0 fsmblks 0 uordblks 1008000 fordblks 73344 keepcost 73344
freed: arena 1081344 ordblks 501 smblks 0 hblks 0 hblkhd 0 usmblks 0 fsmblks 0 uordblks 504000 fordblks 577344 keepcost 73344
END
expect "20 blocks of 200000 bytes" profile=ptmalloc blocks 20 200000 2 <<'END'
before: arena 0 ordblks 1 smblks 0 hblks 0 hblkhd 0 usmblks 0 fsmblks 0 uordblks 0 fordblks 0 keepcost 0
allocated: arena 0 ordblks 1 smblks 0 hblks 20 hblkhd 4014080 usmblks 0 fsmblks 0 uordblks 0 fordblks 0 keepcost 0
freed: arena 0 ordblks 1 smblks 0 hblks 10 hblkhd 2007040 usmblks 0 fsmblks 0 uordblks 0 fordblks 0 keepcost 0
END

# ---- beside the system's glibc -------------------------------------------------------------------

case $(ldd --version | head -1) in
*" 2.3"[5-7])
    for arguments in sequence kibibytes "blocks 1000 100 2" "blocks 1000 100 1" \
        "blocks 1000 1000 3" "blocks 20 200000 2" "blocks 30000 24 5"; do
        # shellcheck disable=SC2086 # several words
        ./documents $arguments >plain || fail "$arguments: exit status $?"
        # shellcheck disable=SC2086
        expect "as glibc: $arguments" profile=glibc $arguments <plain
    done
    MALLOC_TRIM_THRESHOLD_=131072 ./documents sequence >plain
    MALLOC_TRIM_THRESHOLD_=131072 expect "as glibc: trim" profile=glibc sequence <plain
    ;;
esac

# ---- kernel calls -------------------------------------------------------------------------------

command -v strace >/dev/null || exit 0

# The calls between the steps, with the break relative to where it was.
calls() {
    ARENITE_OPTIONS=$1 strace -e trace=brk,mmap,munmap,mprotect,madvise,mremap,write \
        -E LD_PRELOAD="$library" -o trace ./documents sequence >/dev/null || fail "strace: $?"
    python3 - <<'END'
import re
start, before = False, None
for line in open("trace"):
    text = re.match(r'write\(1, "(.*?)(\\n)?"', line)
    if text:
        start = start or text.group(1) == "start"
        if not text.group(1).startswith("  "):
            print(text.group(1).split(":")[0])
        continue
    call = re.match(r"(\w+)\((.*)\) += (\S+)", line)
    if not call:
        continue
    name, arguments = call.group(1), call.group(2).split(", ")
    if name == "brk":
        now = int(call.group(3), 16)
        if start:
            print(f"  brk {now - before:+d}")
        before = now
    elif start:
        print(f"  {name} {arguments[1]}")
END
}

# expect_calls WHAT OPTIONS: the calls are those that stand on stdin.
expect_calls() {
    cat >expected
    calls "$2" >found
    diff expected found >differences || fail "$1 (< told, > found): $(cat differences)"
    echo "$1: the kernel calls are as told"
}

# Each step's line stands behind its calls.
cat >steps <<'END'
start
  brk +163840
A = malloc(30K)
B = malloc(40K)
  mmap 208896
C = malloc(200K)
  brk +143360
D = malloc(100K)
  munmap 208896
free(C)
free(B)
END
{ cat steps && echo "free(D)"; } >kept
{ cat steps && echo "  brk -143360" && echo "free(D)"; } >trimmed
expect_calls "dynamic threshold" profile=ptmalloc <kept
expect_calls "trim_threshold=128K" profile=ptmalloc,trim_threshold=128K <trimmed
