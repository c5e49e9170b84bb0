"""The smallest plugin: one file of /proc, live and recorded. What each part must have is in core/plugin.py."""
import os
import re
import threading
from typing import Any, Dict, Iterator, Mapping, NamedTuple, Optional, Sequence, Tuple

from xenmeter.core import catalogue
from xenmeter.core.clock import now_ns
from xenmeter.core.errors import SourceError
from xenmeter.core.options import Option
from xenmeter.core.playback import from_lines, paced
from xenmeter.core.plugin import Plugin, Probe, common_options
from xenmeter.core.reading import Reading
from xenmeter.core.recorder import Part
from xenmeter.core.recording import open_recording
from xenmeter.core.source import Collector, RecordedSource, Report, Source
from xenmeter.publish import jsonlines
from xenmeter.xen.polling import Polled

__all__ = ("PLUGIN",)

CATALOGUE = catalogue.load("dom0load", os.path.dirname(os.path.abspath(__file__)))
CATALOGUE.expect("load", ("average",))
CATALOGUE.expect("processes", ("running",))

PATH = "/proc/loadavg"
LIVE = ("auto", "loadavg")
SPANS = ("1m", "5m", "15m")
#: proc(5): three averages, runnable/existing threads, and the last process id.
_LINE = re.compile(rb"(\d+)\.(\d\d) (\d+)\.(\d\d) (\d+)\.(\d\d) (\d+)/\d+ \d+\n?\Z")


class Sample(NamedTuple):
    time_ns: int
    averages: Tuple[int, ...]   # thousandths, in the order of SPANS
    running: int
    remark: Optional[str] = None    # there is nothing to say of it


def parse(text: bytes) -> Tuple[Tuple[int, ...], int]:
    """(averages in thousandths, runnable threads) of the file; SourceError where it is not what proc(5) says."""
    match = _LINE.match(text)
    if match is None:
        raise SourceError("%s: not three averages and the number of threads: %.60r" % (PATH, text))
    numbers = [int(number) for number in match.groups()]
    return tuple([numbers[place] * 1000 + numbers[place + 1] * 10 for place in (0, 2, 4)]), numbers[6]


class _Session:
    hypercalls = 0

    def read(self) -> Sample:
        try:
            with open(PATH, "rb") as file:
                return Sample(now_ns(), *parse(file.read(200)))
        except OSError as error:
            raise SourceError("%s: %s" % (PATH, error.strerror))

    def close(self) -> None:
        """Nothing stays open."""


class Playback(RecordedSource):
    """What ``xenmeter record`` wrote."""

    def __init__(self, path: str, pace: float) -> None:
        super().__init__(pace)
        self._recording = open_recording(path, LIVE)
        self._file = self._recording.source("dom0load")["file"]
        self._pace = pace

    def samples(self, stop: threading.Event, report: Report) -> Iterator[Sample]:
        with self._recording.open(self._file) as file:
            for sample in paced(from_lines(self.watch(file), _from_json, "a load of dom0"), self._pace, stop):
                yield sample


def _from_json(line: Dict[str, Any]) -> Sample:
    return Sample(line["time_ns"], tuple(line["averages"]), line["running"])


class LoadCollector(Collector):
    """Has nothing to keep between samples: there is no counter, and no domain."""

    def collect(self, sample: Sample) -> Reading:
        return Reading(sample.time_ns, {
            "load": [(None, (span,), (average,)) for span, average in zip(SPANS, sample.averages)],
            "processes": [(None, (), (sample.running,))]})


class Load(Part):
    name = "dom0load"

    def _source(self) -> Polled:
        return Polled(self._interval, _Session)

    def _write(self, sample: Sample) -> None:
        self._file("dom0load.jsonl").write(jsonlines.encode({
            "time_ns": sample.time_ns, "averages": sample.averages, "running": sample.running}))

    def told(self) -> Dict[str, Dict[str, Any]]:
        return {self.name: {"file": "dom0load.jsonl", "interval_s": self._interval}}


def open_source(options: Any) -> Source:
    return Polled(options.interval, _Session) if options.source in LIVE else Playback(options.source, options.pace)


def probe() -> Tuple[str, str]:
    sample = _Session().read()
    return "load of dom0, now %d.%03d" % divmod(sample.averages[0], 1000), "one small file of /proc"


def _probes() -> Sequence[Probe]:
    return (("loadavg", probe),)


def _auto(usable: Mapping[str, bool]) -> str:
    return "loadavg" if usable["loadavg"] else ""


def _recorders(directory: str, interval: int) -> Sequence[Part]:
    return (Load(directory, interval),)


OPTIONS: Tuple[Option, ...] = tuple([
    option for option in common_options(("load",), "auto or loadavg, or the path of a recording", LIVE)
    if option.name not in ("include", "exclude", "dom0", "start")])

PLUGIN = Plugin("dom0load", "how many processes of dom0 run or wait", CATALOGUE, OPTIONS, open_source,
                lambda options: LoadCollector(), probes=_probes, auto=_auto, recorders=_recorders)
