#!/usr/bin/env python3
"""glibc_rules.py - compares the memory system calls of two runs of one program, by strace.

Usage: glibc_rules.py PLAIN OURS. From the marker (getppid) on, the calls must be the same but for
addresses; those that concern the stacks of threads are left out. Reserving an aligned heap takes
one to three calls, depending on where the kernel puts it: they count as one. Mappings of the
library's own records may come on top; they have sizes of their own. Allowed are a leaf of the page
map for each 4 GiB of the address space that the program has memory in, and of the others one for
each 64 MiB in heaps and mappings and one for each eight threads."""
import re
import sys

HEAP = 64 << 20
LEAF = 512 << 10  # of the page map
LEAF_SPAN = 4 << 30
THREADS_PER_BLOCK = 8
CALL = re.compile(r"^(?:\d+ +)?(\w+)\((.*)\) += (\S+)( \w+)?")
# Blocks of records; the table of mapped blocks as it grows.
RECORDS = {128 << 10} | {4**i * 24 * 1024 for i in range(1, 7)}


def calls_of(path):
    """Name, arguments, result of every call after the marker."""
    started = False
    for line in open(path, encoding="ascii", errors="replace"):
        match = CALL.match(line)
        if not match:
            continue
        name, arguments, result = match.group(1), match.group(2), match.group(3)
        if name == "getppid":
            started = True
        elif started:
            yield name, [part.strip() for part in arguments.split(",")], result


def is_stack(name, arguments):
    return name == "mmap" and "MAP_STACK" in arguments[3]


def heap_reservation(name, arguments):
    return name == "mmap" and "MAP_NORESERVE" in arguments[3] and arguments[2] == "PROT_NONE"


class Reader:
    """Turns calls into words that do not depend on addresses."""

    def __init__(self, path):
        self.break_start = None
        self.to_trim = 0
        self.words = []
        self.stacks = []
        self.break_most = 0
        self.taken = 0
        self.spans = set()
        for name, arguments, result in calls_of(path):
            self.take(name, arguments, result)

    def take(self, name, arguments, result):
        status = "failed" if result == "-1" else "ok"
        if name == "mmap" and result != "-1":
            self.has_memory(int(result, 16), int(arguments[1]))
        if is_stack(name, arguments):
            self.stacks.append((int(result, 16), int(result, 16) + int(arguments[1])))
            return
        if self.concerns_stack(name, arguments):
            return
        if heap_reservation(name, arguments):
            self.reserve(int(arguments[1]), result)
        elif name == "munmap" and self.to_trim > 0 and int(arguments[1]) <= self.to_trim:
            self.to_trim -= int(arguments[1])
        elif name == "brk":
            value = int(result, 16)
            self.break_start = self.break_start or value
            self.break_most = max(self.break_most, value - self.break_start)
            self.has_memory(self.break_start, value - self.break_start + 1)
            self.words.append(f"brk +{value - self.break_start:#x}")
        elif name == "mmap":
            self.taken += int(arguments[1])
            self.words.append(f"mmap {arguments[1]} {arguments[2]} {status}")
        else:
            self.words.append(f"{name} {' '.join(arguments[1:3])} {status}")

    def concerns_stack(self, name, arguments):
        """Stacks are libc's own business; who of two threads ends first is chance."""
        at = int(arguments[0], 16) if arguments[0].startswith("0x") else 0
        return name != "brk" and any(start <= at < end for start, end in self.stacks)

    def has_memory(self, start, size):
        self.spans.update(range(start // LEAF_SPAN, (start + size - 1) // LEAF_SPAN + 1))

    def leaves_allowed(self):
        return len(self.spans)

    def records_allowed(self):
        by_size = -(-(self.break_most + self.taken) // HEAP)
        return by_size + len(self.stacks) // THREADS_PER_BLOCK

    def reserve(self, size, result):
        self.taken += HEAP
        if size == 2 * HEAP:
            self.to_trim = HEAP
            self.words.append("reserve a heap")
        elif result != "-1" and int(result, 16) % HEAP == 0:
            self.words.append("reserve a heap")
        else:
            self.to_trim = HEAP  # in the wrong place: goes at once, the double size follows


def mapping_size(word):
    """Of a mapping as the library maps its records; 0 for other words."""
    match = re.match(r"mmap (\d+) PROT_READ\|PROT_WRITE ok", word)
    return int(match.group(1)) if match else 0


def main():
    ours_read = Reader(sys.argv[2])
    plain, ours = Reader(sys.argv[1]).words, ours_read.words
    at = leaves = records = 0
    for word in ours:
        if at < len(plain) and word == plain[at]:
            at += 1
        elif mapping_size(word) == LEAF:
            leaves += 1
        elif mapping_size(word) in RECORDS:
            records += 1
        else:
            expected = plain[at] if at < len(plain) else "the end"
            sys.exit(f"call {at}: {word}; plainly: {expected}; before: {plain[max(0, at - 3):at]}")
    if at != len(plain):
        sys.exit(f"call {at} is missing: {plain[at]}")
    if leaves > ours_read.leaves_allowed():
        sys.exit(f"{leaves} leaves of the page map, {ours_read.leaves_allowed()} allowed")
    if records > ours_read.records_allowed():
        sys.exit(f"{records} mappings of records, {ours_read.records_allowed()} allowed")
    print(f"{at} calls are the same, {leaves} leaves and {records} mappings of records on top")


main()
