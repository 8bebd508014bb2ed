"""Draws the figures as SVG, with gnuplot: bars of the ratios to the best, lines of the curves."""
import os
import shutil
import subprocess

from measure import FLOOR
from report import curves_of

COLOURS = ["#888888", "#4477aa", "#ee7733", "#228833", "#cc3311", "#aa3377", "#66ccee"]


def quoted(text):
    return '"' + text.replace('"', "'") + '"'


def gnuplot(commands):
    subprocess.run(["gnuplot"], input=commands, text=True, check=True)


def style(index):
    return f"lc rgb '{COLOURS[index % len(COLOURS)]}'"


def draw_bars(path, title, rows, names):
    """rows: (label, {name: ratio})."""
    lines = [" ".join([quoted(label), *(f"{ratios.get(name, 0):.3f}" for name in names)])
             for label, ratios in rows]
    plots = ", ".join(f"$rows using {index + 2}{':xtic(1)' if index == 0 else ''} "
                      f"title {quoted(name)} {style(index)}" for index, name in enumerate(names))
    gnuplot(f"""set terminal svg size {200 + 46 * len(rows)},520 font 'sans,11' background 'white'
set output {quoted(path)}
set title {quoted(title)}
set style data histograms
set style fill solid
set boxwidth 0.9
set grid ytics
set logscale y 2
set yrange [0.9:16]
set xtics rotate by -50
set key top left horizontal
$rows << END
{chr(10).join(lines)}
END
plot {plots}
""")


def draw_curve(path, curve, by_name):
    """ns an operation over live blocks or threads."""
    blocks, plots = [], []
    for index, (name, points) in enumerate(by_name.items()):
        blocks.append(f"$b{index} << END\n" + "\n".join(f"{at} {ns:.3f}" for at, ns in points) +
                      "\nEND")
        plots.append(f"$b{index} using 1:2 with linespoints pt 7 lw 2 {style(index)} "
                     f"title {quoted(name)}")
    gnuplot(f"""set terminal svg size 720,460 font 'sans,11' background 'white'
set output {quoted(path)}
set xlabel {quoted(curve)}
set ylabel "ns an operation"
set logscale xy
set grid
set key top left
{chr(10).join(blocks)}
plot {', '.join(plots)}
""")


def ratios(measured, names, key):
    for row, results in measured:
        found = {name: results[name][key] for name in names if name in results}
        if row.curve is None and found:
            least = min(found.values())
            yield row.name, {name: value / least for name, value in found.items()}


def draw(folder, measured, names):
    """All plots that the figures suffice for. Returns the files."""
    if not shutil.which("gnuplot"):
        return []
    names = [name for name in names if name != FLOOR]
    files = []
    for key, title in (("seconds", "time"), ("rss_kib", "peak RSS")):
        rows = list(ratios(measured, names, key))
        if rows:
            files.append(os.path.join(folder, title.replace(" ", "-").lower() + ".svg"))
            draw_bars(files[-1], f"{title}, over the best of the row", rows, names)
    for curve, by_name in curves_of(measured).items():
        files.append(os.path.join(folder, curve.replace(" ", "-") + ".svg"))
        draw_curve(files[-1], curve, {name: points for name, points in by_name.items()
                                      if name != FLOOR})
    return files
