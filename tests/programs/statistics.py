#!/usr/bin/env python3
"""statistics.py - checks what statistics.c wrote: identities within each report and between them.

Usage: statistics.py SCENE PROFILE <OUTPUT"""
import json
import sys
import xml.etree.ElementTree as ElementTree

GIB = 1 << 30


def check(condition, what):
    if not condition:
        sys.exit(f"{sys.argv[1]}, profile {sys.argv[2]}: {what}")


def check_mallinfo(info):
    check(info["arena"] == info["uordblks"] + info["fordblks"], f"arena: {info}")
    check(info["fsmblks"] <= info["fordblks"], f"fsmblks: {info}")
    check(info["keepcost"] <= info["fordblks"], f"keepcost: {info}")
    check((info["smblks"] == 0) == (info["fsmblks"] == 0), f"smblks: {info}")


def check_json(report, info, profile):
    rows = dict(report["bytes"])
    total = rows.pop("total")
    check(report["version"] == 1 and report["profile"] == profile, "the head")
    check(sum(rows.values()) == total, f"rows do not add up: {rows}, {total}")
    check(rows["mapped"] == info["hblkhd"], f"mapped: {rows}, {info}")
    kept = total - info["arena"] - info["hblkhd"] - rows["metadata"]  # large blocks, freed
    check(0 <= kept <= rows["retained"], f"total: {rows}, {info}")
    in_lists = rows["free_in_lists"] if profile == "glibc" else 0  # counts as used there
    check(rows["live"] + in_lists == info["uordblks"], f"live: {rows}, {info}")
    check(sum(arena["system"] for arena in report["arenas"]) <= info["arena"], "arenas")
    for arena in report["arenas"]:
        check(arena["system"] == arena["used"] + arena["free_in_bins"] + arena["top"], arena)
    binned = sum(arena["free_in_bins"] + arena["top"] for arena in report["arenas"])
    check(binned == rows["free_in_bins"], f"bins: {binned}, {rows}")


def check_slabs(report, info):
    classes, threads = report["size_classes"], report["threads"]
    check(len({row["size"] for row in classes}) == len(classes), "a class twice")
    check(len({row["tid"] for row in threads}) == len(threads), "a thread twice")
    live = sum(row["live_bytes"] for row in classes)
    free = sum(row["free"] * row["size"] for row in classes)
    check(live == sum(row["live"] for row in threads), f"live of classes and threads: {live}")
    check(free == sum(row["free_in_slabs"] for row in threads), f"free of both: {free}")
    check(sum(row["slabs"] for row in classes) == sum(row["slabs"] for row in threads), "slabs")
    kept = sum(row["free_in_lists"] + row["queued"] for row in threads)
    check(kept == report["bytes"]["free_in_lists"], f"lists: {kept}, {report['bytes']}")
    if classes:
        check(free == info["fsmblks"], f"fsmblks: {free}, {info}")
        check(sum(row["free"] for row in classes) == info["smblks"], "smblks")


def check_xml(root, info, profile):
    check(root.tag == "malloc" and root.get("version") == "1", "malloc_info's root")
    heaps = root.findall("heap")
    check([heap.get("nr") for heap in heaps] == [str(i) for i in range(len(heaps))], "heaps")
    for element in heaps + [root]:
        kinds = [(child.tag, child.get("type")) for child in element if child.tag != "heap"]
        wanted = [("total", "fast"), ("total", "rest"), ("system", "current"), ("system", "max"),
                  ("aspace", "total"), ("aspace", "mprotect")]
        check([kind for kind in kinds if kind in wanted] == wanted, f"elements: {kinds}")
    mapped = root.find("total[@type='mmap']")
    check(int(mapped.get("count")) == info["hblks"], "count of mapped blocks")
    check(int(mapped.get("size")) == info["hblkhd"], "size of mapped blocks")
    slabs = root.find("slabs")
    check((slabs is not None) <= (profile == "default"), "the element slabs")
    system = int(root.find("system[@type='current']").get("size"))
    system += 0 if slabs is None else int(slabs.get("size"))
    check(system == info["arena"], f"system: {system}, {info}")
    sums = sum(int(heap.find("system[@type='current']").get("size")) for heap in heaps)
    check(sums == int(root.find("system[@type='current']").get("size")), "sums of heaps")


def check_scene(scene, report, info, profile):
    threads = [row for row in report["threads"] if row["tid"] != 0]
    if scene == "threads":
        check(len(threads) == 41, f"{len(threads)} threads")
    if scene == "queued" and profile == "default":
        queued = [row["queued"] for row in threads]
        check(sorted(queued) == [0, 200 * 64], f"queued: {queued}")
    if scene == "small":
        # 13333 blocks of 1 + k * 8 bytes, k below 97: 385 each; a header or rounding on top.
        check(5_130_000 < info["uordblks"] < 13334 * (385 + 24) + 100_000, f"small: {info}")
    if scene == "huge":
        check(info["uordblks"] > 100 * (60 << 20) > 5 * GIB, f"huge: {info}")
        check(info["hblkhd"] > 100 * (60 << 20) and info["hblks"] == 100, f"huge: {info}")


def main():
    scene, profile = sys.argv[1:]
    line, length, rest = sys.stdin.read().split("\n", 2)
    info = {name: int(value) for name, value in (word.split("=") for word in line.split())}
    report = json.loads(rest[:int(length)])
    check_mallinfo(info)
    check_json(report, info, profile)
    check_slabs(report, info)
    check_xml(ElementTree.fromstring(rest[int(length):]), info, profile)
    check_scene(scene, report, info, profile)


main()
