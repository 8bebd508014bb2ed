#!/usr/bin/env python3
"""check_layers - who may include whom, and who may talk to a kernel or to libc.

    check_layers.py SOURCE_TREE"""
import re

from tidy import includes, layer_of, main, rule, without_comments

# Bottom to top. "include" is include/arenite, the public headers. A layer always includes itself.
BELOW_SLAB = ["base", "os", "pages"]
LIBRARY = BELOW_SLAB + ["slab", "chunk", "thread", "hardened", "api"]
MAY_INCLUDE = {
    "base": [],
    "os": ["base"],
    "pages": ["base", "os"],
    "slab": BELOW_SLAB,
    "chunk": BELOW_SLAB,
    "thread": BELOW_SLAB + ["slab", "chunk"],
    "hardened": BELOW_SLAB + ["slab", "thread"],
    "api": LIBRARY + ["include"],
    "model": ["base", "os/os.h", "pages/buddy.h"],
    "trace": ["include", "model"],
    "inspect": ["include"],
    "cli": ["include", "model", "trace", "inspect"],
    "include": [],
}

# libc headers that any layer of the library may use: language and pure functions only.
PURE_HEADERS = {"errno.h", "limits.h", "stdalign.h", "stdarg.h", "stdbool.h", "stddef.h",
                "stdint.h", "string.h"}
# And the exceptions, each with its reason. src/os needs none: talking to a kernel is its task.
HEADER_EXCEPTIONS = {
    ("src/thread/thread.c", "pthread.h"): "the key whose destructor detaches a thread at its end",
    ("src/api/start.c", "pthread.h"): "pthread_atfork, once, at start-up",
    ("src/api/announce.c", "dlfcn.h"): "asks whether malloc resolves to us; does not allocate",
    ("src/api/announce.c", "sys/stat.h"): "whether an inherited descriptor is still the tool's",
    ("src/api/announce.c", "unistd.h"): "closes that descriptor",
    ("src/api/foreign.c", "dlfcn.h"): "names the module that passed us a foreign pointer",
    ("src/api/operators.c", "dlfcn.h"): "finds the C++ library's throw when operator new fails",
    ("src/api/cxx.c", "dlfcn.h"): "finds the C++ library's throw when operator new fails",
    ("src/api/foreign.c", "malloc.h"): "asks libc whether its own heap was ever used",
    ("src/api/", "stdlib.h"): "declares the functions that are defined there",
    ("src/api/", "malloc.h"): "declares the functions that are defined there",
    ("src/api/", "stdio.h"): "malloc_info writes to the caller's FILE",
}

# Functions of libc that may allocate, take a lock of a stream or a locale, read the environment
# or talk to a kernel behind the back of os.h.
FORBIDDEN_CALLS = {
    "printf", "fprintf", "sprintf", "snprintf", "vprintf", "vfprintf", "vsprintf", "vsnprintf",
    "dprintf", "vdprintf", "asprintf", "vasprintf", "puts", "fputs", "fputc", "putchar", "perror",
    "fopen", "fdopen", "fclose", "fread", "fgets", "getline", "getdelim", "fflush", "opendir",
    "readdir", "open", "openat", "read", "write", "close", "mmap", "munmap", "mprotect", "madvise",
    "mremap", "brk", "sbrk", "syscall", "sysconf", "getpagesize", "getpid", "gettid",
    "clock_gettime", "gettimeofday", "time", "getrandom", "rand", "random", "sched_getaffinity",
    "sched_yield", "getenv", "secure_getenv", "setenv", "putenv", "strdup", "strndup", "strerror",
    "strsignal", "strtok", "setlocale", "exit", "atexit", "qsort", "bsearch", "abort", "raise",
    "kill", "signal", "sigaction", "dlopen", "dl_iterate_phdr", "backtrace", "scandir", "realpath",
    "pthread_create", "pthread_mutex_lock", "pthread_mutex_init", "pthread_once", "assert",
}
ALLOCATING_CALLS = {"malloc", "calloc", "realloc", "free", "memalign", "aligned_alloc", "valloc",
                    "posix_memalign", "reallocarray"}
CALL_EXCEPTIONS = {
    ("src/os/", None): "this layer is the kernel's other side",
    ("src/api/announce.c", "close"): "the descriptor that the tool let us inherit",
    ("src/api/operators.c", "dlopen"): "RTLD_NOLOAD, only after an allocation failed",
    ("src/api/cxx.c", "dlopen"): "RTLD_NOLOAD, only after an allocation failed",
    ("src/api/", "fputs"): "malloc_info writes to the caller's FILE",
}
# Public names beside arenite_*: functions of C and old libcs that libc's headers do not declare.
STANDARD_NAMES = {"free_sized", "free_aligned_sized", "cfree"}
CALL = re.compile(r"(?<![\w.>])(\w+)\s*\(")


