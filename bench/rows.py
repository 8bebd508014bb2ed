"""The rows of the bench: what runs, and with which arguments.

A row is a name, a group, a command, and for operations in a loop how many there are. The first word
of a command is a program of bench/programs/ (built by run) or one that is installed."""
from collections import namedtuple

Row = namedtuple("Row", "name group command operations")

MICRO = [
    # shape, size, operations, live blocks
    ("pair", 64, 30000000, 1), ("pair", 1024, 20000000, 1), ("pair", 2000, 10000000, 1),
    ("pair", 8192, 10000000, 1), ("pair", 65536, 5000000, 1), ("pair", 100000, 5000000, 1),
    ("pair", 262144, 2000000, 1), ("pair", 1048576, 2000000, 1), ("pair", 16777216, 1000000, 1),
    ("lifo", 64, 20000000, 512), ("lifo", 4000, 5000000, 512), ("lifo", 8192, 5000000, 512),
    ("random", 64, 10000000, 100000), ("random", 1024, 4000000, 100000),
    ("random", 2000, 3000000, 100000), ("random", 8192, 2000000, 100000),
    ("calloc", 16, 10000000, 1), ("aligned", 200, 10000000, 1), ("realloc", 16777216, 5000, 1),
]

PROGRAMS = [
    ("server, 1 thread", "threads", "server 1 40"),
    ("server, 2 threads", "threads", "server 2 40"),
    ("server, 4 threads", "threads", "server 4 40"),
    ("server, 8 threads", "threads", "server 8 20"),
    ("server, 4 threads, to 4000 B", "threads", "server 4 30 16 4000"),
    ("one to one, 64 B", "threads", "queue 1 1 4000000 64 64"),
    ("one to one, 16-1024 B", "threads", "queue 1 1 3000000 16 1024"),
    ("one to one, 16 KiB", "threads", "queue 1 1 600000 16384 16384"),
    ("one to three, 16-1024 B", "threads", "queue 1 3 2000000 16 1024"),
    ("three to one, 16-1024 B", "threads", "queue 3 1 2000000 16 1024"),
    ("exchange, 4 threads, to 2000 B", "threads", "exchange 4 800000 16 2000"),
    ("exchange, 4 threads, 1-32 KiB", "threads", "exchange 4 300000 1024 32768"),
    ("short threads", "threads", "short_threads 8000 100"),
    ("mixed, 4 threads, to 32 KiB", "threads", "mixed 16 32768 2000 400000 4"),
    ("trees", "programs", "trees 100000 1500000"),
    ("hash maps", "programs", "maps 8"),
    ("vectors", "programs", "vectors 60"),
    ("strings", "programs", "strings 1200000"),
    ("mixed, to 1 KiB", "programs", "mixed 16 1024 100000 4000000"),
    ("mixed, 1-32 KiB", "programs", "mixed 1024 32768 10000 1500000"),
    ("mixed, 16 B to 1 MiB", "programs", "mixed 16 1048576 1000 1500000"),
    ("buffers, six pages", "programs", "buffers 40000 67108864 6"),
    ("buffers, touched", "programs", "buffers 4000 4194304 1024"),
    ("phases", "programs", "phases 24 30000000"),
    ("fragments", "programs", "fragments 20000000 3000000"),
]

REAL = [
    ("python3, objects", "env PYTHONMALLOC=malloc {python} {bench}/python_objects.py 12"),
    ("lua, tables", "lua {bench}/inputs/objects.lua"),
    ("perl, hashes", "perl {bench}/inputs/words.pl"),
    ("sqlite3, in memory", "sqlite3 :memory: '.read {bench}/inputs/rows.sql'"),
    ("g++, large headers", "g++ -O1 -c -o /dev/null {bench}/inputs/containers.cc"),
]


def size_name(size):
    for unit, shift in (("MiB", 20), ("KiB", 10)):
        if size >= 1 << shift and size % (1 << shift) == 0:
            return f"{size >> shift} {unit}"
    return f"{size} B"


def all_rows():
    rows = [Row(f"{shape}, {size_name(size)}", "micro", f"micro {shape} {size} {count} {live}",
                count) for shape, size, count, live in MICRO]
    rows += [Row(*row, None) for row in PROGRAMS]
    return rows + [Row(name, "real", command, None) for name, command in REAL]
