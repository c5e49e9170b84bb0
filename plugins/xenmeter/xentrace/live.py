"""The baker's shared file as a source."""
import threading
from typing import Iterator, Optional

from xenmeter.core.errors import NoPrivilege, SourceError
from xenmeter.core.source import Report, Source
from xenmeter.xentrace.baker.document import to_sample
from xenmeter.xentrace.baker.launch import OwnBaker
from xenmeter.xentrace.baker.shm import NothingYet, Reader
from xenmeter.xentrace.samples import Sample, about_slices

__all__ = ("Baked",)

#: Seconds before the next look for a baker: where there is none, and where we have just started one.
PAUSE = 2.0
_START = 0.2


class Baked(Source):
    """Samples of a running baker, one per interval; none while it has nothing new. What reading costs is the baker's own to tell.

    :param path: its shared file.
    :param allocation: say so where it has no time slices.
    :param own: what to start where no baker runs, and to end with the samples; None: only wait for one.
    """

    def __init__(self, path: str, interval: float, own: Optional[OwnBaker] = None, allocation: bool = False) -> None:
        self._reader = Reader(path)
        self._interval = interval
        self._allocation = allocation
        self._own = own
        self.others = False     # whether the newest sample is of a baker that somebody else runs

    @property
    def children_ns(self) -> int:
        return 0 if self._own is None else self._own.cpu_ns

    def samples(self, stop: threading.Event, report: Report) -> Iterator[Sample]:
        last = None
        try:
            while not stop.is_set():
                pause = self._interval
                try:
                    sequence, time_ns, data = self._reader.read(self.histograms)
                    if (sequence, time_ns) != last:
                        last = sequence, time_ns
                        self.others = self._own is None or not self._own.runs
                        sample = to_sample(time_ns, data, self._reader.cells)
                        if self._allocation and sample.remark is None:
                            sample = sample._replace(remark=about_slices(sample.figures))
                        yield sample
                except NoPrivilege as error:
                    report(error)
                except NothingYet as error:
                    pause = min(self._interval, _START)
                    if self._own is None:
                        report(error)
                except SourceError as error:
                    pause = min(self._interval, PAUSE)
                    if self._own is None:
                        report(error)
                    else:
                        pause = self._start(self._own, report)
                stop.wait(pause)
        finally:
            self._reader.close()
            if self._own is not None:
                self._own.stop()

    def _start(self, own: OwnBaker, report: Report) -> float:
        """Start a baker of our own, or see why it has ended; the pause until the next look."""
        try:
            own.start()
        except SourceError as error:
            report(error)
            return max(self._interval, PAUSE)
        failure = own.failure()
        if failure is None:
            return _START
        report(SourceError("no baker runs here, and none can be started: %s" % failure))
        own.stop()
        return max(self._interval, PAUSE)