def is_excepted(exceptions, path, name):
    """Whether the table has a row for this file, or for a folder that it lies in."""
    return any(path.startswith(place) and what in (name, None) for place, what in exceptions)


def allowed_by_row(row, name):
    return any(name == entry or name.startswith(entry + "/") for entry in row)


def owner_of(name):
    """The layer an include names: its folder, "include" for public headers, None for libc's."""
    folder = name.split("/")[0]
    if folder == "arenite":
        return "include"
    return folder if folder in MAY_INCLUDE else None


@rule(bad=[{"src/base/a.h": '#include "os/os.h"\n'},
           {"src/pages/a.c": '#include "chunk/chunk.h"\n'},
           {"src/cli/a.c": '#include "chunk/chunk.h"\n'},
           {"src/model/a.c": '#include "pages/page_map.h"\n'},
           {"src/chunk/a.c": '#include <arenite/arenite.h>\n'},
           {"include/arenite/a.h": '#include "base/bits.h"\n'},
           {"src/new/a.c": "int x;\n"}],
      good={"src/chunk/a.c": '#include "pages/meta.h"\n#include "chunk/chunk.h"\n',
            "src/model/a.c": '#include "pages/buddy.h"\n#include "os/os.h"\n',
            "src/api/a.c": '#include "arenite/arenite.h"\n#include "thread/thread.h"\n'})
def layers_include_downwards(tree):
    """A layer includes itself and what its row of MAY_INCLUDE lists, and every folder has a row."""
    for path in tree.paths(".c", ".h", under="src/") + tree.paths(".h", under="include/"):
        layer = layer_of(path) if path.startswith("src/") else "include"
        if layer not in MAY_INCLUDE:
            yield f"{path}:1: no layer of the table (a file lies in src/LAYER/)"
            continue
        for number, name, _ in includes(tree, path):
            target = owner_of(name)
            if target and target != layer and not allowed_by_row(
                    MAY_INCLUDE[layer], name if target != "include" else "include"):
                yield f"{path}:{number}: {layer} may not include {name}"


@rule(bad=[{"src/os/a.c": '#include "lock.h"\n'}, {"src/os/a.c": '#include "../base/bits.h"\n'},
           {"src/os/a.c": "#include <base/bits.h>\n"}],
      good={"src/os/a.c": '#include "os/lock.h"\n#include <errno.h>\n'})
def own_headers_by_full_name(tree):
    """Headers of ours are included as "layer/file.h", so that a line shows the layer it needs."""
    for path in tree.paths(".c", ".h", under="src/"):
        for number, name, quoted in includes(tree, path):
            target = owner_of(name)
            if quoted and target is None:
                yield f'{path}:{number}: write "layer/file.h", not "{name}"'
            if not quoted and target not in (None, "include"):
                yield f'{path}:{number}: write "{name}" in quotes'


@rule(bad=[{"src/chunk/a.c": "#include <sys/mman.h>\n"}, {"src/pages/a.c": "#include <unistd.h>\n"},
           {"src/base/a.c": "#include <pthread.h>\n"}],
      good={"src/os/a.c": "#include <sys/mman.h>\n", "src/chunk/a.c": "#include <string.h>\n",
            "src/cli/a.c": "#include <unistd.h>\n"})
def only_os_meets_the_kernel(tree):
    """In the library, only src/os includes headers beyond PURE_HEADERS; exceptions are listed."""
    for path in tree.paths(".c", ".h", under="src/"):
        layer = layer_of(path)
        if layer not in LIBRARY or layer == "os":
            continue
        for number, name, _ in includes(tree, path):
            known = owner_of(name) or name in PURE_HEADERS
            if not known and not is_excepted(HEADER_EXCEPTIONS, path, name):
                yield f"{path}:{number}: {layer} may not include <{name}>"


@rule(bad=[{"src/chunk/a.c": "void f(void) {\n    printf(0);\n}\n"},
           {"src/thread/a.c": "void f(void) {\n    free(0);\n}\n"},
           {"src/api/a.c": "void f(void) {\n    x = getenv(y);\n}\n"}],
      good={"src/os/a.c": "void f(void) {\n    write(2);\n}\n",
            "src/api/a.c": "void *malloc(size_t n) {\n    return g(n);\n}\n",
            "src/chunk/a.c": "/* printf(x) */\nvoid f(void) {\n    a->free(); os_write(2);\n}\n"})
