"""How long the baker sleeps between two looks into the rings, and up to when a look has all there was.

Each look costs the same, and at a low rate the rings take minutes to fill: so there is one for each border of a window, a moment
after it. A record stands in its ring as soon as its time stamp has been taken, but for a pCPU that is itself delayed, by SMM or
by a hypervisor below ours: what is ``LATE_NS`` old has come. How far the trace's time is ahead of CLOCK_MONOTONIC is known by
the newest record of each look, which was written before that look was over; of that no more is used than that both go on alike
until the next look.
"""
from typing import Optional

from xenmeter.xentrace.engine.layout import LEAP

__all__ = ("Pace", "LATE_NS")

#: So much later a record may stand in its ring.
LATE_NS = 10 ** 8
#: By so much a look is later than it had to be, for clocks that disagree a little.
_SPARE_NS = 10 ** 7
_LONGEST_NS = 12 * 10 ** 8
#: One part in so many by which the two clocks may differ.
_DRIFT = 50


class Pace:
    """:param cpu_khz: of the TSC: no sleep is so long that a record after it would be taken for a leap."""

    def __init__(self, cpu_khz: int) -> None:
        self._ahead: Optional[int] = None   # of the trace, ns, at the moment of the last look; None: nothing was accounted then
        self._at = 0
        self._longest = min(_LONGEST_NS, LEAP * 950000 // cpu_khz)

    def known_ns(self, began_ns: int) -> int:
        """Time of the trace up to which a look has all there was, that began then (CLOCK_MONOTONIC); -1: it is not known."""
        return -1 if self._ahead is None else began_ns + self._now_ahead(began_ns) - LATE_NS

    def looked(self, now_ns: int, newest_ns: Optional[int], border_ns: int) -> float:
        """A look has been accounted. Seconds until the next one.

        :param newest_ns: time of its newest record, None: there is none; :param border_ns: at which the next window ends.
        """
        if newest_ns is None:
            self._ahead = None
            return 0.0
        ahead = newest_ns - now_ns
        self._ahead = ahead if self._ahead is None else max(ahead, self._now_ahead(now_ns))
        self._at = now_ns
        wait = border_ns - now_ns - self._ahead + LATE_NS + _SPARE_NS
        return min(self._longest, wait + wait // (_DRIFT - 1)) / 1e9

    def _now_ahead(self, now_ns: int) -> int:
        assert self._ahead is not None
        return self._ahead - (now_ns - self._at) // _DRIFT
