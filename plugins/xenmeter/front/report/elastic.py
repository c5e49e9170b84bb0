"""Windows for a stream whose length nobody knows: the finest that fit into a fixed number of them.

When there are too many, two become one, and from then on they are twice as long. All figures but the percentiles are
sums, so what comes out is what windows of the final length would have been. Latencies of waiting are kept beside.
"""
from collections import deque
from typing import Any, Dict, List, Set

import numpy

from xenmeter.core import histogram
from xenmeter.xentrace.engine.distribution import EMPTY, Distribution
from xenmeter.xentrace.engine.layout import (F_SLICE_MAX, F_SLICE_MIN, G_BORDER, S_WAIT_OTHER, S_WAIT_PREEMPT, S_WAIT_WAKE,
                                      V_EXECUTIONS)
from xenmeter.xentrace.engine.window import Window
from xenmeter.xentrace.engine.windows import Windows

__all__ = ("AdaptiveWindows", "WAITS")

WAITS = (S_WAIT_OTHER, S_WAIT_WAKE, S_WAIT_PREEMPT)


class AdaptiveWindows(Windows):
    """One length of windows. :param most: even; :param first_ns: the length to begin with.

    :ivar latency: per closed window, life -> Distribution of the waits that ended in it.
    """

    def __init__(self, accounts: Any, most: int = 240, first_ns: int = 1000000) -> None:
        super().__init__(accounts, (first_ns,), most)
        self._most = most
        self.closed = [deque()]
        self.latency: List[Dict[Any, Distribution]] = []
        self._before: Dict[Any, Any] = {}      # life -> its sums at the last border
        self._executions: Dict[Any, int] = {}
        self._done: Set[Any] = set()            # lives that have ended, and are told

    def cross(self, ns: int) -> None:
        g = self.accounts.g
        while g[G_BORDER] <= ns:
            border = g[G_BORDER]
            self.closed[0].append(self._close(0, border))
            self.starts[0] = border
            self.latency.append(self.waits())
            if len(self.closed[0]) >= self._most:
                self._fold()
            g[G_BORDER] = border + self.lengths[0]

    def _fold(self) -> None:
        """Two windows become one. ``most`` is even and all begin at 0, so the open one begins on a border too."""
        windows = self.closed[0]
        self.closed[0] = deque(_joined(windows[place], windows[place + 1]) for place in range(0, len(windows), 2))
        self.latency = [{life: one.get(life, EMPTY).plus([other.get(life, EMPTY)]) for life in set(one) | set(other)}
                        for one, other in zip(self.latency[0::2], self.latency[1::2])]
        self.lengths = (2 * self.lengths[0],)

    def waits(self) -> Dict[Any, Distribution]:
        """Life -> the waits that have ended since this was asked last."""
        waits = {}
        for life in self.accounts.lives:
            if life in self._done:
                continue
            executions = sum(vcpu.row[V_EXECUTIONS] for vcpu in life.vcpus)
            if executions != self._executions.get(life, 0):     # a wait that is over ended with one
                now = total(life)
                waits[life] = _difference(now, self._before.get(life))
                self._before[life] = now
                self._executions[life] = executions
            if life.end is not None:
                self._before.pop(life, None)
                self._done.add(life)
        return {life: ended for life, ended in waits.items() if ended.counts}


def total(life: Any) -> Any:
    """All waits of a life's vCPUs: a row of ``core.histogram`` as an array."""
    rows = [vcpu.hist[state].flat() for vcpu in life.vcpus for state in WAITS]
    if not rows:
        return numpy.zeros(histogram.SIZE, numpy.int64)
    table = [numpy.asarray(row, numpy.int64) for row in rows]
    summed = numpy.sum(table, axis=0)
    summed[histogram.MAX] = max(int(row[histogram.MAX]) for row in table)
    return summed


def _difference(now: Any, before: Any) -> Distribution:
    if before is None:
        before = numpy.zeros(histogram.SIZE, numpy.int64)
    counts = now[histogram.FIRST:] - before[histogram.FIRST:]
    places = numpy.nonzero(counts)[0]
    if not len(places):
        return EMPTY
    most = int(now[histogram.MAX])
    last = int(places[-1]) + histogram.FIRST
    if most == before[histogram.MAX] and last < histogram.SIZE - 1:
        most = min(most, histogram.bounds(last)[1])     # the largest of all is older
    return Distribution(int(now[histogram.SUM] - before[histogram.SUM]), most,
                        tuple((places + histogram.FIRST).tolist()), tuple(counts[places].tolist()))


def _joined(one: Window, other: Window) -> Window:
    figures = dict(one.ordered())
    for life, values in other.ordered():
        old = figures.get(life)
        if old is None:
            figures[life] = list(values)
            continue
        new = [a + b for a, b in zip(old, values)]
        low = [value for value in (old[F_SLICE_MIN], values[F_SLICE_MIN]) if value >= 0]
        new[F_SLICE_MIN] = min(low) if low else -1
        new[F_SLICE_MAX] = max(old[F_SLICE_MAX], values[F_SLICE_MAX])
        figures[life] = new
    lives = list(figures)
    return Window(one.start, one.length + other.length, lives, [value for life in lives for value in figures[life]])
