"""A xentop that runs somewhere else and comes in through a pipe: over ssh from a dom0 without Python 3, or by a FIFO."""
import os
import stat
import threading
import time
from typing import Any, Iterator, Optional

from xenmeter.core.clock import thread_cpu_ns
from xenmeter.core.errors import SourceError
from xenmeter.core.source import Report, Source
from xenmeter.core.waiting import readable, received
from xenmeter.xentop.direct import lines
from xenmeter.xentop.samples import Sample
from xenmeter.xentop.text.arrivals import SILENCE, Arrivals

__all__ = ("PipedXentop", "is_pipe")

STDIN = "-"
#: While nothing comes: seconds between two looks at whether the FIFO is still the same one, and at whether to stop.
_LOOK = 1.0
#: Seconds beyond three intervals after which silence is told.
_QUIET = 5
#: Iterations that come too fast until that is told.
_CROWD = 10


def is_pipe(path: str) -> bool:
    """Whether what comes from there comes as it is made: a pipe, a FIFO, a socket or a terminal, and no file."""
    try:
        mode = os.fstat(0).st_mode if path == STDIN else os.stat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) if path == STDIN else stat.S_ISFIFO(mode)


class PipedXentop(Source):
    """Samples of the text of ``xentop -b``, each when it has come and with that time. Whose text it is nobody knows, so no
    xenstore of ours is asked: domains have their names alone.

    :param path: ``-`` is stdin, whose end is the source's; of a FIFO the next writer is waited for.
    :param interval: seconds between iterations, as far as that is known.
    """

    cpu_ns = 0      # of the reading thread
    skipped: Optional[str] = None
    pace_s = 0.0
    note: Optional[str] = None

    def __init__(self, path: str, interval: float) -> None:
        self.interval = interval
        self._path = path
        self._shown = "stdin" if path == STDIN else path
        # a pipe that has no name of its own (/dev/fd/N) has one writer, as stdin has
        self._lasts = path != STDIN and os.path.exists(os.path.realpath(path))

    def samples(self, stop: threading.Event, report: Report) -> Iterator[Sample]:
        """Samples until ``stop`` or, unless it is a FIFO, the end."""
        spent = thread_cpu_ns()
        descriptor = self._open()
        try:
            heard = False
            while not stop.is_set():
                for sample in self._of_one_writer(descriptor, stop, report):
                    heard = True
                    self.cpu_ns = thread_cpu_ns() - spent
                    yield sample
                if stop.is_set():
                    return
                if not self._lasts:
                    if not heard:
                        raise SourceError("%s: no iteration of xentop -b came" % self._shown + (
                            "; the first line that could not be read: " + self.skipped if self.skipped else ""))
                    return
                if heard:
                    report(SourceError("%s: xentop has ended; another is waited for" % self._shown))
                # the new descriptor before the old one goes: what the next writer has written already would go with it
                fresh = self._reopened(stop, report)
                if fresh is None:
                    return
                os.close(descriptor)
                descriptor = fresh
        finally:
            os.close(descriptor)

    def _open(self) -> int:
        try:
            return os.dup(0) if self._path == STDIN else os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise SourceError("%s: %s" % (self._shown, error.strerror))

    def _reopened(self, stop: threading.Event, report: Report) -> Optional[int]:
        while not stop.is_set():
            try:
                return self._open()
            except SourceError as error:
                report(error)
                stop.wait(_LOOK)
        return None

    def _of_one_writer(self, descriptor: int, stop: threading.Event, report: Report) -> Iterator[Sample]:
        """Until it has closed its end, or the FIFO is another one."""
        arrivals = Arrivals(self.interval, ours=False)
        silent_since, told, more = time.monotonic(), False, True
        while more and not stop.is_set():
            data, more = self._read(descriptor, SILENCE if arrivals.parser.waits else _LOOK)
            if data:
                if arrivals.parser.first_skipped is None and data.startswith(lines.START):
                    raise SourceError("%s: these are readings of source direct, which have their times: give the file's name, or "
                                      "read them as a recording, with --start 0" % self._shown)
                silent_since, told = time.monotonic(), False
            found = arrivals.take(data, more)
            if found:
                self._learn(arrivals)
            for arrived in found:
                yield Sample(arrived.time_ns, arrived.iteration, None, arrived.iteration.without_rates, None)
            if self.skipped is None and arrivals.parser.first_skipped:
                self.skipped = repr(arrivals.parser.first_skipped[1]) + (
                    "; " + arrivals.parser.foreign if arrivals.parser.foreign else "")
            silent = time.monotonic() - silent_since
            if silent > _QUIET + 3 * max(self.interval, self.pace_s) and not told:
                told = True
                self._report_silence(report)

    def _report_silence(self, report: Report) -> None:
        if self.pace_s:
            report(SourceError("%s: xentop says nothing any more; it is waited for" % self._shown))
        else:
            self.note = "%s: nothing comes; a xentop -b is waited for" % self._shown

    def _read(self, descriptor: int, seconds: float) -> Any:
        """(bytes, whether more may come)."""
        if not readable([descriptor], seconds):
            return b"", not self._replaced(descriptor)
        try:
            data = received(descriptor, 1 << 18)
        except OSError as error:
            raise SourceError("%s: %s" % (self._shown, error.strerror))
        return data or b"", data != b""

    def _replaced(self, descriptor: int) -> bool:
        """Whether another FIFO stands where ours did; none is no other one."""
        if not self._lasts:
            return False
        try:
            there, ours = os.stat(self._path), os.fstat(descriptor)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino)

    def _learn(self, arrivals: Arrivals) -> None:
        """How far apart iterations come, and whether they are a xentop's that runs."""
        if arrivals.crowded > _CROWD:
            self.note = ("%s: iterations come faster than any xentop prints them, and most are left out; a recording in a pipe "
                         "is read with --start" % self._shown)
        elif arrivals.distance_ns is not None and not self.pace_s:
            self.note = None
            self.pace_s = arrivals.distance_ns / 1e9
            if abs(self.pace_s - self.interval) > max(0.6, 0.4 * self.interval):     # xentop takes whole seconds, and some time
                self.note = "%s: iterations come every %d s: give that as the interval, which is %s s" % (
                    self._shown, max(1, round(self.pace_s)), self.interval)
