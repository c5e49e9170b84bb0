"""What a sample says as JSON and CSV: the same figures as everywhere, whole, for people's own programs.

JSON: one object per sample, a list of objects per table of the catalogue, histograms as their summary. CSV: XenMon's log,
one row per domain and window.
"""
from typing import Any, Dict, List

from xenmeter.core.reading import Reading
from xenmeter.core.source import ReadingMirror
from xenmeter.publish import jsonlines
from xenmeter.publish.csvrows import TIMES, CsvWriter
from xenmeter.publish.generic import as_object, divided
from xenmeter.xentrace.collector import CATALOGUE
from xenmeter.xentrace.samples import Sample

__all__ = ("JsonMirror", "CsvMirror", "COLUMNS", "MEANINGS")

_TABLES = (("domains", "domain"), ("vcpus", "vcpu"), ("windows", "window"), ("latencies", "latency"),
           ("lengths", "length"), ("pcpus", "pcpu"), ("cstates", "cstate"), ("trace", "trace"))
_KEPT = (("causes", "cause"), ("lasting", "lasting"))
_WINDOW = CATALOGUE.entities["window"].figures
#: From the waits' number on, which has no column.
_WAITS = CATALOGUE.entities["latency"].figures[1:]

#: Columns of the CSV form, and what they mean: of figures what the catalogue says.
MEANINGS = (
    ("time", "end of the window: ISO 8601 in UTC, or seconds since 1970 (`--csv-time epoch`)"),
    ("domain", "the domain's name"),
    ("uuid", "the domain's UUID"),
    ("domid", "its number in this life"),
    ("window", "the window's length, like `10s`"),
) + tuple([(figure.influx.field, figure.help) for figure in _WINDOW if figure.influx]) + tuple(
    [(figure.key, figure.help.replace("of them", "of the waits that ended in it, whatever their cause")) for figure in _WAITS])
COLUMNS = tuple([name for name, _ in MEANINGS])


class JsonMirror(ReadingMirror):
    """One JSON object per line and sample."""

    def __init__(self, options: Any) -> None:
        self._per_vcpu = options.per_vcpu

    def reading(self, sample: Sample, reading: Reading) -> bytes:
        document: Dict[str, Any] = {"time_ns": reading.time_ns, "span_ns": sample.figures["trace"]["span_ns"]}
        for name, entity in _TABLES:
            document[name] = [as_object(CATALOGUE.entities[entity], row) for row in reading.tables[entity]]
        document["trace"] = document["trace"][0]
        document["remark"] = sample.remark
        if not self._per_vcpu:
            del document["vcpus"]
        for name, entity in _KEPT:      # where somebody keeps them
            if reading.tables[entity]:
                document[name] = [as_object(CATALOGUE.entities[entity], row) for row in reading.tables[entity]]
        return jsonlines.encode(document)


class CsvMirror(ReadingMirror):
    """One row per domain and window that ended; the time is ISO 8601 or seconds since the epoch."""

    def __init__(self, options: Any) -> None:
        self._time = TIMES[options.csv_time]
        self._writer = CsvWriter(COLUMNS, trusted=("time",))

    def header(self) -> bytes:
        return self._writer.header()

    def reading(self, sample: Sample, reading: Reading) -> bytes:
        stamp = self._time(reading.time_ns)
        waits = {(who, labels[1]): values for who, labels, values in reading.tables["latency"] if labels[0] == "any"}
        rows: List[List[Any]] = []
        for who, labels, values in reading.tables["window"]:
            if who is None:
                continue
            cells = [divided(figure, value) for figure, value in zip(_WINDOW, values)]
            rows.append([stamp, who.name, who.uuid, who.domid, labels[0]] + cells + list(waits[who, labels[0]][1:]))
        return self._writer.rows(rows)
