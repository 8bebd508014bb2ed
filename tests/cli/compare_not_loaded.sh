#!/bin/sh
# `arenite compare` gives no figures for a library that was not really loaded.
set -eu
. "$(dirname "$0")/lib.sh"

# refuse PATTERN ARGUMENT...: exit status 1, no table, no JSON, the reason in words.
refuse() {
    pattern=$1
    shift
    for format in "" --json; do
        run "$arenite" compare -n 1 $format "$@"
        expect_status 1 "compare $*"
        [ ! -s "$work/out" ] || fail "compare $*: a result nevertheless"
        expect_line err "arenite: $pattern" "compare $*"
    done
}

program='int main(void) { return 0; }'
allocator='
#include <stddef.h>
extern void *__libc_malloc(size_t);
void *malloc(size_t n) { return __libc_malloc(n); }'

echo "no library" >"$work/text.so"
refuse "x cannot be compared: $work/text.so is not loaded: not an ELF file" \
    --lib "x=$work/text.so" -- true
refuse "x cannot be compared: $work/none.so is not loaded: No such file or directory" \
    --lib "x=$work/none.so" -- true
refuse "x cannot be compared: .* a path with a space or a colon in it" --lib "x=/a b.so" -- true

if echo "$program" | build dynamic; then
    refuse "x cannot be compared: .* not a shared library" --lib "x=$work/dynamic" -- true
    echo 'int answer = 42;' | build none.so -shared -fPIC
    refuse "x cannot be compared: .* it does not define malloc" --lib "x=$work/none.so" -- true
    printf '%s\nextern int missing(void);\nint f(void) { return missing(); }\n' "$allocator" |
        build unbound.so -shared -fPIC -Wl,-z,now
    refuse "x cannot be compared: .* undefined symbol: missing.*" --lib "x=$work/unbound.so" -- true
    printf '%s\nint answer = 42;\n' "$allocator" | build gone.so -shared -fPIC
    printf '%s\n' "$allocator" |
        build needs.so -shared -fPIC -L"$work" -Wl,--no-as-needed -l:gone.so
    rm "$work/gone.so"
    refuse "x cannot be compared: .* gone.so: cannot open shared object file.*" --lib "x=$work/needs.so" -- true
    printf '%s\n#include <stdlib.h>\n__attribute__((constructor)) void f(void) { abort(); }\n' \
        "$allocator" | build aborts.so -shared -fPIC
    refuse "x cannot be compared: .* a trivial program dies of signal 6 .*" \
        --lib "x=$work/aborts.so" -- true
fi
if echo "$allocator" | build word32.so -m32 -shared -fPIC; then
    refuse "x cannot be compared: .* a 32-bit file .*" --lib "x=$work/word32.so" -- true
fi
if echo "$program" | build static -static; then
    refuse "nothing to compare: .* into $work/static: it is statically linked" -- "$work/static"
fi
if echo "$program" | build word32 -m32; then
    refuse "nothing to compare: .* it is a 32-bit program" -- "$work/word32"
fi

# Not visible in any file: CMD itself takes the preload away before the real program starts.
refuse "[a-z]* cannot be compared: .* is not loaded: CMD ran without it" -- env -u LD_PRELOAD true
refuse "[a-z]* cannot be compared: .* CMD ran without it" -- \
    sh -c 'LD_PRELOAD=; export LD_PRELOAD; exec true'

mkdir "$work/bin"
cp "$arenite" "$work/bin"
arenite=$work/bin/arenite
refuse "Arenite cannot be compared: no libarenite.so in .*" -- true

# No log of the dynamic linker is left behind.
mkdir "$work/tmp"
run env TMPDIR="$work/tmp" "$ARENITE_BUILD/arenite" compare -n 1 -- sh -c 'true; ls $0 | wc -l' "$work/tmp"
expect_status 0 "TMPDIR"
[ -z "$(ls -A "$work/tmp")" ] || fail "logs are left in TMPDIR"
