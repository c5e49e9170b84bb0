#!/usr/bin/env python3
"""Make the picture of the dashboards out of a real capture: each panel's own queries, asked of a real Prometheus, drawn where the
dashboard has the panel. Grafana takes no part in it.

    build/venv/bin/python tests/tools/dashboard_picture.py      # writes conf.d/grafana/dashboard.png and first.png
"""
import html
import io
import json
import math
import pathlib
import re
import sys
import tempfile

TESTS = pathlib.Path(__file__).resolve().parents[1]
if not __package__:
    sys.path[0] = str(TESTS)
    sys.path.insert(0, str(TESTS.parent / "plugins"))

from bokeh.embed import components  # noqa: E402
from bokeh.models import FixedTicker, Range1d  # noqa: E402
from bokeh.palettes import Oranges256  # noqa: E402
from bokeh.plotting import figure  # noqa: E402
from bokeh.resources import Resources  # noqa: E402
from PIL import Image, PngImagePlugin  # noqa: E402

FOLDER = TESTS.parent / "conf.d" / "grafana"
#: By dashboard: the picture, and its rows that are drawn (None: what has no row): of what the meter itself costs a capture knows
#: nothing.
PICTURES = {"": (FOLDER / "dashboard.png", ("Host", "Domains", "One domain: $guest", "Scheduling")),
            "first-": (FOLDER / "first.png", (None,))}
SAYS = "Drawn by xenmeter's own tool from this dashboard's queries; not a screenshot of Grafana."
#: Pixels of a column and of a row of the dashboard's grid, and between panels.
COLUMN, ROW, GAP = 50, 21, 6
COLOURS = ("#1f78b4", "#33a02c", "#e6550d", "#6a3d9a", "#b15928", "#d4a600", "#e7298a", "#555555", "#17a2b8", "#9acd32")
#: Grafana's names of units: (ending, base of the prefixes, prefixes of smaller ones).
UNITS = {"none": ("", 1000, False), "percentunit": ("%", 0, False), "bytes": ("B", 1024, False), "Bps": ("B/s", 1000, False),
         "s": ("s", 1000, True), "iops": ("io/s", 1000, False), "cps": ("c/s", 1000, False), "pps": ("p/s", 1000, False),
         "hertz": ("Hz", 1000, False), "celsius": ("\u00b0C", 1000, False)}


def said(unit, value):
    """A value with its unit, as people say it."""
    ending, base, small = UNITS[unit]
    if base == 0:
        return ("%.3g %s" % (value * 100, ending))
    prefixes = {0: "", 1: "k", 2: "M", 3: "G"} if base == 1000 else {0: "", 1: "Ki", 2: "Mi", 3: "Gi"}
    if small:
        prefixes = {0: "", -1: "m", -2: "\u00b5", -3: "n"}
    power = math.floor(math.log(value, base) + 1e-9) if value > 0 else 0
    power = min(max(power, min(prefixes)), max(prefixes))
    return ("%.3g %s%s" % (value / base ** power, prefixes[power], ending)).strip()


def ticks(unit, most):
    """Round values from 0 to above the highest one."""
    if most <= 0:
        return [0, 1]
    base = 2 if unit == "bytes" else 10
    power = base ** math.floor(math.log(most / 3, base))
    step = next(power * factor for factor in ((1, 2) if base == 2 else (1, 2, 2.5, 5, 10)) if most / (power * factor) <= 4)
    return [step * number for number in range(math.ceil(most / step - 1e-9) + 1)]


def asked(panel, ask):
    """[(legend, [(second, value)], labels)] of all of the panel's queries. ``ask``: query -> [(labels, [(second, value)])]"""
    found = []
    for target in panel["targets"]:
        for labels, points in ask(target["expr"]):
            found.append((re.sub(r"{{(\w+)}}", lambda match, labels=labels: labels.get(match.group(1), ""),
                                 target["legendFormat"]), points, labels))
    return found


def _figure(width, height, span, marks):
    """An empty plot; marks: [(place, text)] of its y axis."""
    low, high = marks[0][0], marks[-1][0]
    drawn = figure(width=width, height=height, toolbar_location=None, min_border=0, outline_line_color=None,
                   x_range=Range1d(*span), y_range=Range1d(low, high + (high - low) * 0.06))
    seconds = list(range(span[0], span[1] + 1))
    drawn.xaxis.ticker, drawn.yaxis.ticker = FixedTicker(ticks=seconds), FixedTicker(ticks=[at for at, _ in marks])
    drawn.xaxis.major_label_overrides = {at: "%d s" % at for at in seconds}
    drawn.yaxis.major_label_overrides = dict(marks)
    for axis in (drawn.xaxis, drawn.yaxis):
        axis.minor_tick_line_color, axis.axis_line_color, axis.major_tick_line_color = None, "#c8ccd0", "#c8ccd0"
        axis.major_label_text_font_size, axis.major_label_text_color = "11px", "#444a50"
        axis.major_label_text_font = "DejaVu Sans"
    drawn.grid.grid_line_color = "#e7e9ec"
    return drawn


