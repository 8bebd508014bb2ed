#!/usr/bin/env python3
"""check_symbols - what the built libraries export, import and weigh, and their order.

    check_symbols.py SOURCE_TREE BUILD_TREE

exports.txt and imports.txt beside this file are the lists; a new name is entered there, with a
reason where it is an import."""
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
BSS_MAX_BYTES = 1 << 20
# Static TLS is scarce for libraries that are loaded late: a pointer and a few words.
TLS_MAX_BYTES = 128
# The part of the functions in cmake/order.txt that the library may not have.
ORDER_MAX_GONE = 0.25
# What only the static library defines, so that libc's own malloc.o stays out of the program.
STATIC_ONLY = re.compile(r"__libc_\w+|__posix_memalign")


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def read_list(name):
    """The names of a list: first word of each line, comments after #."""
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return {line.split()[0] for line in file if line.strip() and not line.startswith("#")}


def symbols(path, *options):
    """{name: letter of nm} without versions."""
    found = {}
    for line in output_of("nm", *options, path).splitlines():
        words = line.split()
        if len(words) >= 2 and len(words[-2]) == 1:
            found[words[-1].split("@")[0]] = words[-2]
    return found


def complain_exports(exported, listed):
    for name in sorted(exported - listed):
        yield f"exports {name}, which exports.txt does not list"
    for name in sorted(listed - exported):
        yield f"does not export {name}"


def complain_imports(imported, listed):
    for name in sorted(imported - listed):
        yield f"imports {name}, which imports.txt does not list"


def complain_prefixed(defined, prefix="arenite_"):
    for name in sorted(defined):
        if not name.startswith(prefix):
            yield f"defines {name} without the prefix"


def complain_dynamic(text):
    """The dynamic section, as readelf -d prints it."""
    needed = re.findall(r"\(NEEDED\).*\[(.*)\]", text)
    for name in needed:
        if not re.match(r"libc\.so|ld-linux", name):
            yield f"needs {name}: the library links libc only"
    # STATIC_TLS: of the initial-exec kind, which needs no call into the loader.
    for flag in ("NODELETE", "NOW", "STATIC_TLS", "[libarenite.so]"):
        if flag not in text:
            yield f"has no {flag} in its dynamic section"
    for flag in ("TEXTREL", "SYMBOLIC"):
        if re.search(rf"\b{flag}\b", text):
            yield f"has {flag}"


def complain_sizes(bss_bytes, tls_bytes):
    if bss_bytes > BSS_MAX_BYTES:
        yield f".bss has {bss_bytes} bytes, more than {BSS_MAX_BYTES}"
    if tls_bytes > TLS_MAX_BYTES:
        yield f"thread-local storage has {tls_bytes} bytes, more than {TLS_MAX_BYTES}"


def complain_order(named, defined):
    """Functions change their names and go; other compilers inline others."""
    gone = named - defined
    if len(gone) > len(named) * ORDER_MAX_GONE:
        yield f"has {len(gone)} of {len(named)} functions of cmake/order.txt no more: " \
              "run scripts/order"


def read_order(source):
    """The functions of order.txt, whose lines are names of sections."""
    with open(os.path.join(source, "cmake", "order.txt"), encoding="utf-8") as file:
        return set(re.findall(r"^\.text\.(?:unlikely\.|startup\.|exit\.)?(\S+)", file.read(),
                              re.MULTILINE))


def section_bytes(path, *names):
    sections = re.findall(r"^(\.\S+)\s+(\d+)", output_of("size", "-A", path), re.MULTILINE)
    return sum(int(size) for name, size in sections if name in names)


def check_shared(path, source):
    yield from complain_order(read_order(source), set(symbols(path, "--defined-only")))
    yield from complain_exports(set(symbols(path, "-D", "--defined-only")),
                                read_list("exports.txt"))
    yield from complain_imports(set(symbols(path, "-D", "--undefined-only")),
                                read_list("imports.txt"))
    yield from complain_dynamic(output_of("readelf", "-dW", path))
    yield from complain_sizes(section_bytes(path, ".bss"), section_bytes(path, ".tbss", ".tdata"))


def check_static(path):
    defined = set(symbols(path, "-g", "--defined-only"))
    named = {name for name in defined if not STATIC_ONLY.fullmatch(name)}
    # A program that is linked with the archive has the C++ library's operators new, which call
    # malloc and bring in what throws.
    listed = {name for name in read_list("exports.txt") if not name.startswith("_Zn")}
    yield from complain_exports(named, listed)
    if len(output_of("ar", "t", path).split()) != 1:
        yield "has more than one member"


def self_test():
    """Each complaint on a sample that deserves it, and on one that does not."""
    dynamic = ("(NEEDED) [libc.so.6]\n(SONAME) [libarenite.so]\n"
               "(FLAGS) STATIC_TLS\n(FLAGS_1) NOW NODELETE\n")
    cases = [
        (complain_exports, ({"a", "b"}, {"a"}), ({"a"}, {"a"})),
        (complain_exports, ({"a"}, {"a", "b"}), (set(), set())),
        (complain_imports, ({"printf"}, {"memcpy"}), ({"memcpy"}, {"memcpy", "x"})),
        (complain_prefixed, ({"malloc"},), ({"arenite_malloc"},)),
        (complain_dynamic, (dynamic + "(NEEDED) [libm.so.6]\n",), (dynamic,)),
        (complain_dynamic, (dynamic.replace("NODELETE", ""),), (dynamic,)),
        (complain_dynamic, (dynamic.replace("STATIC_TLS", ""),), (dynamic,)),
        (complain_dynamic, (dynamic + "(SYMBOLIC)\n",), (dynamic,)),
        (complain_order, ({"a", "b", "c"}, {"a", "b"}), ({"a", "b", "c", "d"}, {"a", "b", "c"})),
        (complain_sizes, (BSS_MAX_BYTES + 1, 8), (BSS_MAX_BYTES, 8)),
        (complain_sizes, (0, TLS_MAX_BYTES + 1), (0, 8)),
    ]
    for check, bad, good in cases:
        if not list(check(*bad)):
            yield f"{check.__name__}: the bad sample passes"
        if list(check(*good)):
            yield f"{check.__name__}: the good sample fails"


def main():
    source, build = sys.argv[1:3]
    complaints = [f"self-test: {text}" for text in self_test()]
    shared, static, prefixed = (os.path.join(build, name) for name in (
        "libarenite.so", "libarenite.a", "libarenite-prefixed.a"))
    complaints += [f"libarenite.so {text}" for text in check_shared(
        shared, source)]
    complaints += [f"libarenite.a {text}" for text in check_static(static)]
    complaints += [f"libarenite-prefixed.a {text}" for text in complain_prefixed(
        set(symbols(prefixed, "-g", "--defined-only")))]
    print("\n".join(complaints))
    print(f"3 libraries, {len(complaints)} complaints")
    return 1 if complaints else 0


sys.exit(main())
