"""A reader of the user's own: a regular expression with the groups ``value``, and if it likes ``unit``, ``name`` and ``work``."""
import re
from typing import Callable, Optional

from xenmeter.bench.readers.texts import whole
from xenmeter.bench.results import Figure, LESS, MORE, Result, Unusable, Work
from xenmeter.core.errors import BadOption

__all__ = ("pattern_reader",)


#: Units of figures of which less is better; of all others more is.
_TIMES = ("ns", "us", "ms", "s", "min", "h")


def pattern_reader(text: str) -> Callable[[str, str, int], Result]:
    """A reader that takes a figure of each match in stdout, or else in stderr; more is taken for better, but of times less.

    The group ``work`` is how much was done, in ``work_unit`` (``byte``, ``request``); of several matches the last tells it.

    :raises BadOption: this is no regular expression, or one without a group ``value``.
    """
    try:
        pattern = re.compile(text, re.M)
    except re.error as error:
        raise BadOption("--reader %s is no regular expression: %s" % (text, error))
    if "value" not in pattern.groupindex:
        raise BadOption("--reader %s has no group (?P<value>...)" % text)

    def read(out: str, err: str, status: int) -> Result:
        for place, printed in (("stdout", out), ("stderr", err)):
            figures = []
            work: Optional[Work] = None
            for match in pattern.finditer(whole(printed)):
                groups = match.groupdict()
                unit = groups.get("unit") or "1"
                figures.append(Figure(groups.get("name") or "value", _number(groups["value"], place), unit,
                                      LESS if unit in _TIMES else MORE))
                if groups.get("work"):
                    work = Work(_number(groups["work"], place), groups.get("work_unit") or "unit")
            if figures:
                return Result(tuple(figures), work, ())
        raise Unusable("pattern: nothing that the program printed matches; it ended with status %d" % status)

    return read


def _number(text: Optional[str], place: str) -> float:
    """A number, maybe with commas."""
    try:
        value = float((text or "").replace(",", ""))
    except ValueError:
        value = float("nan")
    if value != value:
        raise Unusable("pattern: %r on %s is no number" % (text, place))
    return value
