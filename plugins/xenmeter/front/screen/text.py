"""Styled text that lies in columns: spans, cells, shares, times in few characters, sparklines. Nothing of a terminal."""
import locale
import os
from typing import Iterable, List, Optional, Sequence, Tuple

from xenmeter.publish.text import display_width, for_terminal

__all__ = ("Span", "Line", "STYLES", "Glyphs", "fit", "cell", "percent", "brief", "short", "count", "spark", "width_of",
           "speaks_unicode")

#: What a span may look like; the terminal decides how.
STYLES = ("", "title", "head", "dim", "good", "warn", "bad", "lost", "chosen", "key")
Span = Tuple[str, str]
Line = List[Span]

_STEPS = ((1000, "ns", 1), (10 ** 6, "us", 1000), (10 ** 9, "ms", 10 ** 6), (100 * 10 ** 9, "s", 10 ** 9))


def speaks_unicode() -> bool:
    """Whether the locale is UTF-8 and the terminal has the characters of a sparkline: a text console's font has not."""
    try:
        locale.setlocale(locale.LC_CTYPE, "")
    except locale.Error:
        return False        # a locale that this host has not
    # Python's own idea of the encoding is UTF-8 in the C locale too, and curses' is not
    encoding = locale.nl_langinfo(locale.CODESET).lower().replace("-", "")
    return encoding == "utf8" and os.environ.get("TERM", "") not in ("linux", "vt220", "vt102", "vt100", "dumb")


class Glyphs:
    """What the terminal's characters allow. :param unicode: more than ASCII."""

    def __init__(self, unicode: bool) -> None:
        self.unicode = unicode
        self.levels = "\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588" if unicode else "_.:-=+*#"
        self.rule = "\u2500" if unicode else "-"

    def safe(self, text: str, width: Optional[int] = None) -> str:
        """Other people's text for this terminal, in ``width`` columns at most."""
        if not self.unicode:
            text = text.encode("ascii", "backslashreplace").decode("ascii")
        return for_terminal(text, width)


def width_of(line: Iterable[Span]) -> int:
    return sum(display_width(text) for text, _ in line)


def fit(line: Sequence[Span], width: int) -> Line:
    """The line in exactly ``width`` columns: cut, or filled up with spaces of the last span's style."""
    spans: Line = []
    left = width
    for text, style in line:
        if display_width(text) > left:
            text = for_terminal(text, left)
        left -= display_width(text)
        if text:
            spans.append((text, style))
        if left <= 0:
            break
    if left > 0:
        style = spans[-1][1] if spans and spans[-1][1] in ("title", "chosen", "lost", "head") else ""
        spans.append((" " * left, style))
    return spans


def cell(text: str, width: int, left: bool = False) -> str:
    """Text in exactly ``width`` columns; a figure that is too long is shown as ``#``, never cut to a smaller one."""
    columns = display_width(text)
    if columns > width:
        text = for_terminal(text, width) if left else "#" * width
        columns = display_width(text)
    blank = " " * (width - columns)
    return text + blank if left else blank + text


def percent(ppm: Optional[int]) -> str:
    """``66.4``, ``1600``; None: ``-``."""
    if ppm is None:
        return "-"
    return "%.1f" % (ppm / 10000) if ppm < 9999500 else "%.0f" % (ppm / 10000)


def brief(ns: Optional[int]) -> str:
    """A time in at most six characters: ``850ns``, ``1.25ms``, ``104us``, ``59.9s``, ``12m``; None: ``-``."""
    return _time(ns, 3)


def short(ns: Optional[int]) -> str:
    """As ``brief``, in at most five characters: ``850ns``, ``1.2ms``, ``104us``, ``60s``."""
    return _time(ns, 2)


def _time(ns: Optional[int], digits: int) -> str:
    if ns is None:
        return "-"
    for limit, unit, divisor in _STEPS:
        if ns < limit * 0.9995:
            value = ns / divisor
            # a value that would be rounded up to more digits has one place less
            places = digits - 1 - sum(value >= power - 0.5 * power / 10 ** digits for power in (10, 100))
            return "%.*f%s" % (0 if divisor == 1 else max(0, places), value, unit)
    minutes = ns // (60 * 10 ** 9)
    return "%dm" % minutes if minutes < 600 else "%dh" % (minutes // 60)


def count(number: Optional[float]) -> str:
    """A count or rate in at most five characters: ``0.25``, ``637``, ``12.5k``, ``104k``, ``3.1M``."""
    if number is None:
        return "-"
    if number < 9.995:
        return "%.2f" % number if number % 1 else "%d" % number
    for divisor, unit in ((1, ""), (1000, "k"), (10 ** 6, "M"), (10 ** 9, "G")):
        value = number / divisor
        if value < 999.5 or unit == "G":
            return ("%.0f" if not unit or value >= 99.95 else "%.1f") % value + unit
    raise AssertionError("a count beyond all units")


def spark(course: Sequence[Tuple[int, Optional[int]]], width: int, levels: str, most: int = 1000000) -> str:
    """A course of (ns, ppm or None) as ``width`` characters, the newest at the right; what is not known is a space.

    One character stands for as many slices as it takes to show a minute; its height is their mean over time.

    :param most: what the highest level stands for, ppm; a higher course sets its own.
    """
    if width <= 0 or not course:
        return " " * max(0, width)
    each = max(1, -(-60 // width))
    groups: List[Optional[float]] = []
    for end in range(len(course), 0, -each):
        known = [(ns, ppm) for ns, ppm in course[max(0, end - each):end] if ppm is not None]
        covered = sum(ns for ns, _ in known)
        groups.append(sum(ns * ppm for ns, ppm in known) / covered if covered else None)
    groups = groups[:width][::-1]
    top = max([most] + [value for value in groups if value is not None])
    drawn = "".join(" " if value is None else levels[min(len(levels) - 1, int(value * len(levels) / top))]
                    for value in groups)
    return " " * (width - len(drawn)) + drawn
