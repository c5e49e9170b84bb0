"""Clocks, as integers of nanoseconds. Python 3.6 has no ``time_ns``; microseconds are what a stamp here can mean."""
import resource
import time
from typing import Callable

__all__ = ("now_ns", "steady_ns", "ahead_ns", "thread_cpu_ns", "SetClock", "Sleep")

#: Two clocks are read at one moment where no more than this lies between, ns; and how often it is tried.
_MOMENT_NS, _TRIES = 10 ** 6, 8
#: Linux's clock that counts while the host sleeps, too; it has a name since Python 3.7.
_BOOTTIME = 7
#: ns that no host sleeps for less.
_SHORTEST_NS = 10 ** 9


def now_ns() -> int:
    """Wall-clock time since the epoch, ns, in steps of a microsecond. It may be set at any moment, back and forth."""
    return int(time.time() * 1000000) * 1000


def steady_ns() -> int:
    """Time since some moment, ns, in steps of a microsecond; nobody sets it (NTP may let it run a little faster or slower)."""
    return int(time.monotonic() * 1000000) * 1000


def ahead_ns() -> int:
    """By how much the wall clock is ahead of the steady one, ns."""
    return _beyond_steady_ns(now_ns)


def _beyond_steady_ns(clock_ns: Callable[[], int]) -> int:
    """By how much a clock is ahead of the steady one, ns. A process that is stopped between the two readings of them would take
    its pause for a clock that was set, or for a host that slept, so they are read again then."""
    for _ in range(_TRIES):
        before = steady_ns()
        other = clock_ns()
        if steady_ns() - before <= _MOMENT_NS:
            break
    return other - before


def thread_cpu_ns() -> int:
    """CPU time of the calling thread, ns. A collectd process has many threads that are not ours."""
    usage = resource.getrusage(resource.RUSAGE_THREAD)
    return int((usage.ru_utime + usage.ru_stime) * 1000000) * 1000


class Sleep:
    """Whether the host has slept (was suspended), between one look and the next."""

    def __init__(self) -> None:
        self._asleep = self._asleep_ns()

    def over(self) -> bool:
        before, self._asleep = self._asleep, self._asleep_ns()
        return self._asleep - before >= _SHORTEST_NS

    @staticmethod
    def _asleep_ns() -> int:
        """Since it was booted."""
        return _beyond_steady_ns(lambda: int(time.clock_gettime(_BOOTTIME) * 1000000) * 1000)


class SetClock:
    """By how much the wall clock is set, between one look and the next."""

    def __init__(self) -> None:
        self._ahead = ahead_ns()

    def moved(self) -> int:
        """ns since the last look, negative where it was set back."""
        before, self._ahead = self._ahead, ahead_ns()
        return self._ahead - before
