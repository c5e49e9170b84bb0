"""A recorded trace as a source: what xentrace wrote, or a recording directory with xenstore's names beside it."""
import threading
import time
from typing import Any, BinaryIO, Callable, Iterator, Optional, Sequence, Tuple

from xenmeter.core.clock import now_ns
from xenmeter.core.recording import open_recording
from xenmeter.core.source import RecordedSource, Report
from xenmeter.core.unpacking import unpacked
from xenmeter.xen.recordednames import names_by_time
from xenmeter.xentrace.engine.doubts import doubts
from xenmeter.xentrace.engine.frequency import checked_khz
from xenmeter.xentrace.engine.picture import Picture
from xenmeter.xentrace.engine.windowed import Baking
from xenmeter.xentrace.samples import Sample, about_slices
from xenmeter.xentrace.tracefile import TraceFile

__all__ = ("Playback",)

_BLOCK = 1 << 18


class Playback(RecordedSource):
    """Samples of a recording, one at each end of the shortest window and one at the end of the trace.

    :param path: a recording's directory, or a file as xentrace writes it.
    :param windows: lengths, ns.
    :param cpu_khz: the TSC's rate on the recorded host; None: what the recording says, or found from the trace.
    :param start_ns: wall-clock time of the trace's beginning where the recording does not tell it; None: now.
    :param pace: 0 plays at once, 1 in the trace's own time, 10 ten times as fast.
    :param allocation: say so where the trace has no time slices.
    :param causes: how many of what made a domain wait are told by name; 0: nobody keeps it.
    :param stream: read the trace from here, and use ``path`` only to name it.
    :param live: names of live sources, for the message where there is no such path.
    """

    undated_ns: Optional[int] = None

    def __init__(self, path: str, windows: Sequence[int], cpu_khz: Optional[int] = None, start_ns: Optional[int] = None,
                 pace: float = 0, per_vcpu: bool = False, allocation: bool = False,
                 stream: Optional[BinaryIO] = None, live: Sequence[str] = (), causes: int = 0) -> None:
        super().__init__(pace)
        self._path = path
        self._windows = windows
        self._per_vcpu = per_vcpu
        self._allocation = allocation
        self._causes = causes
        self._pace = pace
        self._stream = stream
        self._names: Callable[[int], Any] = lambda time_ns: None
        if stream is None:
            recording = open_recording(path, live)
            source = recording.source("xentrace")
            self._names = names_by_time(recording)
            cpu_khz = cpu_khz or checked_khz(source.get("cpu_khz") or None, "cpu_khz of the recording's manifest")
            start_ns = start_ns or recording.start_ns(source)
            self._open = lambda: recording.open(source["file"])
        self._cpu_khz = cpu_khz
        self._start_ns = start_ns or now_ns()
        self.undated_ns = None if start_ns else self._start_ns

    def samples(self, stop: threading.Event, report: Report) -> Iterator[Sample]:
        if self._stream is None:
            stream = self.watch(self._open())
        else:
            stream = unpacked(self.watch(self._stream), "stdin" if self._path == "-" else self._path)
        try:
            trace = TraceFile(stream, self._path, self._cpu_khz, _BLOCK)
            remark = None
            if trace.run_times:
                remark = "the TSC rate of %d kHz was found from %d of the trace's own run times" % (
                    trace.cpu_khz, trace.run_times)
            baking = Baking(trace.cpu_khz, self._windows, per_vcpu=self._per_vcpu, causes=self._causes)
            try:
                began = time.monotonic()
                for figures, last in _bake(baking, trace):
                    trace.check(baking.engine)
                    span = figures["trace"]["span_ns"]
                    if self._pace > 0 and stop.wait(max(0.0, began + span / 1e9 / self._pace - time.monotonic())):
                        return
                    if stop.is_set():
                        return
                    stamp = self._start_ns + span
                    said = [remark or (about_slices(figures) if self._allocation else None)]
                    said += doubts(figures) if last else []     # while it goes on, their numbers would
                    yield Sample(stamp, figures, self._names(stamp), "; ".join(filter(None, said)) or None)
            finally:
                baking.close()
        finally:
            if self._stream is None:
                stream.close()


def _bake(baking: Baking, trace: TraceFile) -> Iterator[Tuple[Picture, bool]]:
    """Figures, and whether they are the last ones."""
    for _ in trace.feed(baking.engine):
        while baking.taken:
            yield baking.taken.popleft(), False
    baking.finish()
    while baking.taken:
        figures = baking.taken.popleft()
        yield figures, not baking.taken
