"""The forms in which ``xenmeter bench`` tells its runs."""
import sys
from typing import Any, Callable, Dict

from xenmeter.bench import table
from xenmeter.bench.outputs import line_of
from xenmeter.bench.readings import CATALOGUE, GROUPS, Readings
from xenmeter.publish.collectdvalues import CollectdValues
from xenmeter.publish.influx import LineProtocol
from xenmeter.publish.openmetrics import Exposition
from xenmeter.publish.putval import Putval
from xenmeter.publish.text import for_terminal

__all__ = ("FORMS", "Told")

FORMS = ("table", "json", "influx", "collectd", "openmetrics", "prometheus")


class Told:
    """Writes runs to stdout as they are done; an exposition at the end, with the last run of each label."""

    def __init__(self, form: str) -> None:
        self._readings = Readings()
        self._last: Dict[str, Dict[str, Any]] = {}
        self._exposition = Exposition([CATALOGUE], GROUPS) if form in ("openmetrics", "prometheus") else None
        self._form = form
        forms: Dict[str, Callable[[Dict[str, Any]], bytes]] = {"table": _table, "json": line_of}
        if form == "influx":
            protocol = LineProtocol([CATALOGUE], GROUPS)
            forms[form] = lambda record: protocol.encode(self._readings.of(record))
        elif form == "collectd":
            putval = Putval(CollectdValues([CATALOGUE], "xenbench", GROUPS), "xenbench")
            forms[form] = lambda record: putval.encode([self._readings.of(record)])
        self._encode = forms.get(form)

    def run(self, record: Dict[str, Any]) -> None:
        self._last[record["label"]] = record
        if self._encode is not None:
            _write(self._encode(record))

    def end(self) -> None:
        if self._exposition is not None:
            readings = [self._readings.of(record) for record in self._last.values()]
            _write((self._exposition.openmetrics if self._form == "openmetrics" else self._exposition.text)(readings))


def _write(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.flush()


def _table(record: Dict[str, Any]) -> bytes:
    return "".join(line + "\n" for line in table.lines(record, for_terminal)).encode("utf-8")
