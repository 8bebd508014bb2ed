"""What the figures say: a Markdown table, geometric means, curves as tables, a JSON file."""
import json
import math

from measure import FLOOR, OURS


def peers_of(results):
    return [name for name in results if name not in (OURS, FLOOR)]


def ratio_to_best(results, key):
    """Ours over the best of the others; None without either."""
    others = [results[name][key] for name in peers_of(results)]
    return results[OURS][key] / min(others) if others and OURS in results else None


def show_time(row, seconds):
    if row.operations:
        return f"{seconds / row.operations * 1e9:.1f} ns"
    return f"{seconds:.3f} s"


def show(row, figures):
    return (f"{show_time(row, figures['seconds'])}, {figures['rss_kib'] / 1024:.1f} MiB, "
            f"{figures['minor_faults'] / 1000:.1f}k")


def header(names):
    return (f"| | {' | '.join(names)} | time / best | RSS / best |\n" +
            "|---" * (len(names) + 3) + "|")


def line(row, results, names):
    """A row of the table."""
    cells = [show(row, results[name]) if name in results else "-" for name in names]
    ratios = [ratio_to_best(results, key) for key in ("seconds", "rss_kib")]
    shown = ["-" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
    return f"| {row.name} | {' | '.join(cells)} | {shown[0]} | {shown[1]} |"


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def mean_cell(name, rows, all_names):
    if name == FLOOR:
        return "-"
    times = [results[name]["seconds"] / results["glibc"]["seconds"] for results in rows]
    sizes = [results[name]["rss_kib"] / min(results[other]["rss_kib"] for other in all_names)
             for results in rows]
    return f"{geometric_mean(times):.3f}, {geometric_mean(sizes):.3f}"


def means(measured, names):
    """Over the rows that every allocator but the floor finished, curves left out: time over
    glibc's, RSS over the row's leanest. Lines of the table."""
    all_names = [name for name in names if name != FLOOR]
    measured = [(row, results) for row, results in measured if row.curve is None
                and all(name in results for name in all_names)]
    if "glibc" not in all_names:
        return
    for group in [None, *dict.fromkeys(row.group for row, _ in measured)]:
        rows = [results for row, results in measured if group in (None, row.group)]
        if rows:
            cells = [mean_cell(name, rows, all_names) for name in names]
            title = f"mean of {group or 'all'}: time / glibc's, RSS / leanest"
            yield f"| {title} | {' | '.join(cells)} | | |"


def curves_of(measured):
    """{curve: {allocator: [(at, nanoseconds an operation)]}}"""
    curves = {}
    for row, results in measured:
        if row.curve is not None:
            for name, figures in results.items():
                points = curves.setdefault(row.curve, {}).setdefault(name, [])
                points.append((row.at, figures["seconds"] / row.operations * 1e9))
    return curves


def steepness(curves, names):
    """How much more an operation costs at a curve's end than at its cheapest: 1 is flat."""
    for curve, by_name in curves.items():
        yield f"\n| {curve}: ns at the end / least | {' | '.join(names)} |\n" + \
              "|---" * (len(names) + 1) + "|"
        cells = [f"{by_name[name][-1][1] / min(ns for _, ns in by_name[name]):.2f}"
                 if name in by_name else "-" for name in names]
        yield f"| | {' | '.join(cells)} |"


def write_json(path, measured, instructions):
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"rows": [{**row._asdict(), "results": results} for row, results in measured],
                   "instructions": instructions}, file, indent=1)
