#!/usr/bin/env python3
"""check_clang_tidy - the checks of .clang-tidy hold for library and tool.

    check_clang_tidy.py SOURCE_TREE BUILD_TREE"""
import os
import sys
import tempfile

from commands import finish, read_commands, run, run_all

BAD_SAMPLE = "int f(int x);\nint f(int x) {\n    if (x == x) return 1;\n    return 2;\n}\n"


def command(root, source, flags):
    # gcc's own warning flags mean nothing to clang, and warnings are another check's task.
    plain = [flag for flag in flags if not flag.startswith("-W")]
    return ["clang-tidy", "--quiet", "--warnings-as-errors=*",
            f"--config-file={os.path.join(root, '.clang-tidy')}", source, "--", *plain]


def is_about_us(output, root):
    """Whether something is said about a file of ours: libc's declarations of the functions that we
    define name their parameters in a style of their own."""
    return any(line.startswith(os.path.abspath(root)) and ": error: " in line
               for line in output.splitlines())


def self_test(root):
    with tempfile.NamedTemporaryFile("w", suffix=".c") as sample:
        sample.write(BAD_SAMPLE)
        sample.flush()
        output = run(command(root, sample.name, []))[1]
    for check in ("misc-redundant-expression", "readability-braces-around-statements"):
        if check not in output:
            yield f"{check} does not fire on its sample"


def main():
    root = sys.argv[1]
    # One flavour of each source is enough.
    sources = dict(read_commands(root, sys.argv[2], "src"))
    complaints = list(self_test(root))
    for status, output in run_all([command(root, *item) for item in sources.items()]):
        failed_otherwise = status != 0 and ": error: " not in output
        if failed_otherwise or is_about_us(output, root):
            complaints.append(output)
    return finish(complaints, len(sources), "sources")


sys.exit(main())
