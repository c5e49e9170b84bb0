"""A reader of the user's own: a regular expression with the groups ``value``, and if it likes ``unit`` and ``name``."""
import re
from typing import Callable

from xenmeter.bench.readers.texts import whole
from xenmeter.bench.results import Figure, MORE, Result, Unusable
from xenmeter.core.errors import BadOption

__all__ = ("pattern_reader",)


def pattern_reader(text: str) -> Callable[[str, str, int], Result]:
    """A reader that takes a figure of each match in stdout, or else in stderr; more is taken for better.

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
            for match in pattern.finditer(whole(printed)):
                groups = match.groupdict()
                try:
                    value = float(groups["value"].replace(",", ""))
                except (AttributeError, ValueError):
                    raise Unusable("pattern: %r on %s is no number" % (groups["value"], place))
                figures.append(Figure(groups.get("name") or "value", value, groups.get("unit") or "1", MORE))
            if figures:
                return Result(tuple(figures), None, ())
        raise Unusable("pattern: nothing that the program printed matches; it ended with status %d" % status)

    return read