def library_calls_nothing_that_allocates(tree):
    """No layer of the library above os calls a function of FORBIDDEN_CALLS, and only src/api, where
    they are defined, names the allocating ones."""
    for path in tree.paths(".c", ".h", under="src/"):
        layer = layer_of(path)
        if layer not in LIBRARY:
            continue
        forbidden = FORBIDDEN_CALLS | (set() if layer == "api" else ALLOCATING_CALLS)
        for number, line in tree.code_lines(path):
            for name in CALL.findall(line):
                if name in forbidden and not is_excepted(CALL_EXCEPTIONS, path, name):
                    yield f"{path}:{number}: the library may not call {name}"


@rule(bad=[{"src/model/a.c": "void f(void) {\n    p = malloc(3);\n}\n"},
           {"src/model/a.c": "#include <sys/mman.h>\n"}],
      good={"src/model/host.c": "#include <sys/mman.h>\n",
            "src/model/a.c": "void f(void) {\n    p = object_take(s);\n}\n"})
def model_lives_in_its_own_memory(tree):
    """The model may stand under an allocator: it allocates nothing from one, and only its files
    host* and os_model* ask the real kernel for anything."""
    for path in tree.paths(".c", ".h", under="src/model/"):
        for number, line in tree.code_lines(path):
            for name in CALL.findall(line):
                if name in ALLOCATING_CALLS:
                    yield f"{path}:{number}: the model may not call {name}"
        if path.startswith(("src/model/host", "src/model/os_model")):
            continue
        for number, name, _ in includes(tree, path):
            if name.startswith(("sys/", "linux/")) or name == "unistd.h":
                yield f"{path}:{number}: the model may not include <{name}>"


@rule(bad=[{"src/chunk/a.c": "void f(void) {\n    errno = 1;\n}\n"}],
      good={"src/api/a.c": "void f(void) {\n    errno = ENOMEM;\n}\n",
            "src/os/a.c": "void f(void) {\n    int saved = errno;\n    errno = saved;\n}\n",
            "src/chunk/a.c": "int f(void) {\n    return -ENOMEM;\n}\n"})
def errno_is_set_in_api_only(tree):
    """Below api, failures are NULL or a negative errno; os keeps libc's errno as it was."""
    for path in tree.paths(".c", ".h", under="src/"):
        if layer_of(path) not in LIBRARY or layer_of(path) in ("api", "os"):
            continue
        for number, line in tree.code_lines(path):
            if re.search(r"\berrno\s*=[^=]", line):
                yield f"{path}:{number}: errno is set in src/api only"


@rule(bad=[{"src/os/a.c": '#include "os/b.c"\n'}, {"tests/unit/a.c": '#include "x.c"\n'}],
      good={"src/os/a.c": '#include "os/b.h"\n'})
def no_source_includes_a_source(tree):
    """A .c file is a translation unit; what several share is a header."""
    for path in tree.paths(".c", ".h", ".cc"):
        for number, name, _ in includes(tree, path):
            if name.endswith((".c", ".cc")):
                yield f"{path}:{number}: includes the source file {name}"


@rule(bad=[{"include/arenite/a.h": "int arenite_trim(void);\n"},
           {"include/arenite/a.h": "/* It. */\nint arenite_a(void);\nint x;\n\n"
                                   "int arenite_b(int);\n"},
           {"include/arenite/a.h": "/* It. */\nint chunk_size(void);\n"}],
      good={"include/arenite/a.h": "/* Trims. */\nint arenite_trim(void);\n"
                                   "/* Old. */\n\nvoid cfree(void *p);\n"
                                   "/* Both\n * of them. */\nvoid *arenite_x(int a,\n     int b);\n"
                                   "void *arenite_y(void);\n"})
def public_functions_are_documented(tree):
    """Every function of a public header has a comment above it or above the declarations it stands
    among, and its name starts with arenite_."""
    for path in tree.paths(".h", under="include/"):
        lines = tree.texts[path].splitlines()
        code = without_comments(tree.texts[path]).splitlines()
        documented = above_is_comment = False
        for number, (line, bare) in enumerate(zip(lines, code), 1):
            comment = bool(line.strip()) and not bare.strip()
            match = re.match(r"[A-Za-z_][\w\s\*]*?\b(\w+)\s*\(", bare)
            is_function = match and not bare.startswith(("#", "_Static_assert", "extern \"C\"",
                                                         "typedef", "static"))
            if is_function and not documented:
                yield f"{path}:{number}: {match.group(1)} has no comment"
            if is_function and not (match.group(1).startswith("arenite_")
                                    or match.group(1) in STANDARD_NAMES):
                yield f"{path}:{number}: {match.group(1)} does not start with arenite_"
            # A comment reaches over one blank line, and over declarations without any between.
            goes_on = bool(is_function) or bare.startswith(" ") or (above_is_comment and not line)
            documented = comment or (documented and goes_on)
            above_is_comment = comment


if __name__ == "__main__":
    main()
