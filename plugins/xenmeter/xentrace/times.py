"""Lengths of windows, as people give them."""
from typing import Any

from xenmeter.core.errors import BadOption

__all__ = ("length_of",)


def length_of(given: Any, name: str = "window") -> int:
    """Seconds, as a number or text, in ns; BadOption for what is no length."""
    try:
        length = round(float(given) * 10 ** 9)
    except (ValueError, OverflowError):
        length = 0
    if not 10 ** 6 <= length <= 86400 * 10 ** 9:
        raise BadOption("%s: %r is not what it takes: seconds, from 0.001 to 86400" % (name, given))
    return length