def _lines(panel, found, size, span):
    """(figure, [(colour, text)] of its legend)"""
    unit = panel["fieldConfig"]["defaults"]["unit"]
    marks = [(at, said(unit, at)) for at in ticks(unit, max(value for _, points, _ in found for _, value in points))]
    drawn = _figure(*size, span, marks)
    colours = [COLOURS[number % len(COLOURS)] for number in range(len(found))]
    places = [list(zip(*points)) for _, points, _ in found]
    drawn.multi_line([seconds for seconds, _ in places], [values for _, values in places], line_color=colours, line_width=1.8)
    for colour, (seconds, values) in zip(colours, places if len(places) < 3 else ()):
        drawn.varea(seconds, [0] * len(seconds), values, fill_color=colour, fill_alpha=0.08)
    return drawn, list(zip(colours, [text for text, _, _ in found]))


def _heat(panel, found, size, span):
    """The same of buckets: how many there were of each, which Prometheus keeps added up."""
    unit = panel["fieldConfig"]["defaults"]["unit"]
    edges = sorted((float(labels["le"]), dict(points)) for _, points, labels in found)
    cells = [(row, at, max(0.0, value - edges[row - 1][1].get(at, 0) if row else value))
             for row, (_, points) in enumerate(edges) for at, value in points.items() if at > span[0]]
    most = max(count for _, _, count in cells)
    shown = [row for row, _, count in cells if count > most / 1000]
    rows = range(min(shown), max(shown) + 1)
    marks = [(row, said(unit, edges[row - 1][0] if row else 0)) for row in range(rows[0], rows[-1] + 2, max(1, len(rows) // 5))]
    drawn = _figure(*size, span, marks)
    drawn.y_range = Range1d(rows[0], rows[-1] + 1.6)
    drawn.grid.grid_line_color = None
    cells = [cell for cell in cells if cell[0] in rows and cell[2]]
    drawn.quad(left=[at - 1 for _, at, _ in cells], right=[at for _, at, _ in cells], bottom=[row for row, _, _ in cells],
               top=[row + 1 for row, _, _ in cells], line_color="#ffffff", line_width=0.5,
               fill_color=[Oranges256[255 - int(255 * (count / most) ** 0.5)] for _, _, count in cells])
    return drawn, [(Oranges256[225], "few"), (Oranges256[0], "%.0f waits in an observed second" % most)]


def _inside(panel, found, wide, high, span):
    """(HTML, with %s for the figure if there is one; the figure or None; words)"""
    if not found:
        return '<div class="none">No data</div>', None, ["No data"]
    if panel["type"] == "stat":
        told = [said(panel["fieldConfig"]["defaults"]["unit"], points[-1][1]) for _, points, _ in found]
        return "".join('<div class="stat">%s</div>' % html.escape(one) for one in told), None, told
    two_lines = 15 if sum(len(text) + 4 for text, _, _ in found) * 7 > wide and panel["type"] != "heatmap" else 0
    drawn, legend = (_heat if panel["type"] == "heatmap" else _lines)(panel, found, (wide, high - 42 - two_lines), span)
    told = "".join('<span><i style="background:%s"></i>%s</span>' % (colour, html.escape(text).replace("%", "%%"))
                   for colour, text in legend if text)
    words = [text for _, text in legend] + list(drawn.yaxis[0].major_label_overrides.values())
    return '%%s<div class="legend">%s</div>' % told, drawn, words


PAGE = """<!DOCTYPE html><html lang="en"><meta charset="utf-8"><style>
body { margin: 0; background: #eef0f2; font: 12px "DejaVu Sans", sans-serif; color: #22262a; width: %dpx; height: %dpx }
body > div { position: absolute; box-sizing: border-box }
header { padding: 9px 12px }
h1 { font-size: 17px; margin: 0 0 3px }
header p { margin: 0; color: #555c63 }
.row { font-weight: bold; font-size: 14px; padding: 0 8px }
.panel { background: #fff; border: 1px solid #d5d9dd; border-radius: 3px; padding: 5px 6px; overflow: hidden }
h2 { font-size: 12px; margin: 0 0 4px; white-space: nowrap }
.stat, .none { text-align: center; padding-top: 38px }
.stat { font-size: 30px }
.none { color: #8a9198 }
.legend { font-size: 11px; line-height: 15px }
.legend span { margin-right: 12px; white-space: nowrap; display: inline-block }
.legend i { display: inline-block; width: 12px; height: 4px; margin-right: 4px; vertical-align: 3px }
</style>%s<body><header><h1>%s</h1><p>%s</p></header>%s%s<script>
const look = () => Bokeh.documents.length && Bokeh.documents.every((one) => one.is_idle)
  ? document.documentElement.dataset.ready = "yes" : requestAnimationFrame(look);
requestAnimationFrame(look);
</script></body></html>
"""
HEAD = 58


def page(model, rows, ask, title, guest, span):
    """(HTML, words in it, size): some rows of a dashboard's model. ``span``: seconds, from and to."""
    row, insides, figures, words = None, [], [], [title, SAYS]
    for panel in model["panels"]:
        place = panel["gridPos"]
        row = panel["title"] if panel["type"] == "row" else row
        if row not in rows:
            continue
        wide, high = place["w"] * COLUMN - GAP, place["h"] * ROW - GAP
        at = place["x"] * COLUMN + GAP, place["y"] * ROW + HEAD, wide, high
        name = panel["title"].replace("$guest", guest)
        inside, told = "", []
        if panel["type"] != "row":
            inside, drawn, told = _inside(panel, asked(panel, ask), wide - 14, high, span)
            if drawn is not None:
                figures.append(drawn)
                inside %= "<figure%d>" % (len(figures) - 1)
            inside = "<h2>%s</h2>%s" % (html.escape(name), inside)
        insides.append('<div class="%s" style="left:%dpx;top:%dpx;width:%dpx;height:%dpx">%s</div>' % (
            ("panel" if inside else "row",) + at + (inside or html.escape(name),)))
        words += [name] + told
    script, places = components(figures)
    body = re.sub(r"<figure(\d+)>", lambda match: places[int(match.group(1))], "".join(insides))
    size = 24 * COLUMN + GAP, at[1] + high + GAP
    library = Resources(mode="inline", components=["bokeh"]).render()
    return PAGE % (size + (library, html.escape(title), SAYS, body, script)), words, size


def of_prometheus(backend, browser, folder, board=""):
    """(image, words): a dashboard for Prometheus, of the captured host in a backend that has it (tests/dashboards)."""
    from helpers.dashboards import captured
    model = json.loads((FOLDER / ("xenmeter-%sprometheus.json" % board)).read_text(encoding="utf-8"))

    def ask(query):
        start, end = (backend.start + second for second in captured.SPAN)
        return [(labels, [(at - backend.start, value) for at, value in points]) for labels, points in backend.series(
            query, captured.GUEST, captured.HOST, captured.WINDOW, (start, end, 1))]
    title = "%s: seconds %d to %d of what xentop and xentrace recorded on a host" % ((model["title"],) + captured.SPAN)
    text, words, (wide, high) = page(model, PICTURES[board][1], ask, title, captured.GUEST, captured.SPAN)
    (folder / "page.html").write_text(text, encoding="utf-8")
    assert browser.open(folder / "page.html", width=wide, height=high) == "yes" and not browser.complaints, browser.complaints
    browser.picture(folder / "page.png", (0, 0, wide, high))
    return Image.open(str(folder / "page.png")).convert("RGB"), words


def png(image, words):
    """Bytes of a small file; what can be read in the picture is beside it, as text."""
    info, out = PngImagePlugin.PngInfo(), io.BytesIO()
    info.add_itxt("words", "\n".join(words))
    image.quantize(128, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(out, "PNG", optimize=True, pnginfo=info)
    return out.getvalue()


def main():
    from helpers.dashboards.backends import Backfilled
    from helpers.browser import Browser
    with tempfile.TemporaryDirectory() as scratch:
        backend, browser = Backfilled(pathlib.Path(scratch)), Browser()
        try:
            for board, (picture, _) in PICTURES.items():
                picture.write_bytes(png(*of_prometheus(backend, browser, pathlib.Path(scratch), board)))
                print("%s: %d bytes" % (picture.relative_to(TESTS.parent), picture.stat().st_size))
        finally:
            browser.close()
            backend.close()


if __name__ == "__main__":
    main()
