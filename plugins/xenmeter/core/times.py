"""Times and lengths as people write them, in integer nanoseconds."""
import math
import re
from typing import Any, AnyStr, Optional, Union

from xenmeter.core.errors import BadOption

__all__ = ("length_of", "parse_time", "seconds_ns", "fraction_ns")

_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)?(Z|[+-]\d\d:?\d\d)?\Z")
_EPOCH = re.compile(r"\d{1,10}(?:\.\d{1,9})?\Z")
_SECONDS = re.compile(r"(\d+)(?:\.(\d*))?\Z")

#: 2200: the backends' clocks (64 bits of ns) end in 2262, and a recording that begins at a time goes on from there.
_END = 7258118400 * 10 ** 9


def parse_time(text: str, option: str = "start") -> int:
    """ISO 8601 (UTC where it names no zone) or seconds since the epoch, as ns, without floating point on the way; BadOption for
    anything else.

    :param option: the name of the option that holds it, for the error.
    """
    time_ns = _time(text)
    if time_ns is None or not 0 <= time_ns < _END:
        raise BadOption("%s: %r is no time %s; write 2026-11-01T12:00:00Z, or seconds since 1970" % (
            option, text, "of 1970 to 2199" if time_ns is not None else "that can be read"))
    return time_ns


def length_of(given: Any, name: str = "window") -> int:
    """Seconds, as a number or text, in ns; BadOption for what is no length."""
    try:
        length = seconds_ns(given)
    except ValueError:
        length = 0
    if not 10 ** 6 <= length <= 86400 * 10 ** 9:
        raise BadOption("%s: %r is not what it takes: seconds, from 0.001 to 86400" % (name, given))
    return length


def _time(text: str) -> Optional[int]:
    if _EPOCH.match(text):
        return seconds_ns(text)
    match = _ISO.match(text)
    if match:
        import calendar     # it takes as long to import as a plugin does, and few starts need it
        year, month, day, hour, minute, second = [int(part or 0) for part in match.groups()[:6]]
        if 1 <= month <= 12 and 1 <= day <= calendar.monthrange(max(1, year), month)[1] and hour < 24 and minute < 60 \
                and second < 61 and year >= 1970:
            seconds = calendar.timegm((year, month, day, hour, minute, second)) - _zone(match.group(8))
            return seconds * 10 ** 9 + fraction_ns(match.group(7))
    return None


def fraction_ns(digits: Optional[AnyStr]) -> int:
    """What stands behind the point of a number of seconds, in ns; digits beyond the ninth are cut off. None and empty are 0."""
    return int(digits[:9]) * 10 ** max(0, 9 - len(digits)) if digits else 0


def seconds_ns(given: Union[str, float]) -> int:
    """Seconds in ns; ValueError for what is no finite number.

    Text as people write it is taken digit by digit: a float of today's time would be off by some hundred ns. A float, and
    text in another form of one (1e-3), is rounded.
    """
    match = _SECONDS.match(given) if isinstance(given, str) else None
    if match:
        return int(match.group(1)) * 10 ** 9 + fraction_ns(match.group(2))
    seconds = float(given)
    if not math.isfinite(seconds):
        raise ValueError("%r is no number of seconds" % (given,))
    return round(seconds * 10 ** 9)


def _zone(text: str) -> int:
    if not text or text == "Z":
        return 0
    seconds = int(text[1:3]) * 3600 + int(text[-2:]) * 60
    return -seconds if text[0] == "-" else seconds
