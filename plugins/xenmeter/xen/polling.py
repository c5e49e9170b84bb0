"""A source that asks at every interval: what all readers of the hypervisor have in common."""
import threading
import time
from typing import Any, Callable, Iterator

from xenmeter.core.clock import thread_cpu_ns
from xenmeter.core.retry import persistent
from xenmeter.core.source import Report, Source

__all__ = ("Polled",)


class Polled(Source):
    """Samples of one session after the other: a session that fails is closed, and after a pause another is opened.

    :param interval: seconds between readings.
    :param open_session: gives an object with ``read()`` (one sample, now), ``hypercalls`` (made so far) and ``close()``;
        called in the thread that reads, because neither handles nor mappings survive a fork.
    :ivar cpu_ns: of the reading thread so far; :ivar hypercalls: made by all sessions so far.
    """

    cpu_ns = 0
    hypercalls: int = 0

    def __init__(self, interval: float, open_session: Callable[[], Any]) -> None:
        self.interval = interval
        self._open = open_session

    def samples(self, stop: threading.Event, report: Report) -> Iterator[Any]:
        """Samples until ``stop``; what goes wrong is reported, and tried again after a pause."""
        return persistent(self._run, stop, report)

    def _run(self, stop: threading.Event) -> Iterator[Any]:
        spent, made = self.cpu_ns - thread_cpu_ns(), self.hypercalls
        session = self._open()
        due = time.monotonic()
        try:
            while not stop.is_set():
                sample = session.read()
                self.hypercalls = made + session.hypercalls
                self.cpu_ns = max(self.cpu_ns, spent + thread_cpu_ns())
                yield sample
                if time.monotonic() >= due:     # else somebody has asked for one in between
                    due = max(due + self.interval, time.monotonic())    # a reading that is late is not made up for
                stop.wait(due - time.monotonic())
        finally:
            session.close()
