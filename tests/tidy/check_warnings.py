#!/usr/bin/env python3
"""check_warnings - library and tool compile without a warning, with gcc and with clang.

    check_warnings.py SOURCE_TREE BUILD_TREE

Takes the commands of the build tree as they are, so that what is checked is what is shipped; the
dev, asan and tsan trees compile the debug variant with both compilers, warnings being errors."""
import sys

from commands import finish, read_commands, run, run_all

COMPILERS = {
    # Flow analysis warns only while it optimises, so gcc really compiles.
    "gcc": ["gcc", "-Werror", "-c", "-o", "/dev/null"],
    "clang": ["clang", "-Werror", "-Wno-unknown-warning-option", "-fsyntax-only"],
}
BAD_SAMPLES = [
    "int f(long x); int f(long x) { return x; }\n",             # conversion
    "int f(int x); int f(int x) { int y = x; { int y = 2; x += y; } return x; }\n",  # shadow
    "int f(int x) { return x; }\n",                             # no prototype
]


def self_test(flags):
    for name, compiler in COMPILERS.items():
        for sample in BAD_SAMPLES:
            if run([*compiler, *flags, "-x", "c", "-"], sample)[0] == 0:
                yield f"{name} lets pass: {sample.strip()}"


def main():
    commands = read_commands(sys.argv[1], sys.argv[2], "src")
    complaints = list(self_test(commands[0][1])) if commands else []
    for compiler in COMPILERS.values():
        for status, output in run_all([[*compiler, *flags, source] for source, flags in commands]):
            if status != 0:
                complaints.append(output)
    return finish(complaints, len(commands), "compilations by two compilers")


sys.exit(main())
