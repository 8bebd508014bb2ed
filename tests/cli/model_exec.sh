#!/bin/sh
# `arenite model exec`: static, static-PIE, PIE and fixed programs, and some that are installed, laid
# out by the model and by the kernel, in both layouts, with short, unlimited and no random places.
set -eu
. "$(dirname "$0")/lib.sh"

program='static int zeros[100000]; int main(void) { return zeros[7]; }'
for kind in -static -static-pie -no-pie -pie; do
    echo "$program" | build "program$kind" -O1 -fPIE "$kind" || skip "cannot link with $kind"
done
echo "$program" | build program-libm -O1 -Wl,--no-as-needed -lm || skip "cannot link with -lm"

# equal COMMAND...: both layouts are the same.
equal() {
    run "$@"
    grep -q "is ptrace allowed" "$work/err" && skip "ptrace is refused"
    expect_status 0 "$*"
    expect_line out "[0-9]* mappings, 0 differences" "$*"
}

for kind in -static -static-pie -no-pie -pie -libm; do
    equal "$arenite" model exec "$work/program$kind"
    for layout in -R -L; do
        if setarch "$layout" true 2>/dev/null; then
            equal setarch "$layout" "$arenite" model exec "$work/program$kind"
        fi
    done
    for limit in 100 unlimited; do
        if sh -c "ulimit -s $limit" 2>/dev/null; then
            equal sh -c "ulimit -s $limit; exec \"\$0\" model exec \"\$1\"" "$arenite" \
                "$work/program$kind"
        fi
    done
done
equal "$arenite" model exec "$work/program-pie" "$(printf '%20000s' argument)"
for installed in ls cat sh git perl gdb cmake; do
    if command -v "$installed" >/dev/null; then
        equal "$arenite" model exec "$installed"
    fi
done

run "$arenite" model exec "$work/program-static" --json
expect_status 0 "JSON"
expect_line out '{"model":{.*"name":"\[stack\]"},"real":{.*},"equal":true}' "a row"
expect_line out '{"program":0,.*"differences":0}' "the last row"
run "$arenite" model exec "$work/out"
expect_status 127 "a file that is no program"
run "$arenite" model exec
expect_status 2 "no program"
