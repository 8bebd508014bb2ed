#!/usr/bin/env python3
"""check_options - docs/options.md and the table of options say the same.

    check_options.py SOURCE_TREE"""
import re

from tidy import main, rule

TABLE = "src/api/options.def"
PAGE = "docs/options.md"
TYPES = {"COUNT": "number", "SIZE": "size", "TIME": "duration", "FLAG": "flag", "WORD": "word",
         "BUDGET": "budget", "ONE_IN": "share"}
# Defaults and ends of ranges that the table names, on 64 bits.
NAMED = {"SIZE_MAX": "no limit", "INT_MAX": "2147483647", "MMAP_MAX_DEFAULT": "65536",
         "MMAP_THRESHOLD_DEFAULT_BYTES": "131072", "TRIM_THRESHOLD_DEFAULT_BYTES": "131072",
         "TOP_PAD_DEFAULT_BYTES": "131072", "FAST_DEFAULT_BYTES": "128",
         "FAST_REQUEST_MAX_BYTES": "160", "QUICK_COUNT_DEFAULT": "7", "QUICK_COUNT_MAX": "65535",
         "QUICK_MAX_BYTES - SIZE_BYTES": "1032",
         "RETENTION_BASE_BYTES": "524288", "RETENTION_WINDOW_NS / 1000000": "10000",
         "REGION_CACHE_DEFAULT_BYTES": "268435456", "QUARANTINE_DEFAULT_BYTES": "1048576"}
SAMPLE = ('OPTION(A, a, SIZE, "bytes", 0, 0, SIZE_MAX, ANY, M_A, "V", "g.a",\n'
          '       "what it does")\n')
SAMPLE_ROW = "| `a` | size | bytes | 0 | 0 to no limit | any time | `M_A` | `V` | `g.a` |\n"
SAMPLE_HELP = "- `a`: what it\n  does.\n"


def options(text):
    """Each OPTION(...) as its list of arguments, in the table's order."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    for body in re.findall(r'^OPTION\((.*?"[^"]*")\)$', text, re.DOTALL | re.MULTILINE):
        parts = re.findall(r'"[^"]*"|[^,"]+', re.sub(r"\s+", " ", body))
        yield [part.strip().strip('"') for part in parts if part.strip() or part == '""']


def row_of(option):
    """The row of the page's table that an option must have."""
    _, name, kind, unit, normal, least, most, when, number, variable, tunable, _ = option
    normal, least, most = (NAMED.get(value, value) for value in (normal, least, most))
    places = [f"`{text}`" if text not in ("", "0") else "" for text in (number, variable, tunable)]
    allowed = f"{least} to {most}"
    if kind == "WORD":
        words = unit.split("|")
        unit, normal, allowed = "", f"`{words[0]}`", ", ".join(f"`{word}`" for word in words)
    if kind == "BUDGET":
        allowed = "bytes, `cgroup`, `cgroup:90%`"
    if kind == "ONE_IN":
        allowed = f"1/1 to 1/{most}, or 0"
    cells = [f"`{name}`", TYPES[kind], unit, normal, allowed,
             "at start" if when == "START" else "any time", *places]
    return re.sub(" +", " ", "| " + " | ".join(cells) + " |")


@rule(bad=[{TABLE: SAMPLE, PAGE: SAMPLE_HELP},
           {TABLE: SAMPLE, PAGE: SAMPLE_ROW},
           {TABLE: SAMPLE, PAGE: SAMPLE_ROW.replace("V", "W") + SAMPLE_HELP},
           {TABLE: "", PAGE: SAMPLE_ROW + SAMPLE_HELP}],
      good={TABLE: SAMPLE, PAGE: SAMPLE_ROW + SAMPLE_HELP})
def the_page_lists_every_option(tree):
    """A row and a line of help for every option, and no row for anything else."""
    page = re.sub(r" +", " ", tree.texts[PAGE])
    flat = re.sub(r"\s+", " ", page)
    names = set()
    for option in options(tree.texts[TABLE]):
        names.add(option[1])
        if row_of(option) not in page:
            yield f"{PAGE}: lacks {row_of(option)}"
        if f"- `{option[1]}`: {option[-1]}" not in flat:
            yield f"{PAGE}: {option[1]} is described differently in {TABLE}"
    for name in re.findall(r"^\| `([a-z]\w*)` \|", page, re.MULTILINE):
        if name not in names:
            yield f"{PAGE}: {name} is no option"


main()
