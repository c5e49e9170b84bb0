"""The plots as Bokeh models without data: ``page.js`` fills them from the page's own JSON.

Names of guests never become part of a model: Bokeh would take ``$$`` in a label for mathematics. They are shown by
the page as text, and in tooltips, where Bokeh escapes them.
"""
from typing import Any, Dict, List, NamedTuple, Optional

from bokeh.models import (BasicTickFormatter, ColorBar, ColumnDataSource, FixedTicker, HoverTool, Line, LogColorMapper,
                          LogTicker, NumeralTickFormatter, Quad, Range1d, Scatter, VStrip)
from bokeh.palettes import Cividis256
from bokeh.plotting import figure
from bokeh.transform import transform

__all__ = ("Plot", "plots_of", "has_io")


class Plot(NamedTuple):
    """``key``: the figure's name and its place in the page; ``height`` in pixels."""

    key: str
    figure: Any


#: Decades of a duration's axis: ns, and how people say it.
DECADES = [(10 ** power, text) for power, text in (
    (0, "1 ns"), (1, "10 ns"), (2, "100 ns"), (3, "1 \u00b5s"), (4, "10 \u00b5s"), (5, "100 \u00b5s"), (6, "1 ms"),
    (7, "10 ms"), (8, "100 ms"), (9, "1 s"), (10, "10 s"), (11, "100 s"), (12, "1000 s"))]
#: (figure, title of its axis, whether the axis is logarithmic): one line per domain each.
LINES = (
    ("cpu", "CPU time (% of one pCPU)", False), ("wait", "waiting (% of time, all vCPUs)", False),
    ("blocked", "blocked (% of time, all vCPUs)", False), ("executions", "executions per second", False),
    ("run_each", "CPU time per execution", True), ("wait_each", "waiting per execution", True),
    ("io", "I/O operations per second", False), ("io_each", "I/O operations per execution", False))
_IO = ("io", "io_each")
_QUAD = ("left", "right", "bottom", "top", "name", "pcpu", "begin", "told")
_LOST = "#c1121f"
_DASHES = ("solid", "dashed", "dotted")
#: Hatches of the timeline, for the series whose colours come round again.
_HATCHES = (None, "right_diagonal_line", "horizontal_line")
#: As many colours as page.js has.
COLOURS = 8


def plots_of(document: Dict[str, Any]) -> List[Plot]:
    count = len(document["series"])
    lengths = document["windows"]["lengths_ns"]
    end = (document["windows"]["start_ns"][-1] + lengths[-1]) / 1e9
    span = Range1d(0, end, bounds=(0, end), min_interval=end / 1e5)
    trace = document["kind"] == "trace"
    plots = []
    if trace:
        plots.append(_timeline("overview", document["overview"]["pcpus"], count, span,
                              "time since the first record (s)"))
        exact = document["exact"]
        length = (exact["to_ns"] - exact["from_ns"]) / 1e6
        if exact["pcpus"]:
            plots.append(_timeline("exact", exact["pcpus"], count, Range1d(
                0, length, bounds=(0, length), min_interval=length / 1e5), "time within this part (ms)"))
    lines = [_lines(key, title, log, document, span) for key, title, log in LINES if has_io(document) or key not in _IO]
    plots += lines[:3] + [_states(span)] + [_latency(document, span)]
    if trace:
        plots.append(_percentiles(document))
    return plots + lines[3:]


def has_io(document: Dict[str, Any]) -> bool:
    """Whether any I/O was counted; where none was, it may be that it was not traced."""
    return any(any(series["ios"]) for series in document["windows"]["series"])


def _figure(key: str, title: str, x_range: Any, height: int, x_title: str = "time (s)", **more: Any) -> Any:
    made = figure(name=key, height=height, sizing_mode="stretch_width", x_range=x_range, x_axis_label=x_title,
                  y_axis_label=title,
                  tools="xpan,xbox_zoom,reset,save", active_drag="xbox_zoom", toolbar_location="above",
                  min_border_left=84, min_border_right=20, **more)
    made.toolbar.logo = None
    made.toolbar.autohide = True
    for axis in made.axis:
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = "13px"
        axis.major_label_text_font_size = "12px"
    return made


def _durations(axis: Any) -> None:
    axis.ticker = FixedTicker(ticks=[value for value, _ in DECADES])
    axis.major_label_overrides = dict(DECADES)


def _bands(made: Any) -> None:
    """Losses: hatched over the whole height."""
    source = ColumnDataSource({"left": [], "right": [], "text": []}, name="lost")
    made.add_glyph(source, VStrip(x0="left", x1="right", fill_color=_LOST, fill_alpha=0.12, line_color=None,
                                  hatch_scale=10,
                                  hatch_pattern="right_diagonal_line", hatch_color=_LOST, hatch_alpha=0.5), name="lost")


def _hover(made: Any, renderers: List[Any], tooltips: Any, **more: Any) -> None:
    made.add_tools(HoverTool(renderers=renderers, tooltips=tooltips, **more))


