"""Iterations of a xentop that runs, each with the time at which it came."""
from typing import Any, List, NamedTuple, Optional

from xenmeter.core.clock import SetClock, ahead_ns, steady_ns
from xenmeter.xentop.text.parse import Parser
from xenmeter.xentop.text.records import Iteration

__all__ = ("Arrivals", "Arrived", "SILENCE")

#: Seconds of silence after which an iteration is looked at as complete: xentop prints one in a single burst.
SILENCE = 0.1
#: Text that goes on coming for so long, ns, is taken for complete iterations all the same.
_BURST_NS = 2 * 10 ** 8
#: Nearer to each other than this, ns, iterations were not printed by a xentop that waits between them.
_NEAREST_NS = 5 * 10 ** 7


class Arrived(NamedTuple):
    """``rated``: its CPU(%) are rates: xentop's clock was not set while it took them."""

    time_ns: int
    iteration: Iteration
    rated: bool


class Arrivals:
    """Bytes as they come, and silence, to iterations.

    :param interval: seconds between iterations, as far as that is known.
    :param flags: of xentop, as for the parser.
    :param ours: it is a xentop that we have started: it goes by our clock, and prints nothing but what it has just seen.
    :ivar crowded: ``int``, iterations left out because more came at once than can have been made since the last one; the
        newer ones are kept. None of our own xentop's.
    :ivar distance_ns: between the last two that came each for itself, or None.
    """

    def __init__(self, interval: float, flags: str = "", ours: bool = True) -> None:
        self.parser = Parser(flags)
        self.crowded = 0
        self.distance_ns: Optional[int] = None
        self._interval_ns = int(interval * 10 ** 9)
        self._clock: Optional[SetClock] = SetClock() if ours else None
        self._unrated = 0           # so many iterations more
        self._came: Any = None      # when the first byte of what is in hand did, steady
        self._heard = 0             # when the newest byte did
        self._burst: List[Iteration] = []     # complete, but more may come with them
        self._last = steady_ns() - self._interval_ns    # time of the last iteration, steady
        self._heard_one = False

    def take(self, data: bytes, more: bool) -> List[Arrived]:
        """What is complete now.

        :param data: what came; empty after ``SILENCE``, or at the end.
        :param more: whether the stream goes on.
        """
        now = steady_ns()
        if data:
            self._heard = now
            if self._came is None:
                self._came = now
        self._burst += self.parser.feed(data) if data else self.parser.flush() if more else self.parser.close()
        if data and now - self._came < _BURST_NS:
            return []
        found, self._burst = self._burst, []
        arrived = self._stamped(found) if found else []
        if found or not self.parser.waits:
            self._came = now if data else None
        return arrived

    def _stamped(self, found: List[Iteration]) -> List[Arrived]:
        """One came when its first byte did. Where several come at once, they were printed while nobody read (this process or
        its host stood still): an interval apart, if there is room for that since the last one."""
        came = self._heard if len(found) > 1 else self._came
        pace = self.distance_ns or self._interval_ns
        room = max(0, came - self._last)
        fit = len(found)
        if self._clock is None:
            fit = 0 if room < _NEAREST_NS else min(fit, max(1, 2 * room // pace))
        self.crowded += len(found) - fit
        found = found[len(found) - fit:]
        step = min(pace, room // max(1, fit))
        if fit == 1 and self._heard_one:
            self.distance_ns = room
        self._heard_one = self._heard_one or fit > 0
        if not found:
            return []
        self._last = came
        self._look_at_clock(len(found))
        newest = came + ahead_ns()      # this process may stand still between any two looks at a clock
        arrived = []
        for left, iteration in zip(range(len(found) - 1, -1, -1), found):
            arrived.append(Arrived(newest - left * step, iteration, not self._unrated))
            self._unrated = max(0, self._unrated - 1)
        return arrived

    def _look_at_clock(self, number: int) -> None:
        """A clock that was set since the last iteration: it was so for these, or will have been for the next one, as xentop
        looks at it before it counts."""
        if self._clock is not None and abs(self._clock.moved()) > self._interval_ns // 20:
            self._unrated = number + 1
