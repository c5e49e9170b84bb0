"""Samples from a source that blocks, for callers that must not: a thread reads ahead and keeps the newest."""
import collections
import threading
import time
from typing import Any, Callable, Deque, Iterator, Optional

from xenmeter.core.errors import SourceError, XenmeterError
from xenmeter.core.source import Report
from xenmeter.core.stopping import Wakeable

__all__ = ("Feed",)


#: Seconds.
_LEAST_PAUSE = 1.0

Samples = Callable[[Any, Report], Iterator[Any]]


class Feed:
    """Runs ``samples`` in a daemon thread from :meth:`start` to :meth:`stop`.

    Start it only where threads survive: in collectd after the daemon has forked, that is in init or read.

    :param samples: ``samples(stop, report)``, a generator that ends soon after the event ``stop`` is set, and calls
        ``report`` with an XenmeterError for what goes wrong while it goes on trying.
    :param again: whether ``samples`` can be called anew after a fault of ours: a live source can, a recording would begin again.
        The seconds between two calls; None: it cannot.
    :param keep: how many samples wait for a reader; older ones give way and are counted.
    :param notify: called, in the thread, after each sample, each error and the end.
    :param takes: ``takes(sample)``, in the thread: False holds it back; None takes all.
    :ivar heard: when the last sample came, held back or not, as time.monotonic() tells it; at first the start.
    """

    def __init__(self, samples: Samples, keep: int = 1, notify: Optional[Callable[[], None]] = None,
                 again: Optional[float] = None, takes: Optional[Callable[[Any], bool]] = None) -> None:
        self._samples = samples
        self._again = again
        self._waiting: Deque[Any] = collections.deque()
        self._keep = keep
        self._notify = notify
        self._changed = threading.Condition()
        self._stop = Wakeable()
        self._thread: Optional[threading.Thread] = None
        self.error: Optional[XenmeterError] = None  # None again after the next sample
        self.ended = False
        self.overrun = 0
        self.heard = time.monotonic()
        self._takes = takes

    def start(self) -> None:
        """Where no thread can be had now, the next ``take`` tries again."""
        thread = threading.Thread(target=self._run, name="xenmeter-feed", daemon=True)
        try:
            thread.start()
            self._thread = thread
        except RuntimeError as error:
            self._report(SourceError("the reader cannot be started: %s; it is tried again" % error))

    def take(self, timeout: float = 0.0) -> Any:
        """The oldest sample that waits, or None after ``timeout`` seconds without one."""
        if self._thread is None and not self._stop.is_set():
            self.start()
        with self._changed:
            if not self._waiting and timeout > 0 and not self.ended:
                self._changed.wait(timeout)
            return self._waiting.popleft() if self._waiting else None

    def ask(self) -> None:
        """A source that waits for the time of its next reading takes one now."""
        self._stop.wake()

    def stop(self, timeout: float = 3.0) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout)

    def _report(self, error: XenmeterError) -> None:
        with self._changed:
            self.error = error
            self._changed.notify_all()
        self._tell()

    def _tell(self) -> None:
        if self._notify is not None:
            self._notify()

    def _read(self) -> bool:
        """Until the source ends; False where that was a fault of ours, which must not end in silence."""
        try:
            for sample in self._samples(self._stop, self._report):
                self.heard = time.monotonic()
                taken = self._takes is None or self._takes(sample)
                with self._changed:
                    if taken:
                        if len(self._waiting) >= self._keep:
                            self._waiting.popleft()
                            self.overrun += 1
                        self._waiting.append(sample)
                    del sample      # it is the taker's now: nothing else shall keep it until the next one
                    self.error = None
                    self._changed.notify_all()
                self._tell()
            return True
        except XenmeterError:
            raise
        except Exception as error:
            self._report(XenmeterError("fault in the reader: %s: %s" % (type(error).__name__, error)))
            return self._stop.is_set()

    def _run(self) -> None:
        try:
            while not self._read() and self._again is not None:
                self._stop.wait(max(_LEAST_PAUSE, self._again))
        except XenmeterError as error:
            self._report(error)
        finally:
            with self._changed:
                self.ended = True
                self._changed.notify_all()
            self._tell()
