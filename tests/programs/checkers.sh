#!/bin/bash
# checkers.sh - tools that bring their own malloc or watch every access: under each of them a
# program runs as plainly, with the library loaded beside the tool or served by it.
. "$(dirname "$0")/lib.sh"
need gcc

cat >program.c <<'END'
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void *work(void *unused) {
    char *kept[50] = {NULL};
    for (size_t i = 0; i < 3000; i++) {
        char **place = &kept[i % 50];
        free(*place);
        *place = i % 3 == 0 ? calloc(1, i * 7) : malloc(i * 40);
        *place = realloc(*place, i * 30 + 1);
        memset(*place, 1, i * 30 + 1);
    }
    for (size_t i = 0; i < 50; i++) free(kept[i]);
    return unused;
}
int main(void) {
    pthread_t threads[3];
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, work, NULL);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    void *aligned = NULL;
    if (posix_memalign(&aligned, 4096, 100000) == 0) free(aligned);
    puts("ran");
    return 0;
}
END

# expect_runs NAME CMD...: it says "ran" and nothing else, and ends well.
runs=0
expect_runs() {
    local name=$1
    shift
    arenite_env timeout 300 "$@" >output 2>&1 </dev/null ||
        fail "$name: status $?: $(head -5 output)"
    [ "$(cat output)" = ran ] || fail "$name: $(head -5 output)"
    echo "$name: as plainly"
    runs=$((runs + 1))
}

gcc -O1 -g -pthread program.c -o plain || fail "the program cannot be built"
expect_runs plainly ./plain

if command -v valgrind >/dev/null; then
    expect_runs memcheck valgrind -q --error-exitcode=9 ./plain
    # Its own malloc in the place of ours.
    expect_runs "memcheck in our place" valgrind -q --error-exitcode=9 --leak-check=full \
        --soname-synonyms=somalloc=libarenite.so ./plain
    expect_runs "no tool" valgrind -q --tool=none ./plain
fi

# sanitized NAME COMPILER OPTIONS...: its malloc is in the program and goes before ours. One that is
# a library must come first in the list.
sanitized() {
    local name=$1
    shift
    command -v "$1" >/dev/null || return 0
    "$@" -O1 -g -pthread program.c -o sanitized 2>/dev/null || return 0
    # Random addresses are too random for ThreadSanitizer of those years.
    expect_runs "$name" setarch -R ./sanitized
}
sanitized "AddressSanitizer, clang" clang -fsanitize=address
sanitized "AddressSanitizer, gcc" gcc -fsanitize=address -static-libasan
sanitized "ThreadSanitizer, clang" clang -fsanitize=thread
sanitized "UndefinedBehaviorSanitizer" gcc -fsanitize=undefined
if gcc -fsanitize=address -O1 -g -pthread program.c -o sanitized 2>/dev/null; then
    library="$(gcc -print-file-name=libasan.so) $library"
    expect_runs "AddressSanitizer as a library" ./sanitized
fi
[ "$runs" -gt 1 ] || skip "neither valgrind nor a sanitizer is installed"
