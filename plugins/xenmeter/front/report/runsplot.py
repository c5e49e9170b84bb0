"""Plots of benchmark runs as SVG, without a script: a dot for each run, and bars of what a unit of work cost each domain."""
import html
from typing import List, NamedTuple, Optional, Sequence, Tuple

__all__ = ("Dots", "Bar", "dots", "bars", "COLOURS")

#: Okabe and Ito's, told apart by the colour-blind; the last one for all domains after them.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442", "#7f7f7f")
_HEIGHT, _LEFT, _TOP, _COLUMN, _BELOW = 240, 92, 14, 150, 44
#: Columns that stand side by side; more make the plot narrower ones.
_WIDEST = 1300


class Dots(NamedTuple):
    """A column: its name, and (value, what it says) of each run in their order."""

    name: str
    values: Sequence[Tuple[float, str]]
    middle: Optional[float]


class Bar(NamedTuple):
    """A column: its name, and (colour, height, what it says) from below."""

    name: str
    parts: Sequence[Tuple[int, float, str]]


def dots(columns: Sequence[Dots], unit: str, title: str) -> str:
    """The figure of each run, and a line at each column's median."""
    values = [value for column in columns for value, _ in column.values]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    margin = (high - low) * 0.08 or abs(high) * 0.05 or 1.0
    scale = _Scale(0.0 if 0 <= low < high * 0.3 else low - margin, high + margin, len(columns))
    parts = scale.axis(unit)
    for place, column in enumerate(columns):
        left = scale.left(place)
        parts.append(scale.label(place, column.name))
        for number, (value, said) in enumerate(column.values):
            x = left + scale.width * (0.15 + 0.7 * (number + 0.5) / len(column.values))
            parts.append('<circle cx="%.1f" cy="%.1f" r="4.5" fill="%s" fill-opacity="0.75"><title>%s</title></circle>' % (
                x, scale.y(value), COLOURS[0], html.escape(said)))
        if column.middle is not None:
            parts.append('<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="%s" stroke-width="2"/>' % (
                left + scale.width * 0.1, left + scale.width * 0.9, scale.y(column.middle), scale.y(column.middle), COLOURS[3]))
    return scale.svg(parts, title)


def bars(columns: Sequence[Bar], unit: str, title: str) -> str:
    """Parts on top of each other."""
    highest = max([sum(height for _, height, _ in column.parts) for column in columns] or [0.0])
    scale = _Scale(0.0, highest * 1.05 or 1.0, len(columns))
    parts = scale.axis(unit)
    for place, column in enumerate(columns):
        parts.append(scale.label(place, column.name))
        below = 0.0
        for colour, height, said in column.parts:
            top = scale.y(below + height)
            parts.append('<rect x="%.1f" width="%.1f" y="%.1f" height="%.1f" fill="%s"><title>%s</title></rect>' % (
                scale.left(place) + scale.width * 0.2, scale.width * 0.6, top, scale.y(below) - top,
                COLOURS[colour % len(COLOURS)], html.escape(said)))
            below += height
    return scale.svg(parts, title)


class _Scale:
    """From values to pixels, with round numbers at the axis."""

    def __init__(self, low: float, high: float, columns: int) -> None:
        self._low, self._high = low, high
        self.width = min(_COLUMN, (_WIDEST - _LEFT) / max(1, columns))
        self._right = _LEFT + self.width * max(1, columns)

    def y(self, value: float) -> float:
        return _TOP + _HEIGHT * (self._high - value) / (self._high - self._low)

    def left(self, place: int) -> float:
        return _LEFT + self.width * place

    def label(self, place: int, name: str) -> str:
        most = max(3, int(self.width / 8))
        shown = name if len(name) <= most else name[:most - 1] + "\u2026"
        return '<text x="%.1f" y="%d" text-anchor="middle"><title>%s</title>%s</text>' % (
            self.left(place) + self.width / 2, _TOP + _HEIGHT + 20, html.escape(name), html.escape(shown))

    def axis(self, unit: str) -> List[str]:
        parts = ['<text x="4" y="%d" font-size="12">%s</text>' % (_TOP + _HEIGHT + 38, html.escape(unit))]
        for value in ticks(self._low, self._high):
            y = self.y(value)
            parts.append('<line x1="%d" x2="%.1f" y1="%.1f" y2="%.1f" stroke="var(--line)"/>' % (_LEFT, self._right, y, y))
            parts.append('<text x="%d" y="%.1f" text-anchor="end" font-size="12">%s</text>' % (_LEFT - 6, y + 4, "%.6g" % value))
        return parts

    def svg(self, parts: Sequence[str], title: str) -> str:
        return ('<svg role="img" aria-label="%s" viewBox="0 0 %.0f %d" width="%.0f" height="%d" fill="currentColor" '
                'font-size="13" font-family="inherit">%s</svg>' % (
                    html.escape(title, True), self._right + 10, _TOP + _HEIGHT + _BELOW, self._right + 10,
                    _TOP + _HEIGHT + _BELOW, "".join(parts)))


def ticks(low: float, high: float) -> List[float]:
    """Some five round numbers between both."""
    rough = (high - low) / 5
    power = 1.0
    while power * 10 <= rough:
        power *= 10
    while power > rough:
        power /= 10
    step = power * next((times for times in (1, 2, 5) if times * power >= rough), 10)
    first = -int(-low // step) if low >= 0 else int(low / step)
    places = [step * number for number in range(first, first + 20)]
    return [value for value in places if low <= value <= high]
