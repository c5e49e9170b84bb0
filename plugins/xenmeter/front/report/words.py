"""Figures as people read them."""
from typing import Optional

__all__ = ("duration", "percent", "count", "amount", "NOT_KNOWN")

NOT_KNOWN = "\u2013"
_UNITS = ((10 ** 9, "s"), (10 ** 6, "ms"), (10 ** 3, "\u00b5s"))


def duration(ns: Optional[int]) -> str:
    """Nanoseconds with three or four digits; page.js says the same."""
    if ns is None:
        return NOT_KNOWN
    for size, unit in _UNITS:
        if ns >= size:
            value = ns / size
            return "%.*f %s" % (1 if value >= 100 else 2 if value >= 10 else 3, value, unit)
    return "%d ns" % ns


def percent(part: Optional[int], whole: int) -> str:
    if part is None or whole <= 0:
        return NOT_KNOWN
    value = 100 * part / whole
    return "0" if part == 0 else "< 0.01" if value < 0.01 else "%.2f" % value if value < 10 else "%.1f" % value


def count(number: Optional[int]) -> str:
    """Digits in groups of three, with narrow spaces."""
    return NOT_KNOWN if number is None else f"{number:,}".replace(",", "\u202f")


def amount(value: Optional[float]) -> str:
    """A rate or quotient with three digits or so."""
    if value is None:
        return NOT_KNOWN
    return count(int(round(value))) if value >= 100 else "%.1f" % value if value >= 10 else "%.2f" % value
