"""Xen's system time, known without asking for it: from stamps that the hypervisor leaves where we can read them.

A stamp that is read now was made in the past. So the largest difference between a stamp and our own clock, read after it,
is the nearest to the truth that stamps can tell, and never beyond it: a time told here is never ahead of Xen's. How far it
lags is how long, at its best, a stamp waited for being read: with a hundred changes a second some milliseconds at most.

Our own clock is CLOCK_MONOTONIC_RAW: as Xen's, it is not slewed by NTP. The two are calibrated apart and drift by some parts
in a million; a difference is kept for no longer than two spans, so that the drift does not add up.

One stamp that is not of Xen's clock would spoil the time for all. Dom0's kernel starts some seconds or minutes after Xen, and
counts its own time up: a stamp far beyond it is none. What a lesser lie has told ends with the spans that it was seen in.
"""
import time
from typing import Callable, Optional

__all__ = ("SystemTime", "raw_ns", "alive_ns")

SPAN_NS = 60 * 10 ** 9
#: How much longer than dom0's kernel Xen can be up, and how far the two clocks can have drifted apart: one part of so many.
_EARLIER_NS = 600 * 10 ** 9
_DRIFT = 1000

_CLOCK_BOOTTIME = 7         # Linux's; Python 3.6 does not name it


def raw_ns() -> int:
    """ns; Python 3.6 has no clock_gettime_ns, and its float is good for 100 ns in the first year of uptime."""
    return int(time.clock_gettime(time.CLOCK_MONOTONIC_RAW) * 1e9)


def alive_ns() -> int:
    """ns since dom0's kernel started, sleep included."""
    return int(time.clock_gettime(_CLOCK_BOOTTIME) * 1e9)


class SystemTime:
    """What Xen's clock shows, at the latest.

    :param clock: ns of a clock that runs as fast as Xen's.
    :param alive: ns for which dom0 has been up.
    """

    def __init__(self, clock: Callable[[], int] = raw_ns, alive: Callable[[], int] = alive_ns) -> None:
        self._clock = clock
        self._alive = alive
        self._told = 0              # not told less than this
        self._began = 0             # our clock's time at which the present span began
        self._present: Optional[int] = None  # largest difference in it
        self._past: Optional[int] = None  # and in the one before

    def latest(self) -> int:
        """ns; a stamp beyond is not one of Xen's clock."""
        alive = self._alive()
        return alive + alive // _DRIFT + _EARLIER_NS

    def saw(self, stamp: int) -> None:
        """A stamp of Xen's clock in ns, read just before this call and not beyond :meth:`latest`."""
        now = self._clock()
        if now - self._began >= SPAN_NS:
            self._past, self._present, self._began = self._present, None, now
        if self._present is None or stamp - now > self._present:
            self._present = stamp - now

    def now(self) -> Optional[int]:
        """ns, not less than before but where that was a lie; None while no stamp was seen."""
        ahead = [difference for difference in (self._past, self._present) if difference is not None]
        if not ahead:
            return None
        time_ns = self._clock() + max(ahead)
        if not time_ns < self._told <= time_ns + SPAN_NS:     # by more than a span it does not fall for want of stamps
            self._told = time_ns
        return self._told
