"""A recorded host as a source: xentop's text with xenstore's names beside it, or what source direct read."""
import threading
from typing import Any, Iterator, Optional, Sequence

from xenmeter.core.clock import now_ns
from xenmeter.core.errors import SourceError
from xenmeter.core.playback import from_lines, paced, told
from xenmeter.core.recording import open_recording, times
from xenmeter.core.source import RecordedSource, Report
from xenmeter.core.timeline import Timeline
from xenmeter.xen.domains import Unreadable
from xenmeter.xen.recordednames import NameNote, names_by_iteration, noted_names
from xenmeter.xentop.direct import lines
from xenmeter.xentop.samples import Sample
from xenmeter.xentop.text.lineends import with_line_ends
from xenmeter.xentop.text.parse import Parser

__all__ = ("Playback",)

_CHUNK = 1 << 18
_LINE = 400     # a header, however wide its columns have grown


class Playback(RecordedSource):
    """Samples of a recording, of source direct where it holds that, as ``auto`` chooses on a live host.

    :param path: a recording's directory, or a file with xentop's text or direct's lines; ``-`` is stdin.
    :param start_ns: wall-clock time of the first iteration where the recording has no times, ns; None: now.
    :param interval_ns: between iterations where the recording does not say it.
    :param pace: 0 plays at once, 1 in the recording's own time, 10 ten times as fast.
    :param live: names of live sources, for the message where there is no such path.
    """

    def __init__(self, path: str, start_ns: Optional[int] = None, interval_ns: int = 10 * 10 ** 9, pace: float = 0,
                 live: Sequence[str] = ()) -> None:
        super().__init__(pace)
        self._recording = open_recording("/dev/stdin" if path == "-" else path, live)
        self._source = self._recording.source("direct" if self._recording.has("direct") else "xentop")
        self._stamps = self._recording.stamps(self._source)
        noted = noted_names(self._recording)
        self._names = names_by_iteration(noted)
        self._line_ends = with_line_ends(facts.name for note in noted if note.snapshot is not None
                                         for facts in note.snapshot.domains)
        if start_ns is None:
            start_ns = self._recording.start_ns({}) or now_ns()
        self._start_ns = start_ns
        self._told_ns = self._recording.interval_ns(self._source)
        self._interval_ns = self._told_ns or interval_ns
        self._pace = pace
        self._timeline = Timeline()
        self._why = ""          # what was left out first, and where

    @property
    def timeline(self) -> Timeline:
        return self._timeline

    def samples(self, stop: threading.Event, report: Report) -> Iterator[Any]:
        """DirectSamples or Samples; a file tells by its beginning what it holds."""
        with self._recording.open(self._source["file"]) as opened:
            file: Any = self.watch(opened)      # buffered: it has a peek
            if file.peek(len(lines.START)).startswith(lines.START):
                samples: Iterator[Any] = from_lines(file, lines.from_json,
                                   "a reading of source direct, as `xenmeter record` writes it")
            else:
                samples = self._of_text(file)
            yield from paced(told(samples, self._timeline, self._told_ns), self._pace, stop)

    def _of_text(self, file: Any) -> Iterator[Sample]:
        stamp: Optional[int] = None
        clock = times(self._stamps, self._start_ns, self._interval_ns)
        for number, iteration in enumerate(self._iterations(file)):
            stamp = next(clock)
            yield Sample(stamp, iteration, _as_names(self._names(number)), iteration.without_rates)
        if stamp is None:
            raise SourceError("%s: no iteration of xentop -b in it%s" % (self._recording.path, self._why))

    def _iterations(self, file: Any) -> Iterator[Any]:
        parser = Parser()
        parser.know(self._line_ends)
        ends = "; its lines end in CR LF, where xentop's end in LF" if b"\r\n" in file.peek(1)[:_LINE] else ""
        while True:
            data = file.read(_CHUNK)
            yield from parser.feed(data) if data else parser.close()
            if parser.first_skipped and self.skipped is None:
                self.skipped = repr(parser.first_skipped[1])
                self._why = "; the first line that could not be read, at byte %d: %s%s%s" % (
                    parser.first_skipped[0], self.skipped, ends, "; " + parser.foreign if parser.foreign else "")
            if not data:
                return


def _as_names(noted: Optional[NameNote]) -> Any:
    if noted is None:
        return None
    return noted.snapshot if noted.unreadable is None else Unreadable(noted.unreadable)
