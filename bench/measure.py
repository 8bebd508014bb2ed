"""Runs a row's program under each allocator and takes its figures."""
import os
import shlex
import shutil
import statistics
import subprocess
import sys

from prepare import prepare

BENCH = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(BENCH)
BUILT = os.path.join(ROOT, "build", "bench")
DATA = os.path.join(BUILT, "data")
REAL = os.path.join(BENCH, "real")
LIBRARIES = "/usr/lib/x86_64-linux-gnu/"

OURS = "arenite"
FLOOR = "floor"
# A floor that never frees needs all memory that a program ever asks for: not beyond this.
FLOOR_MAX_BYTES = 2 << 30


def known_libraries():
    """Allocators by name; glibc's own has an empty path."""
    found = {"glibc": ""}
    for name, file in (("jemalloc", "libjemalloc.so.2"), ("tcmalloc", "libtcmalloc_minimal.so.4"),
                       ("mimalloc", "libmimalloc.so.2")):
        if os.path.exists(LIBRARIES + file):
            found[name] = LIBRARIES + file
    found[OURS] = os.path.join(ROOT, "build", "libarenite.so")
    return found


def compile_newer(source, target, *flags):
    """Compiles what is older than its source or the common header. Returns the target."""
    os.makedirs(BUILT, exist_ok=True)
    header = os.path.join(BENCH, "programs", "bench.h")
    newest = max(os.path.getmtime(source), os.path.getmtime(header))
    if not os.path.exists(target) or os.path.getmtime(target) <= newest:
        compiler = ["g++"] if source.endswith(".cc") else ["gcc", "-std=gnu11"]
        subprocess.run([*compiler, "-O2", *flags, source, "-o", target], check=True)
    return target


def built_program(name):
    """A program of bench/programs/, compiled where that is due."""
    for suffix in (".c", ".cc"):
        source = os.path.join(BENCH, "programs", name + suffix)
        if os.path.exists(source):
            return compile_newer(source, os.path.join(BUILT, name), "-pthread")
    raise FileNotFoundError(name)


def launcher():
    return compile_newer(os.path.join(BENCH, "launch.c"), os.path.join(BUILT, "launch"))


def floor_library():
    return compile_newer(os.path.join(BENCH, "floor.c"), os.path.join(BUILT, "floor.so"),
                         "-shared", "-fPIC", "-fno-builtin")


def server_is_missing(program):
    """Scripts of bench/real/ begin with a program that is not in their names."""
    if program == "redis":
        return not (shutil.which("redis-server") and shutil.which("redis-benchmark"))
    return not (shutil.which("pgbench") and os.path.isdir("/usr/lib/postgresql"))


def command_of(row):
    """The row's command as a list, or None where its program is not installed."""
    python = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else "python3"
    words = shlex.split(row.command.format(real=REAL, data=DATA, python=python))
    if row.group != "real":
        return [built_program(words[0]), *words[1:]]
    program = words[2] if words[0] == "env" else words[0]
    if os.sep not in program and os.path.exists(os.path.join(REAL, program)):
        words[0] = os.path.join(REAL, program)
        return None if server_is_missing(program) else words
    if shutil.which(program) is None:
        return None
    if "{data}" in row.command:
        prepare(DATA)
    return words


def run_once(command, library, limit_bytes):
    """Seconds, CPU seconds, peak RSS in KiB and minor faults of one run; None when it failed."""
    done = subprocess.run([launcher(), library, str(limit_bytes), *command],
                          stdout=subprocess.PIPE, text=True, check=False)
    words = done.stdout.split()
    if done.returncode != 0 or words[0] != "0":
        return None
    return {"seconds": float(words[1]), "cpu_seconds": float(words[2]), "rss_kib": int(words[3]),
            "minor_faults": int(words[4])}


def measure(row, command, libraries, rounds):
    """Medians by library; every library runs once before any runs again."""
    runs = {name: [] for name in libraries}
    for _ in range(rounds):
        for name, path in libraries.items():
            if runs[name] is None:
                continue
            result = run_once(command, path, FLOOR_MAX_BYTES if name == FLOOR else 0)
            if result is None:
                runs[name] = None
                if name != FLOOR:
                    print(f"{row.name}: failed under {name}", file=sys.stderr)
            else:
                runs[name].append(result)
    return {name: {key: statistics.median(run[key] for run in done) for key in done[0]}
            for name, done in runs.items() if done}
