"""Numbers as expositions write them: base units, exact where the figure is exact."""
from typing import Any

__all__ = ("NUMBERS", "seconds", "ratio", "bound", "histogram_lines")

_NS = 1000000000
_PPM = 1000000


def seconds(ns: int) -> str:
    """Nanoseconds as seconds, exact decimal text: a float would lose the last digits after 104 days."""
    sign = ""
    if ns < 0:
        sign, ns = "-", -ns
    text = "%s%d.%09d" % ((sign,) + divmod(ns, _NS))
    text = text.rstrip("0")
    return text + "0" if text[-1] == "." else text


def ratio(ppm: int) -> str:
    """Parts per million as a ratio, the shortest text that reads back as that float."""
    return repr(ppm / _PPM)


def thousandths(value: int) -> str:
    """Thousandths as a number, the shortest text that reads back as that float."""
    return repr(value / 1000)


def millionths(value: int) -> str:
    """Millionths as a number, the shortest text that reads back as that float."""
    return repr(value / 1000000)


#: Text of a value by unit; units that are not here are plain integers.
NUMBERS = {"ns": seconds, "ppm": ratio, "milli": thousandths, "micro": millionths}


def bound(value: float) -> str:
    """A bucket's upper bound in the canonical form of OpenMetrics: ``0.001``, ``1e-05``, ``1.0``, ``1e+06``."""
    text = repr(float(value))
    point = text.find(".")
    if point > 6 and "e" not in text:  # Go turns to exponents at 1e+06, Python at 1e+16
        digits = (text[0] + "." + text[1:point] + text[point + 1:]).rstrip("0").rstrip(".")
        text = "%se+%02d" % (digits, point - 1)
    return text


def histogram_lines(name: str, labels: str, value: Any, unit: str) -> str:
    """All lines of one histogram: buckets up to ``+Inf``, count, sum.

    :param labels: ``{...}`` or empty.
    :param value: has ``openmetrics_buckets()``, a list of (``int`` upper bound in the figure's unit or None for
        +Inf, ``int`` cumulative count) in rising order, and ``count`` and ``sum`` (``int``, the figure's unit).
    :param unit: the figure's unit; ns are written in seconds.
    """
    inner = labels[1:-1] + "," if labels else ""
    scale = {"ns": _NS, "ppm": _PPM}.get(unit, 1)
    lines = []
    for upper, count in value.openmetrics_buckets():
        if upper is not None:
            lines.append('%s_bucket{%sle="%s"} %d\n' % (name, inner, bound(upper / scale), count))
    # The last bucket is the count by definition; a reader refuses an exposition where they differ.
    lines.append('%s_bucket{%sle="+Inf"} %d\n' % (name, inner, value.count))
    lines.append("%s_count%s %d\n" % (name, labels, value.count))
    lines.append("%s_sum%s %s\n" % (name, labels, NUMBERS.get(unit, str)(value.sum)))
    return "".join(lines)
