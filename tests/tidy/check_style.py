#!/usr/bin/env python3
"""check_style - what of the house style a program can see in one file.

    check_style.py SOURCE_TREE"""
import re

from tidy import functions, layer_of, main, rule, without_comments

LINE_COLUMNS = 100
FUNCTION_LINES = 60
FILE_LINES = 450
TEST_FILE_LINES = 600
SOURCES = (".c", ".h", ".cc", ".def")
NARROW = SOURCES + (".py",)
TEXTS = SOURCES + (".py", ".sh", ".md", ".cmake", ".txt")
# Programs without a suffix.
SCRIPTS = ("scripts/", "bench/", ".ci/", "tests/", "Makefile", "examples/")


def texts_of(tree):
    return [path for path in tree.texts if path.endswith(TEXTS) or path.startswith(SCRIPTS)]


@rule(bad=[{"src/os/a.c": "int x; " + "/" * 100 + "\n"}],
      good={"src/os/a.c": "x" * 100 + "\n", "docs/a.md": "x" * 200 + "\n"})
def lines_fit(tree):
    """Source lines have at most 100 columns."""
    for path in tree.paths(*NARROW):
        for number, line in tree.lines(path):
            if len(line) > LINE_COLUMNS:
                yield f"{path}:{number}: {len(line)} columns, more than {LINE_COLUMNS}"


@rule(bad=[{"src/os/a.c": "\tint x;\n"}, {"scripts/a": "if x; then\n\ty\n"},
           {"docs/a.md": "text \n"}, {"src/os/a.c": "int x;"}],
      good={"src/os/a.c": "    int x;\n", "Makefile": "all:\n\techo\n", "src/os/empty.c": ""})
def whitespace_is_clean(tree):
    """No tabs (but in Makefile), no blanks at the end of a line, a newline at the end of a file."""
    for path in texts_of(tree):
        for number, line in tree.lines(path):
            if "\t" in line and path != "Makefile":
                yield f"{path}:{number}: a tab"
            if line != line.rstrip():
                yield f"{path}:{number}: blanks at the end of the line"
        if tree.texts[path] and not tree.texts[path].endswith("\n"):
            yield f"{path}: no newline at the end"


@rule(bad=[{"src/os/a.c": "int f(void) {\n" + "    x();\n" * 60 + "}\n"},
           {"src/os/a.c": "static int\nf(int a,\n  int b) {\n" + "    x();\n" * 60 + "}\n"}],
      good={"src/os/a.c": "int f(void) {\n" + "    x();\n" * 58 + "}\n\n"
                          "int g(void) {\n    y();\n}\n"})
def functions_fit_on_a_screen(tree):
    """A function has at most 60 lines."""
    for path in tree.paths(*SOURCES):
        for name, first, last in functions(tree, path):
            if last - first + 1 > FUNCTION_LINES:
                yield f"{path}:{first}: {name} has {last - first + 1} lines, more than " \
                      f"{FUNCTION_LINES}"


@rule(bad=[{"src/os/a.c": "int x;\n" * 451}, {"tests/unit/test_a.c": "int x;\n" * 601}],
      good={"src/os/a.c": "int x;\n" * 450})
def files_hold_one_concept(tree):
    """A source file has at most 450 lines; a test, with its model and its cases, 600."""
    for path in tree.paths(*SOURCES):
        lines = tree.texts[path].count("\n")
        limit = TEST_FILE_LINES if path.startswith("tests/") else FILE_LINES
        if lines > limit:
            yield f"{path}: {lines} lines, more than {limit}"


@rule(bad=[{"src/os/a.c": "int x;\n"}, {"src/os/a.c": "/* b.c - x.\n * Layer: os. */\n"},
           {"src/os/a.c": "/* a.c - x. */\n"}, {"src/os/a.c": "/* a.c - x.\n * Layer: pages. */\n"},
           {"include/arenite/a.h": "int x;\n"}, {"tests/unit/test_a.c": "int x;\n"}],
      good={"src/os/a.c": "/* a.c - x.\n * Layer: os (base). */\n",
            "tests/unit/test_a.c": "/* test_a.c - x. */\n",
            "include/arenite/a.h": "/* a.h - x.\n * Layer: include. */\n"})
