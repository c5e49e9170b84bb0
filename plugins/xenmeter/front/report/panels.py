"""Small multiples as SVG, without a script: panels of one size and one scale, in rows, each with lines or dots."""
import html
from typing import List, NamedTuple, Optional, Sequence, Tuple

from xenmeter.front.report.runsplot import COLOURS, ticks

__all__ = ("Series", "Panel", "panels", "legend", "drawable")

_WIDTH, _HEIGHT, _LEFT, _TOP, _APART, _BELOW = 215, 150, 62, 22, 18, 46
_HEAD = 20


class Series(NamedTuple):
    """``points``: (x, y, what it says). ``joined``: with lines from one to the next."""

    colour: int
    points: Sequence[Tuple[float, float, str]]
    joined: bool = True


class Panel(NamedTuple):
    """``line``: (x, y) of the two ends of a straight line through it, or None."""

    title: str
    series: Sequence[Series]
    line: Optional[Sequence[Tuple[float, float]]] = None


def drawable(*values: float) -> bool:
    """Whether there is an axis for them: damage may have made them as large as numbers get."""
    return all(abs(value) < 1e100 for value in values)


def legend(names: Sequence[str]) -> str:
    """Which colour is whose; the names are text."""
    return "<p>%s</p>" % " &nbsp; ".join('<span class="swatch" style="background:%s"></span> %s' % (
        COLOURS[place % len(COLOURS)], html.escape(name)) for place, name in enumerate(names))


def panels(rows: Sequence[Sequence[Panel]], unit_x: str, unit_y: str, title: str, heads: Sequence[str] = ()) -> str:
    """:param heads: of the rows, above each; none: they have none.

    All panels begin at 0 on both axes, and end where the largest value of them all needs it; what is below 0 stands at 0."""
    points = [(x, y) for row in rows for panel in row for series in panel.series for x, y, _ in series.points]
    points += [end for row in rows for panel in row for end in panel.line or ()]
    scale = _Scale(max([0.0] + [x for x, _ in points]), max([0.0] + [y for _, y in points]))
    parts: List[str] = []
    each = _HEIGHT + _TOP + _APART + (_HEAD if heads else 0)
    for down, row in enumerate(rows):
        if heads:
            parts.append('<text x="%d" y="%d" font-weight="bold">%s</text>' % (_LEFT, down * each + 16, html.escape(heads[down])))
        for across, panel in enumerate(row):
            last = down == len(rows) - 1 or across >= len(rows[down + 1])
            parts += scale.panel(panel, across, (down + 1) * each - _HEIGHT - _APART, last)
    wide = _LEFT + max(len(row) for row in rows) * (_WIDTH + _APART)
    high = len(rows) * each + _BELOW
    parts.append('<text x="4" y="%d" font-size="12">%s</text>' % (
        high - 6, html.escape("%s, over %s" % (unit_y, unit_x))))
    return ('<div class="scroll"><svg role="img" aria-label="%s" viewBox="0 0 %d %d" width="%d" height="%d" fill="currentColor" '
            'font-size="12" font-family="inherit">%s</svg></div>' % (
                html.escape(title, True), wide, high, wide, high, "".join(parts)))


class _Scale:
    """From values to pixels, the same in each panel."""

    def __init__(self, right: float, top: float) -> None:
        self._right, self._top = right * 1.04 or 1.0, top * 1.06 or 1.0

    def panel(self, panel: Panel, across: int, top: int, last: bool) -> List[str]:
        left = _LEFT + across * (_WIDTH + _APART)
        parts = ['<text x="%d" y="%d"><title>%s</title>%s</text>' % (
            left, top - 6, html.escape(panel.title), html.escape(_short(panel.title)))]
        parts += self._axes(left, top, not across, last)
        if panel.line is not None:
            (x1, y1), (x2, y2) = panel.line
            parts.append('<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="currentColor" stroke-dasharray="5 3"/>' % (
                *self._place(left, top, x1, y1), *self._place(left, top, x2, y2)))
        for series in panel.series:
            parts += self._series(series, left, top)
        return parts

    def _place(self, left: int, top: int, x: float, y: float) -> Tuple[float, float]:
        return left + _WIDTH * max(0.0, x) / self._right, top + _HEIGHT * (1 - max(0.0, y) / self._top)

    def _axes(self, left: int, top: int, named: bool, last: bool) -> List[str]:
        parts = []
        for value in ticks(0.0, self._top):
            y = self._place(left, top, 0, value)[1]
            parts.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="var(--line)"/>' % (left, left + _WIDTH, y, y))
            if named:
                parts.append('<text x="%d" y="%.1f" text-anchor="end" font-size="11">%.6g</text>' % (left - 6, y + 4, value))
        for value in ticks(0.0, self._right):
            x = self._place(left, top, value, 0)[0]
            parts.append('<line x1="%.1f" x2="%.1f" y1="%d" y2="%d" stroke="var(--line)"/>' % (
                x, x, top + _HEIGHT, top + _HEIGHT + 4))
            if last:
                parts.append('<text x="%.1f" y="%d" text-anchor="middle" font-size="11">%.6g</text>' % (
                    x, top + _HEIGHT + 16, value))
        return parts

    def _series(self, series: Series, left: int, top: int) -> List[str]:
        colour = COLOURS[series.colour % len(COLOURS)]
        places = [(*self._place(left, top, x, y), said) for x, y, said in series.points]
        parts = []
        if series.joined and len(places) > 1:
            parts.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/>' % (
                " ".join("%.1f,%.1f" % place[:2] for place in places), colour))
        parts += ['<circle cx="%.1f" cy="%.1f" r="3" fill="%s"><title>%s</title></circle>' % (x, y, colour, html.escape(said))
                  for x, y, said in places]
        return parts


def _short(title: str, most: int = 32) -> str:
    return title if len(title) <= most else title[:most - 1] + "\u2026"
