"""The allocators that a program is run under, for tables with a column for each."""
import collections
import glob
import os
import sys

Column = collections.namedtuple("Column", "name library options")


def column_of(text):
    """NAME[=LIBRARY[,ARENITE_OPTIONS]]"""
    name, _, rest = text.partition("=")
    library, _, options = rest.partition(",")
    if library and not os.path.exists(library):
        sys.exit(f"there is no {library}")
    return Column(name, os.path.abspath(library) if library else "", options)


def peers():
    """libc's own, and others where Debian's packages put them."""
    names = {"jemalloc": "libjemalloc.so.2", "tcmalloc": "libtcmalloc_minimal.so.4",
             "mimalloc": "libmimalloc.so.2"}
    columns = [Column("glibc", "", "")]
    for name, file in names.items():
        columns += [Column(name, path, "") for path in glob.glob(f"/usr/lib/*-linux-gnu/{file}")]
    return columns


def environment_of(column):
    environment = {key: value for key, value in os.environ.items()
                   if key not in ("LD_PRELOAD", "ARENITE_OPTIONS")}
    if column.library:
        environment["LD_PRELOAD"] = column.library
    if column.options:
        environment["ARENITE_OPTIONS"] = column.options
    return environment


def print_table(heads, rows):
    """In the syntax of Markdown."""
    print("| " + " | ".join(heads) + " |")
    print("|---" * len(heads) + "|")
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")
