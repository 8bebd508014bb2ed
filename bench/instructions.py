"""Instructions that a pair of malloc and free takes, by callgrind: the same on every machine, busy
or not."""
import os
import re
import shutil
import subprocess

from measure import FLOOR, built_program
from rows import size_name

SIZES = [8, 64, 1024, 2000, 8192, 65536, 262144, 1048576]
FEW, MANY = 20000, 120000


def count(library, shape, size, pairs):
    """Instructions of a whole run, None when it did not end well."""
    done = subprocess.run(["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
                           built_program("micro"), shape, str(size), str(pairs)],
                          env={**os.environ, "LD_PRELOAD": library}, capture_output=True,
                          text=True, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    return int(found.group(1)) if found and done.returncode == 0 else None


def slope(library, shape, size):
    """Per turn of the loop: start and end of the process fall out."""
    few, many = (count(library, shape, size, pairs) for pairs in (FEW, MANY))
    return None if few is None or many is None else (many - few) / (MANY - FEW)


def per_pair(library, size):
    """Without the loop itself, with the calls."""
    with_pair, alone = slope(library, "pair", size), slope(library, "loop", size)
    return None if with_pair is None or alone is None else with_pair - alone


def table(libraries, say):
    """Says a row for each size, with a cell for each allocator. Returns the figures."""
    if not shutil.which("valgrind"):
        say("\ninstructions a pair: valgrind is not installed")
        return {}
    names = [name for name in libraries if name != FLOOR]
    say(f"\n| instructions a pair | {' | '.join(names)} |\n" + "|---" * (len(names) + 1) + "|")
    figures = {}
    for size in SIZES:
        row = {name: per_pair(libraries[name], size) for name in names}
        cells = ["-" if row[name] is None else f"{row[name]:.0f}" for name in names]
        say(f"| {size_name(size)} | {' | '.join(cells)} |")
        figures[size] = row
    return figures
