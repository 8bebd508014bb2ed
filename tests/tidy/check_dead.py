#!/usr/bin/env python3
"""check_dead - every file of the project is used by another.

    check_dead.py SOURCE_TREE"""
import os
import re

from tidy import includes, main, rule

# Folders whose sources the build finds by itself, and the file that does it.
BUILT_FOLDERS = {
    "src/base/*.c": "cmake/library.cmake", "src/os/*.c": "cmake/library.cmake",
    "src/pages/*.c": "cmake/library.cmake", "src/slab/*.c": "cmake/library.cmake",
    "src/chunk/*.c": "cmake/library.cmake", "src/thread/*.c": "cmake/library.cmake",
    "src/hardened/*.c": "cmake/library.cmake",
    "src/api/*.c": "cmake/library.cmake", "src/model/*.c": "cmake/model.cmake",
    "src/trace/*.c": "cmake/tool.cmake", "src/inspect/*.c": "cmake/tool.cmake",
    "src/cli/*.c": "cmake/tool.cmake", "tests/preload/helpers/*.c": "tests/functions.cmake",
    "tests/unit/test_*.c": "tests/unit.cmake", "tests/on_model/*.c": "tests/on_model.cmake",
    "tests/on_model/linux/*.c": "tests/on_model.cmake",
    "tests/unit/support_*.c": "tests/unit.cmake", "tests/support/*.c": "tests/CMakeLists.txt",
    "tests/preload/*.c": "tests/functions.cmake", "tests/preload/*.cc": "tests/functions.cmake",
    "tests/static/*.c": "tests/functions.cmake", "tests/static/*.cc": "tests/functions.cmake",
    "tests/stress/*.c": "tests/functions.cmake", "tests/fault/*.c": "tests/functions.cmake",
    "tests/misuse/*.c": "tests/evidence.cmake", "tests/misuse/*.cc": "tests/evidence.cmake",
    "tests/attack/*.c": "tests/evidence.cmake", "tests/soak/*.c": "tests/evidence.cmake",
    "tests/fuzz/*.c": "tests/fuzz.cmake",
    "bench/programs/*.c": "bench/measure.py", "bench/programs/*.cc": "bench/measure.py",
}
# Scripts and inputs that are found by folder, not by name.
FOUND_SCRIPTS = re.compile(
    r"tests/(programs|programs/more|cli|fault)/[^/]+\.sh|tests/tidy/check_\w+\.py|"
    r"tests/fuzz/corpus/\w+/[^/]+")
# Files that are read by a tool or a person under their fixed name.
WELL_KNOWN = {"README.md", "LICENSE", "Makefile", "CMakeLists.txt", "CMakePresets.json",
              ".clang-format", ".clang-tidy", ".gitignore", ".ci/run"}


def pattern_of(folder_pattern):
    return re.compile(re.escape(folder_pattern).replace(r"\*", "[^/]+") + "$")


@rule(bad=[{"src/odd/a.c": "int x;\n"}, {"tests/unit/helper.c": "int x;\n"},
           {"extra.c": "int x;\n"},
           {"tests/programs/a.c": "int x;\n", "tests/cli/b.sh": "cc a.c\n"}],
      good={"src/os/a.c": "int x;\n", "tests/preload/a.cc": "int x;\n",
            "tests/programs/a.c": "int x;\n", "tests/programs/a.sh": "cc a.c\n"})
def every_source_is_built(tree):
    """Every .c and .cc lies where the build looks for it, or a script beside it compiles it."""
    patterns = [pattern_of(folder) for folder in BUILT_FOLDERS]
    for path in tree.paths(".c", ".cc"):
        if any(pattern.match(path) for pattern in patterns):
            continue
        folder, name = os.path.split(path)
        compiled = any(os.path.dirname(other) == folder and name in text
                       for other, text in tree.texts.items() if not other.endswith((".c", ".h")))
        if not compiled:
            yield f"{path}: no target is built from it"


@rule(bad=[{"src/os/a.c": "int x;\n", "cmake/library.cmake": "glob(nothing)\n"}],
      good={"src/os/a.c": "int x;\n",
            "cmake/library.cmake": "LAYERS base os\nfile(GLOB x src/${layer}/*.c)\n"})
def the_build_looks_where_we_think(tree):
    """The build file of BUILT_FOLDERS does name the folder of each source."""
    for folder, build_file in BUILT_FOLDERS.items():
        if build_file not in tree.texts or not any(map(pattern_of(folder).match, tree.texts)):
            continue
        name, files = folder.split("/")[-2:]
        text = tree.texts[build_file]
        if not re.search(rf"\b{name}\b", text) or files.split("_")[0].lstrip("*") not in text:
            yield f"{build_file}: does not look into {folder}"


