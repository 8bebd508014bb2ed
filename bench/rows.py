"""The rows of the bench: what runs, and with which arguments.

A row is a name, a group, a command, for operations in a loop how many there are, and for a point of
a curve which curve and where. The first word of a command is a program of bench/programs/ (built by
run), a script of bench/real/, or one that is installed."""
from collections import namedtuple

Row = namedtuple("Row", "name group command operations curve at", defaults=(None, None, None))

MICRO = [
    # shape, size, operations, live blocks
    ("pair", 8, 30000000, 1), ("pair", 64, 30000000, 1), ("pair", 1024, 20000000, 1),
    ("pair", 2000, 10000000, 1), ("pair", 8192, 10000000, 1), ("pair", 65536, 5000000, 1),
    ("pair", 100000, 5000000, 1), ("pair", 262144, 2000000, 1), ("pair", 1048576, 2000000, 1),
    ("pair", 16777216, 1000000, 1), ("pair", 67108864, 500000, 1),
    ("lifo", 64, 20000000, 512), ("lifo", 4000, 5000000, 512), ("lifo", 8192, 5000000, 512),
    ("lifo", 65536, 500000, 64),
    ("random", 64, 10000000, 100000), ("random", 1024, 4000000, 100000),
    ("random", 2000, 3000000, 100000), ("random", 8192, 2000000, 100000),
    ("random", 65536, 500000, 1000),
    ("calloc", 16, 10000000, 1), ("aligned", 200, 10000000, 1), ("realloc", 16777216, 5000, 1),
]

MICRO_MORE = [
    ("sized delete, 64 B", "sized 64 20000000", 20000000),
    ("thread start and 100 blocks", "short_threads 4000 100", 4000),
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
    ("residue", "programs", "residue 12 40000000"),
]

REAL = [
    ("python3, objects", "env PYTHONMALLOC=malloc {python} {real}/objects.py 12"),
    ("lua, tables", "lua {real}/objects.lua"),
    ("perl, hashes", "perl {real}/words.pl"),
    ("sqlite3, in memory", "sqlite3 :memory: '.read {real}/rows.sql'"),
    ("g++, large headers", "g++ -O1 -c -o /dev/null {real}/containers.cc"),
    ("clang, large headers", "clang++ -O1 -c -o /dev/null {real}/containers.cc"),
    ("ghostscript, pages", "gs -q -dNOPAUSE -dBATCH -dSAFER -sDEVICE=ppmraw -r100"
                           " -sOutputFile=/dev/null {real}/pages.ps"),
    ("z3, puzzles", "z3 {real}/puzzle.smt2"),
    ("git, repack", "git -C {data}/repository repack -adfq --window=30 --threads=2"),
    ("xz, two threads", "xz -T2 -1 -c {data}/text"),
    ("zstd, two threads", "zstd -q -T2 -5 -c {data}/text"),
    ("redis, under load", "redis"),
    ("PostgreSQL, pgbench", "postgres {data}"),
]

LIVE_STEPS = 2000000
LIVE = [10**power for power in range(3, 8)]
THREADS = [1, 2, 4, 8, 16, 32, 64]
GENERATION_STEPS = 50000  # of a thread of `server`


def size_name(size):
    for unit, shift in (("MiB", 20), ("KiB", 10)):
        if size >= 1 << shift and size % (1 << shift) == 0:
            return f"{size >> shift} {unit}"
    return f"{size} B"


def curve_rows():
    """The same work over more and more live blocks, and by more and more threads."""
    for live in LIVE:
        yield Row(f"live blocks: {live}", "curves", f"mixed 16 64 {live} {LIVE_STEPS}",
                  LIVE_STEPS + live, "live blocks", live)
    for threads in THREADS:
        rounds = 2 * THREADS[-1] // threads
        yield Row(f"threads: {threads}", "curves", f"server {threads} {rounds}",
                  threads * rounds * GENERATION_STEPS, "threads", threads)


def all_rows():
    rows = [Row(f"{shape}, {size_name(size)}", "micro", f"micro {shape} {size} {count} {live}",
                count) for shape, size, count, live in MICRO]
    rows += [Row(name, "micro", command, count) for name, command, count in MICRO_MORE]
    rows += [Row(*row) for row in PROGRAMS]
    rows += [Row(name, "real", command) for name, command in REAL]
    return rows + list(curve_rows())
