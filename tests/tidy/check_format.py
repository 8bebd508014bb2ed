#!/usr/bin/env python3
"""check_format - every C and C++ source is what clang-format makes of it (`make format`).

    check_format.py SOURCE_TREE"""
import os
import sys

from commands import finish, run
from tidy import Tree


def is_formatted(path, text, root):
    style = f"--style=file:{os.path.join(root, '.clang-format')}"
    status, formatted = run(["clang-format", style, f"--assume-filename={path}"], text)
    return status == 0 and formatted == text


def main():
    root = sys.argv[1]
    complaints = []
    if is_formatted("a.c", "int f( void ) { return 1; }\n", root):
        complaints.append("the badly formatted sample passes")
    if not is_formatted("a.c", "int f(void) {\n    return 1;\n}\n", root):
        complaints.append("the well formatted sample does not pass")
    tree = Tree.read(root)
    paths = tree.paths(".c", ".h", ".cc")
    complaints += [f"{path}: `make format` would change it" for path in paths
                   if not is_formatted(path, tree.texts[path], root)]
    return finish(complaints, len(paths), "sources")


sys.exit(main())