@rule(bad=[{"src/os/a.h": "int x;\n"}, {"include/arenite/a.h": "", "src/os/a.c": ""}],
      good={"src/os/a.h": "", "src/os/a.c": '#include "os/a.h"\n'})
def every_header_is_included(tree):
    """Every header is included by another file; a public one by a source or a test."""
    included = set()
    for path in tree.paths(".c", ".h", ".cc"):
        for _, name, _ in includes(tree, path):
            beside = os.path.normpath(os.path.join(os.path.dirname(path), name))
            if path not in (beside, "src/" + name, "include/" + name):
                included.add(name)
                included.add(beside)
    for path in tree.paths(".h"):
        short = path.split("/", 1)[-1]
        if not {path, short, os.path.basename(path)} & included:
            yield f"{path}: nothing includes it"


@rule(bad=[{"docs/a.md": "x\n", "README.md": "nothing\n"},
           {"docs/a.md": "[me](a.md)\n", "README.md": "nothing\n"}],
      good={"docs/a.md": "x\n", "docs/b/c.md": "[up](../a.md)\n",
            "README.md": "[c](docs/b/c.md)\n"})
def every_page_is_linked(tree):
    """Every page of docs/ is the target of a link of another page."""
    linked = set()
    for path in tree.paths(".md"):
        for target in re.findall(r"\]\(([^)#\s]+)", tree.texts[path]):
            full = os.path.normpath(os.path.join(os.path.dirname(path), target))
            if full != path:
                linked.add(full)
    for path in tree.paths(".md"):
        if path not in WELL_KNOWN and path not in linked:
            yield f"{path}: no other page links to it"


@rule(bad=[{"README.md": "[a](docs/gone.md)\n"}, {"docs/a.md": "[x](../src/os/none.c)\n"}],
      good={"README.md": "[a](docs/a.md) [w](https://a.b/c.md) [h](#top)\n", "docs/a.md": "x\n",
            "docs/b.md": "[s](../docs/)\n"})
def every_link_leads_somewhere(tree):
    """A link to a file of the project leads to one."""
    folders = {os.path.dirname(path) for path in tree.texts}
    folders |= {os.path.dirname(folder) for folder in folders}
    for path in tree.paths(".md"):
        for number, line in tree.lines(path):
            for target in re.findall(r"\]\(([^)#\s]+)", line):
                full = os.path.normpath(os.path.join(os.path.dirname(path), target))
                if "://" not in target and full not in tree.texts and full not in folders:
                    yield f"{path}:{number}: nothing is at {target}"


@rule(bad=[{"docs/a.md": "`tests/cli/gone.sh`\n", "tests/cli/a.sh": ""},
           {"docs/a.md": "as `b.c` shows, and `a.c`\n", "tests/unit/a.c": ""}],
      good={"docs/a.md": "`a.c`, `cli/b.sh`, `tests/unit/a.c`, `x.c.y`, `c.h`\n",
            "tests/unit/a.c": "", "tests/cli/b.sh": "",
            "docs/b.md": "the kernel's `mm/mmap.c`\n"})
def every_source_that_is_named_exists(tree):
    """A page that names a source or a test, by the end of its path, names one that is there."""
    folders = {folder for path in tree.texts for folder in path.split("/")[:-1]}
    for path in tree.paths(".md"):
        for number, line in tree.lines(path):
            for name in re.findall(r"`([\w/]+\.(?:c|cc|sh))`", line):
                is_ours = "/" not in name or name.split("/")[0] in folders
                if is_ours and not any(f"/{other}".endswith(f"/{name}") for other in tree.texts):
                    yield f"{path}:{number}: there is no {name}"


@rule(bad=[{"scripts/lonely": "#!/bin/sh\n", "Makefile": "all:\n"},
           {"bench/a.py": "#!/usr/bin/env python3\n# bench/a.py\n"}],
      good={"scripts/test": "#!/bin/sh\n", "Makefile": "test:\n\tscripts/test\n",
            "tests/cli/a.sh": "#!/bin/sh\n", "tests/programs/lib.sh": "#\n",
            "tests/programs/b.sh": ". lib.sh\n", "tests/tidy/check_a.py": "import tidy\n",
            "tests/tidy/tidy.py": "#\n"})
def every_script_is_used(tree):
    """Every script, data file and cmake file is named by another file, or found by its folder."""
    for path in tree.texts:
        if path.endswith((".c", ".h", ".cc", ".md")) or path in WELL_KNOWN:
            continue
        name = os.path.basename(path)
        if name == "CMakeLists.txt" or (FOUND_SCRIPTS.match(path) and not name.startswith("lib")):
            continue
        stem = name[:-3] if name.endswith(".py") else name
        word = re.compile(rf"(?<![\w-]){re.escape(stem)}(?![\w-])")
        if not any(word.search(text) for other, text in tree.texts.items() if other != path):
            yield f"{path}: nothing names it"


if __name__ == "__main__":
    main()