def _timeline(key: str, pcpus: List[Dict[str, Any]], count: int, x_range: Any, x_title: str) -> Plot:
    rows = len(pcpus)
    # the first pCPU is on top
    made = _figure(key, "", x_range, min(1200, 110 + max(22, 56 - 2 * rows) * rows), x_title,
                   y_range=Range1d(rows - 0.4, -0.6))
    made.yaxis.ticker = FixedTicker(ticks=list(range(rows)))
    made.yaxis.major_label_overrides = {place: "pCPU %d" % pcpu["pcpu"] for place, pcpu in enumerate(pcpus)}
    made.ygrid.visible = False
    quads = []
    for number in range(count):
        source = ColumnDataSource({name: [] for name in _QUAD}, name="%s-%d" % (key, number))
        hatch = _HATCHES[number // COLOURS % len(_HATCHES)]
        quads.append(made.add_glyph(source, _quad(hatch_pattern=hatch, hatch_alpha=0.7, hatch_scale=6),
                                    name="series-%d" % number))
    for which, colour in (("lost", _LOST), ("unknown", "#888888")):
        source = ColumnDataSource({name: [] for name in _QUAD}, name="%s-%s" % (key, which))
        quads.append(made.add_glyph(source, _quad(fill_color=colour, fill_alpha=0.25,
                                                  hatch_pattern="right_diagonal_line",
                                                  hatch_color=colour, hatch_scale=8), name=which))
    mark = ColumnDataSource({"left": [], "right": [], "text": []}, name=key + "-mark")
    made.add_glyph(mark, VStrip(x0="left", x1="right", fill_color=None, line_width=2), name="mark")
    _hover(made, quads, [("", "@name"), ("pCPU", "@pcpu"), ("from", "@begin"), ("", "@told")],
           point_policy="follow_mouse")
    return Plot(key, made)


def _quad(**how: Any) -> Any:
    return Quad(left="left", right="right", bottom="bottom", top="top", line_color=None, **how)


def _line(made: Any, source: Any, number: int, size: int) -> Any:
    """The line of a series, and its points: a window between two without a value has no line."""
    made.add_glyph(source, Scatter(x="x", y="y", size=size, line_color=None), name="series-%d" % number)
    dash = _DASHES[number // COLOURS % len(_DASHES)]
    return made.add_glyph(source, Line(x="x", y="y", line_width=2, line_dash=dash), name="series-%d" % number)


def _lines(key: str, title: str, log: bool, document: Dict[str, Any], span: Any) -> Plot:
    made = _figure(key, title, span, 250, y_axis_type="log" if log else "linear")
    if log:
        _durations(made.yaxis)
    else:
        made.y_range.start = 0
        made.yaxis.formatter = NumeralTickFormatter(format="0,0.[000]")
    _bands(made)
    drawn = []
    for number in range(len(document["series"])):
        source = ColumnDataSource({"x": [], "y": [], "name": [], "when": [], "told": []}, name="%s-%d" % (key, number))
        drawn.append(_line(made, source, number, 3 if len(document["windows"]["start_ns"]) > 60 else 5))
    _hover(made, drawn, [("", "@name"), ("at", "@when"), ("", "@told")], line_policy="nearest")
    return Plot(key, made)


def _states(span: Any) -> Plot:
    """What the chosen domain's vCPUs were in, one on top of the other."""
    made = _figure("states", "share of vCPU time (%)", span, 260)
    made.y_range.start = 0
    made.y_range.end = 100
    quads = []
    for name in ("running", "waiting", "blocked", "offline", "unknown"):
        source = ColumnDataSource({name: [] for name in _QUAD}, name="states-" + name)
        hatch = "right_diagonal_line" if name == "unknown" else None
        quads.append(made.add_glyph(source, _quad(hatch_pattern=hatch, hatch_scale=8, hatch_alpha=0.8),
                                    name="state-" + name))
    _hover(made, quads, [("", "@name"), ("from", "@begin"), ("", "@told")])
    return Plot("states", made)


def _latency(document: Dict[str, Any], span: Any) -> Plot:
    """Heat map of the chosen domain's waits with percentiles over it; without the heat map where there is none."""
    made = _figure("latency", "wait until running", span, 360, y_axis_type="log")
    _durations(made.yaxis)
    _bands(made)
    cells: Optional[Any] = None
    if document["kind"] == "trace":
        mapper = LogColorMapper(palette=Cividis256[24:], low=1, high=10)
        source = ColumnDataSource({name: [] for name in _QUAD + ("count",)}, name="heat")
        cells = made.add_glyph(source, _quad(fill_color=transform("count", mapper)), name="heat")
        made.add_layout(ColorBar(color_mapper=mapper, ticker=LogTicker(), formatter=BasicTickFormatter(), width=12,
                                 title="waits"),
                        "right")
    lines = []
    for name, dash in (("p50", "dotted"), ("p99", "solid"), ("max", "dashed")):
        source = ColumnDataSource({"x": [], "y": [], "name": [], "when": [], "told": []}, name="latency-" + name)
        made.add_glyph(source, Line(x="x", y="y", line_width=5, line_alpha=0.75), name="halo")
        lines.append(made.add_glyph(source, Line(x="x", y="y", line_width=2, line_dash=dash),
                                    name="percentile-" + name))
    _hover(made, lines, [("", "@name"), ("at", "@when"), ("", "@told")], line_policy="nearest", attachment="above")
    if cells is not None:
        _hover(made, [cells], [("", "@name"), ("from", "@begin"), ("", "@told")], attachment="right")
    return Plot("latency", made)


def _percentiles(document: Dict[str, Any]) -> Plot:
    """A domain's wait at each percentile, over the whole trace."""
    ppm = document["latency"]["ppm"]
    made = _figure("percentiles", "wait until running", Range1d(-0.2, len(ppm) - 0.8), 300, "percentile of the waits",
                   y_axis_type="log")
    _durations(made.yaxis)
    made.xaxis.ticker = FixedTicker(ticks=list(range(len(ppm))))
    made.xaxis.major_label_overrides = {place: "largest" if part == 1000000 else "%g %%" % (part / 1e4)
                                        for place, part in enumerate(ppm)}
    drawn = []
    for number in range(len(document["series"])):
        source = ColumnDataSource({"x": [], "y": [], "name": [], "when": [], "told": []},
                                  name="percentiles-%d" % number)
        drawn.append(_line(made, source, number, 6))
    _hover(made, drawn, [("", "@name"), ("", "@when"), ("", "@told")])
    return Plot("percentiles", made)
