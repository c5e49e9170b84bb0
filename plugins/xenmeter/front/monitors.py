"""The host's health as monitoring systems that start a program want it said: Nagios and Icinga, Checkmk's local checks, Zabbix.

Nagios: one line, performance data behind ``|``, the exit status (monitoring-plugins.org, development guidelines, sections 2.5 and
2.6). Checkmk: one line, status, "service", metrics, text. Zabbix: one JSON object, of which dependent items take their values.
"""
import json
import re
import sys
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from xenmeter.core.errors import BadOption, XenmeterError, told
from xenmeter.front.health import FIGURES, Figure, Health, look
from xenmeter.publish.table import humanise
from xenmeter.publish.text import for_terminal

__all__ = ("FORMS", "Range", "say", "UNKNOWN")

OK, WARNING, CRITICAL, UNKNOWN = range(4)
_WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
#: From the worst on: what is bad for certain is worse than what nobody knows.
_ORDER = (CRITICAL, WARNING, UNKNOWN, OK)
FORMS = ("nagios", "checkmk", "zabbix")
#: Of the domains that a figure is about, so many are named.
_NAMED = 3

_RANGE = re.compile(r"(@)?(?:(~|-?\d+(?:\.\d+)?)?(:))?(-?\d+(?:\.\d+)?)?\Z")


class Range(NamedTuple):
    """``10``: 0 to 10 is right; ``10:`` at least 10, ``~:10`` at most 10, ``10:20`` between; with ``@`` before, wrong inside."""

    text: str
    low: float
    high: float
    inside: bool

    @classmethod
    def of(cls, text: str) -> "Range":
        """:raises ValueError: where it is none."""
        match = _RANGE.match(text)
        if not match or not text.strip("@") or text.strip("@") == ":":
            raise ValueError(text)
        inside, start, colon, end = match.groups()
        low = float("-inf") if start == "~" else float(start or 0)
        high = float(end) if end else float("inf")
        if low > high:
            raise ValueError(text)
        return cls(text, low, high, bool(inside))

    def alerts(self, value: float) -> bool:
        return (self.low <= value <= self.high) == self.inside

    @property
    def plain(self) -> str:
        """Its upper bound where that is all there is to it; else nothing."""
        return self.text if re.match(r"[\d.]+\Z", self.text) else ""


#: By figure's name: the ranges of warning and critical, None: none.
Ranges = Dict[str, Tuple[Optional[Range], Optional[Range]]]


def ranges(warnings: Sequence[str], criticals: Sequence[str]) -> Ranges:
    """Of options like ``load=150``; ``load=`` takes away what is there by itself."""
    found = {figure.name: [figure.warning, figure.critical] for figure in FIGURES}
    for place, option, given in ((0, "--warning", warnings), (1, "--critical", criticals)):
        for text in given:
            name, equals, value = text.partition("=")
            if name not in found or not equals:
                raise BadOption("%s %s: takes FIGURE=RANGE; figures are %s" % (option, text, ", ".join(found)))
            found[name][place] = value
    try:
        return {name: (Range.of(low) if low else None, Range.of(high) if high else None) for name, (low, high) in found.items()}
    except ValueError as error:
        raise BadOption("%s is no range: takes 10 (0 to 10 is right), 10:, ~:10, 10:20, @10:20" % error)


def say(form: str, warnings: Sequence[str], criticals: Sequence[str], places: Sequence[str], source: str) -> int:
    """Look, write the form to stdout and give the exit status. What cannot be judged is UNKNOWN, and said in the same form."""
    health: Optional[Health] = None
    bounds: Ranges = {}
    try:
        bounds = ranges(warnings, criticals)
        health = look(places, source)
        status, wrong = _judged(health, bounds, {text.partition("=")[0] for text in [*warnings, *criticals]})
    except XenmeterError as error:
        status, wrong = UNKNOWN, [told(error)]
    text = _one_line("; ".join(wrong + ([_summary(health)] if health else [])))
    sys.stdout.write(_WRITERS[form](status, text, health, bounds) + "\n")
    return status if form == "nagios" else 0


