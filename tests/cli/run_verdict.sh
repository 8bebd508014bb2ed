#!/bin/sh
# `arenite run` says truly whether it is active in CMD, and why not.
set -eu
. "$(dirname "$0")/lib.sh"

program='int main(void) { return 0; }'

# verdict PATTERN CMD...: exactly one line of the tool's, and it is this one.
verdict() {
    pattern=$1
    shift
    run "$tool" run -- "$@"
    expect_line err "arenite: $pattern" "verdict for $*"
    [ "$(grep -c '^arenite: ' "$work/err")" -eq 1 ] || fail "verdict for $*: more than one line"
}
tool=$arenite

verdict "active in sh (process [0-9]*, $library)" sh -c :
printf '#!/bin/sh\nexit 5\n' >"$work/script"
printf 'exit 6\n' >"$work/no-magic"
chmod +x "$work/script" "$work/no-magic"
verdict "active in $work/script (.*)" "$work/script"
expect_status 5 "a script"
verdict "active in $work/no-magic (.*)" "$work/no-magic"
expect_status 6 "a script without #!"

# What goes on after the verdict is CMD's: the announcing descriptor is closed in it.
run "$arenite" run -- sh -c 'ls -l /proc/$$/fd; echo "variable $ARENITE_ANNOUNCE"'
expect_line out "variable [0-9]*:[0-9]*:[0-9]*" "the announcing descriptor"
fd=$(sed -n 's/^variable \([0-9]*\):.*/\1/p' "$work/out")
expect_no_line out " $fd -> " "the announcing descriptor is closed"

# A descriptor of the same number that is another file is left alone.
run sh -c 'ARENITE_ANNOUNCE=9:1:1 LD_PRELOAD=$1 sh -c "echo still open >&9" 9>"$2"' sh \
    "$library" "$work/other"
[ "$(cat "$work/other")" = "still open" ] || fail "the library wrote to a foreign descriptor"

if echo "$program" | build static -static; then
    verdict "not active in $work/static: it is statically linked" "$work/static"
    expect_status 0 "a static program"
    printf '#!%s\n' "$work/static" >"$work/static-script"
    chmod +x "$work/static-script"
    verdict "not active in $work/static-script: $work/static is statically linked" \
        "$work/static-script"
    cat >"$work/exec.c" <<'END'
#include <unistd.h>
int main(void) { return execl("/bin/sh", "sh", "-c", ":", (char *)0); }
END
    build exec-static -static <"$work/exec.c"
    verdict "active in $work/exec-static (.*)" "$work/exec-static"
    # What only a descendant announces, and what is no announcement at all, makes CMD no active one.
    printf '#include <stdlib.h>\nint main(void) { return system("true"); }\n' |
        build parent-static -static
    verdict "not active in $work/parent-static: it is statically linked" "$work/parent-static"
    cat >"$work/noise.c" <<'END'
#include <stdlib.h>
#include <unistd.h>
int main(void) {
    static const unsigned noise[4] = {0, 1, 1, 1};
    return write(atoi(getenv("ARENITE_ANNOUNCE")), noise, sizeof noise) != sizeof noise;
}
END
    build noise -static <"$work/noise.c"
    verdict "not active in $work/noise: it is statically linked" "$work/noise"
    expect_status 0 "noise on the announcing descriptor"
fi
if echo "$program" | build static-pie -static-pie -fPIE; then
    verdict "not active in $work/static-pie: it is statically linked" "$work/static-pie"
fi
if echo "$program" | build word32 -m32; then
    verdict "not active in $work/word32: it is a 32-bit program" "$work/word32"
fi
if [ "$(id -u)" -eq 0 ] && echo "$program" | build setuid &&
    chown 65534 "$work/setuid" && chmod u+s "$work/setuid"; then
    verdict "not active in $work/setuid: it is setuid: .*" "$work/setuid"
fi
if [ "$(id -u)" -eq 0 ] && command -v setcap >/dev/null && command -v runuser >/dev/null &&
    echo "$program" | build capable && setcap cap_net_raw+ep "$work/capable"; then
    chmod 755 "$work"
    cp "$arenite" "$library" "$work"
    run runuser -u nobody -- "$work/arenite" run -- "$work/capable"
    expect_line err "arenite: not active in $work/capable: it has file capabilities: .*" \
        "a program with file capabilities"
fi
cat >"$work/own.c" <<'END'
#include <stddef.h>
static char heap[1 << 20];
static size_t used;
void *malloc(size_t n) { void *p = heap + used; used += (n + 15) / 16 * 16; return p; }
void *calloc(size_t n, size_t m) { return malloc(n * m); }
void *realloc(void *p, size_t n) { (void)p; return malloc(n); }
void free(void *p) { (void)p; }
int main(void) { return 0; }
END
if build own <"$work/own.c"; then
    verdict "not active in $work/own: .*the program brings its own malloc" "$work/own"
fi

# The tool beside no library, beside one in ../lib, beside one that is none, beside a wrong one.
mkdir -p "$work/tree/bin" "$work/tree/lib"
cp "$arenite" "$work/tree/bin/arenite"
tool=$work/tree/bin/arenite
verdict "not active in sh: no libarenite.so in $work/tree/bin or $work/tree/bin/../lib" sh -c 'exit 9'
expect_status 9 "without a library"
cp "$library" "$work/tree/lib/libarenite.so"
verdict "active in sh (process [0-9]*, $work/tree/lib/libarenite.so)" sh -c :
echo "no library" >"$work/tree/bin/libarenite.so"
verdict "not active in sh: $work/tree/bin/libarenite.so cannot be loaded: not an ELF file" sh -c :
if echo 'int answer = 42;' | build tree/bin/libarenite.so -m32 -shared -fPIC; then
    verdict "not active in sh: .*/libarenite.so cannot be loaded: a 32-bit file .*" sh -c :
fi
mkdir "$work/with space"
cp "$arenite" "$library" "$work/with space"
tool="$work/with space/arenite"
verdict "not active in sh: .* cannot be loaded: LD_PRELOAD cannot express a path with .*" sh -c :
