"""The trace of a recording: what the rings or an xentrace child say, written as xentrace writes it, up to a size."""
import os
import threading
from typing import Any, Callable, Dict, Optional

from xenmeter.core import files
from xenmeter.core.clock import now_ns
from xenmeter.core.errors import SourceError, XenmeterError
from xenmeter.xentrace.baker import sources
from xenmeter.xentrace.engine.records import window
from xenmeter.xentrace.plugin import SHARED

__all__ = ("TraceRecorder", "record_trace")

#: Pages of each pCPU's ring, where we make the rings.
_RING_PAGES = 32


def record_trace(directory: str, source: str, allocation: bool, limit: int,
                 failed: Callable[[XenmeterError], None]) -> "TraceRecorder":
    """Begin to record this host's trace; no baker may run. XenmeterError where that cannot be.

    :param source: ``rings``, or ``xentrace`` for a child; :param allocation: the granted time slices too.
    """
    return TraceRecorder(directory, sources.open_source(source, allocation, None, _RING_PAGES, SHARED + ".state"), _cpu_khz(),
                         limit, failed)


def _cpu_khz() -> Optional[int]:
    """None where the hypervisor does not say it: then who reads the trace must know it, or the trace itself tells it."""
    try:
        return sources.host_khz()
    except XenmeterError:
        return None


class TraceRecorder:
    """Writes in a thread of its own until it is closed, the trace ends, or ``limit`` bytes are there.

    :param source: has ``passes(stop)`` and ``close()``, as a Bakery's; it is closed with us.
    :param cpu_khz: the TSC's rate, None where the host does not say it.
    :param failed: called, in the thread, where the source ends with an error before anything came of it.
    :ivar remark: what to know about the trace, or None.
    :ivar error: that error, or None.
    """

    FILE = "trace.bin"

    def __init__(self, directory: str, source: Any, cpu_khz: Optional[int], limit: int,
                 failed: Callable[[XenmeterError], None] = lambda error: None) -> None:
        self._failed = failed
        self.error: Optional[XenmeterError] = None
        self._source = source
        self._cpu_khz = cpu_khz
        self._limit = limit
        self._size = 0
        self._stop = threading.Event()
        self.remark: Optional[str] = None
        self._start_ns = now_ns()
        self._end_ns = 0
        self._thread = threading.Thread(target=self._run, name="xenmeter-trace", daemon=True)
        try:
            self._file = files.create(os.path.join(directory, self.FILE))
        except OSError as error:
            source.close()
            raise SourceError("%s: %s" % (directory, error.strerror))
        self._thread.start()

    def _run(self) -> None:
        try:
            for pass_ in self._source.passes(self._stop):
                data = b"".join(window(pcpu, held) for pcpu, held in pass_ or ())
                if self._size + len(data) > self._limit:
                    self.remark = "the trace ends early: it has reached --trace-mb"
                    break
                self._file.write(data)
                self._size += len(data)
        except XenmeterError as error:
            if self._size:
                self.remark = "the trace ends early: %s" % error
            else:
                self.error = error
                self._failed(error)
        except OSError as error:
            self._unwritten(error)
        self._end_ns = now_ns()

    @property
    def lasted_ns(self) -> int:
        """How long it was traced; to be asked when that is over."""
        return self._end_ns - self._start_ns

    def _unwritten(self, error: OSError) -> None:
        self.remark = "the trace ends early: %s cannot be written: %s" % (self._file.name, error.strerror)

    def close(self) -> Optional[Dict[str, Any]]:
        """End the tracing; what the manifest says of the trace, None where nothing came."""
        self._stop.set()
        self._thread.join()
        try:
            self._source.close()
        finally:
            try:
                self._file.close()
            except OSError as error:
                self._unwritten(error)
        if not self._size:
            os.unlink(self._file.name)
            return None
        entry: Dict[str, Any] = {"file": self.FILE, "start_ns": self._start_ns, "end_ns": self._end_ns}
        if self._cpu_khz is not None:
            entry["cpu_khz"] = self._cpu_khz
        return entry
