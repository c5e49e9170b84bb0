"""Recorded readings as a source: the lines that ``xenmeter vcpu --format json`` and ``xenmeter record`` write."""
import threading
from typing import Iterator, Sequence

from xenmeter.core.playback import from_lines, paced, told
from xenmeter.core.recording import open_recording
from xenmeter.core.source import RecordedSource, Report
from xenmeter.core.timeline import Timeline
from xenmeter.vcpu.records import Sample, from_json

__all__ = ("Playback",)


class Playback(RecordedSource):
    """Samples of a recording, with the times that stand in it.

    :param path: a file of lines, or a recording's directory.
    :param pace: 0 plays at once, 1 in the recording's own time, 10 ten times as fast.
    :param live: names of live sources, for the message where there is no such path.
    """

    def __init__(self, path: str, pace: float = 0, live: Sequence[str] = ()) -> None:
        super().__init__(pace)
        self._recording = open_recording(path, live)
        source = self._recording.source("vcpu")
        self._file = source["file"]
        self._interval_ns = self._recording.interval_ns(source)
        self._pace = pace
        self._timeline = Timeline()

    @property
    def timeline(self) -> Timeline:
        return self._timeline

    def samples(self, stop: threading.Event, report: Report) -> Iterator[Sample]:
        with self._recording.open(self._file) as file:
            samples = from_lines(self.watch(file), from_json,
                                 "a reading of vCPUs, as `xenmeter vcpu --format json` and `xenmeter record` write them")
            yield from paced(told(samples, self._timeline, self._interval_ns), self._pace, stop)