def _judged(health: Health, bounds: Ranges, asked: Any) -> Tuple[int, List[str]]:
    """The worst of all, and what is wrong. A figure for which somebody gave a range must be known."""
    states, wrong = {OK}, []
    for figure in FIGURES:
        warning, critical = bounds[figure.name]
        value = health.values.get(figure.name)
        if value is None:
            if figure.name in asked and (warning or critical):
                states.add(UNKNOWN)
                wrong.append("%s is not known here" % figure.name)
            continue
        for state, bound in ((CRITICAL, critical), (WARNING, warning)):
            if bound is not None and bound.alerts(value):
                states.add(state)
                wrong.append("%s is %s, which is %s %s%s" % (
                    figure.name, _people(figure, value), "in" if bound.inside else "not in", bound.text.lstrip("@"),
                    _names(health.who.get(figure.name, ()))))
                break
    return next(state for state in _ORDER if state in states), wrong


def _names(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return "" if not names else " (%s%s)" % (", ".join(names[:_NAMED]), " and %d more" % more if more > 0 else "")


def _people(figure: Figure, value: float) -> str:
    return humanise(int(value), "bytes") if figure.unit == "B" else ("%.4g %s" % (value, figure.unit)).strip()


def _summary(health: Health) -> str:
    shown = [(figure, health.values[figure.name]) for figure in FIGURES if figure.name in health.values
             and figure.name in ("domains", "cpu", "load", "memory_free")]
    return ", ".join(["%s %s" % (figure.name, _people(figure, value)) for figure, value in shown]) or "no figures of the host"


def _one_line(text: str) -> str:
    """Guests' names are in it: no line ends, and no ``|``, which would begin performance data."""
    return for_terminal(text).replace("|", "?")


def _number(value: float) -> str:
    return "%d" % value if value == int(value) else "%.2f" % value


def _most(figure: Figure, health: Health) -> str:
    """The greatest that a figure can be, as text; the least of all is 0."""
    if figure.name == "memory_free" and "memory_bytes" in health.host:
        return _number(health.host["memory_bytes"])
    return "100" if figure.name in ("cpu", "dom0_memory", "grants", "observed") else ""


def _data(health: Optional[Health], bounds: Ranges) -> Iterator[Tuple[Figure, str, List[Optional[Range]], str]]:
    """(figure, its value, its ranges, the greatest value) of all that is known."""
    if health is not None:
        for figure in FIGURES:
            if figure.name in health.values:
                yield figure, _number(health.values[figure.name]), list(bounds[figure.name]), _most(figure, health)


def _nagios(status: int, text: str, health: Optional[Health], bounds: Ranges) -> str:
    data = ["%s=%s%s;%s;0;%s" % (figure.name, value, figure.unit, ";".join([bound.text if bound else "" for bound in both]), most)
            for figure, value, both, most in _data(health, bounds)]
    return "XEN %s - %s%s" % (_WORDS[status], text, " | " + " ".join(data) if data else "")


def _checkmk(status: int, text: str, health: Optional[Health], bounds: Ranges) -> str:
    data = ["xen_%s=%s;%s;0;%s" % (figure.name, value, ";".join([bound.plain if bound else "" for bound in both]), most)
            for figure, value, both, most in _data(health, bounds)]
    return '%d "Xen host" %s %s' % (status, "|".join(data) or "-", text)


def _zabbix(status: int, text: str, health: Optional[Health], bounds: Ranges) -> str:
    document: Dict[str, Any] = {"status": status, "text": text}
    if health is not None:
        document.update(figures=health.values, host=health.host, domains=health.domains)
    return json.dumps(document, ensure_ascii=True, allow_nan=False)


_WRITERS = {"nagios": _nagios, "checkmk": _checkmk, "zabbix": _zabbix}