def files_say_what_they_are(tree):
    """A source file starts with a comment "NAME - what it is"; in src/ and include/ a line of it
    says "Layer: its layer"."""
    for path in tree.paths(*SOURCES):
        top = re.match(r"/\*.*?\*/", tree.texts[path], re.DOTALL)
        name = path.rsplit("/", 1)[-1]
        if not top or not top.group().startswith(f"/* {name} - "):
            yield f'{path}:1: does not start with "/* {name} - what it is"'
            continue
        layer = layer_of(path) or ("include" if path.startswith("include/") else None)
        if layer and not re.search(rf"\* Layer: {layer}\b", top.group()):
            yield f'{path}:1: the comment at the top has no line "Layer: {layer} ..."'


@rule(bad=[{"src/os/a.h": "int x;\n"}, {"src/os/a.h": "#ifndef A_H\n#define A_H\n#endif\n"},
           {"include/arenite/a.h": "#pragma once\n"}],
      good={"src/os/lock.h": "#ifndef ARENITE_OS_LOCK_H\n#define ARENITE_OS_LOCK_H\n#endif\n",
            "include/arenite/slab.h": "#ifndef ARENITE_SLAB_H\n#define ARENITE_SLAB_H\n#endif\n"})
def headers_are_guarded(tree):
    """Guards are ARENITE_FOLDER_FILE_H; public headers leave the folder out."""
    for path in tree.paths(".h"):
        parts = path[:-2].split("/")
        words = {"src": parts[1:], "include": parts[2:]}.get(parts[0], parts)
        guard = "_".join(["ARENITE"] + words + ["H"]).upper()
        code = without_comments(tree.texts[path]).split()
        if code[:2] != ["#ifndef", guard] or code[2:4] != ["#define", guard]:
            yield f"{path}: the include guard is not {guard}"


@rule(bad=[{"src/os/a.c": "/* TO" "DO: more */\n"}, {"docs/a.md": "FIX" "ME\n"},
           {"scripts/a": "# X" "XX\n"}],
      good={"src/os/a.c": "/* mktemp -d dir.XXXXXX */\n"})
def nothing_is_left_for_later(tree):
    """No marker of unfinished work."""
    for path in texts_of(tree):
        for number, line in tree.lines(path):
            if re.search(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b", line):
                yield f"{path}:{number}: unfinished work"


@rule(bad=[{"docs/a.md": "see /ho" "me/someone/arenite\n"}, {"src/os/a.c": '"/wo' 'rk/main"\n'},
           {"scripts/a": "cd /ro" "ot/x\n"}],
      good={"src/os/a.c": '"/proc/self/maps /tmp/x /usr/lib"\n',
            "docs/a.md": "~/framework/made/x\n"})
def no_path_of_one_machine(tree):
    """No path that exists on one machine only."""
    for path in tree.texts:
        for number, line in tree.lines(path):
            if re.search(r"(?<![\w.~/-])/(ho" r"me|wo" r"rk|ro" r"ot)/\w", line):
                yield f"{path}:{number}: a path of one machine"


@rule(bad=[{"src/os/a.c": "void f(void) {\n    // why\n}\n"}, {"src/os/a.c": "// top\nint x;\n"}],
      good={"src/os/a.c": '/* why, see https://a.b */\nchar *x = "https://a.b";\n'})
def comments_are_of_one_kind(tree):
    """Comments of C sources are /* sentences */."""
    for path in tree.paths(".c", ".h"):
        text = re.sub(r"/\*.*?\*/", lambda match: re.sub(r"[^\n]", " ", match.group()),
                      tree.texts[path], flags=re.DOTALL)
        text = re.sub(r'"(?:\\.|[^"\\\n])*"', '""', text)
        for number, line in enumerate(text.splitlines(), 1):
            if "//" in line:
                yield f"{path}:{number}: a // comment"


if __name__ == "__main__":
    main()
