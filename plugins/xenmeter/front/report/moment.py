"""The part of a trace that is shown to the nanosecond: a bounded number of intervals, around the longest wait.

One pass finds both. The latest intervals are always at hand; when a wait ends that is longer than any before, they are
put aside, and the next ones are added to them.
"""
from collections import deque
from typing import Any, Deque, Dict, List, NamedTuple, Optional, Tuple

import numpy

from xenmeter.core import histogram
from xenmeter.front.report.elastic import WAITS
from xenmeter.front.report.timeline import Slices

__all__ = ("ExactSpan", "LongestWait", "MOST_SLICES")

MOST_SLICES = 16000


class LongestWait(NamedTuple):
    """A vCPU was runnable from ``begin_ns`` to ``end_ns``, and then ran on ``pcpu``."""

    key: int
    begin_ns: int
    end_ns: int
    pcpu: int


class ExactSpan:
    """:param span: (from, to) in ns that is asked for; None: around the longest wait.

    :ivar longest: the longest wait that the trace shows from its beginning to its end, or None.
    """

    def __init__(self, accounts: Any, span: Optional[Tuple[int, int]] = None, most: int = MOST_SLICES) -> None:
        self._accounts = accounts
        self._span = span
        self._most = most
        self._recent: Deque[Dict[int, Slices]] = deque()
        self._held = 0
        self._kept: List[Dict[int, Slices]] = []
        self._room = most       # intervals that may yet be kept
        self._runnable: Dict[int, int] = {}      # key -> since when
        self._record = 0
        self.longest: Optional[LongestWait] = None
        self.all = 0

    def take(self, batch: Dict[int, Any], slices: Dict[int, Slices]) -> None:
        """A batch of ``entries.EntryTap`` which the accounts have had, and the intervals that it ended."""
        count = sum(len(intervals.end) for intervals in slices.values())
        self.all += count
        is_longest = self._find(batch)
        if self._span is not None:
            if any(len(intervals.end) and intervals.end[-1] > self._span[0] and intervals.begin[0] < self._span[1]
                   for intervals in slices.values()) and self._room > 0:
                self._kept.append(slices)
                self._room -= count
            return
        self._recent.append(slices)
        self._held += count
        while len(self._recent) > 1 and self._held - _count(self._recent[0]) >= self._most:
            self._held -= _count(self._recent.popleft())
        if is_longest:
            self._kept = list(self._recent)
            self._room = self._most // 2
        elif self._room > 0:
            self._kept.append(slices)
            self._room -= count

    def _find(self, batch: Dict[int, Any]) -> bool:
        """Whether a wait ended in the batch that is longer than all before; then it is ``longest``."""
        key, length = self._longest_so_far()
        better = False
        if key is not None and length > self._record:
            self._record = length
            begins = [ns[(kind < 16) & (kind >= 0) & (kind & 3 == 1) & (a == key)] for ns, kind, a in batch.values()]
            since = set(numpy.concatenate(begins).tolist()) if begins else set()
            since.add(self._runnable.get(key, -1))
            for pcpu, (ns, kind, a) in batch.items():
                for end in ns[(kind > 3) & (kind < 16) & (kind & 3 == 0) & (a == key)].tolist():
                    if end - length in since:
                        self.longest = LongestWait(key, end - length, end, pcpu)
                        better = True
        for ns, kind, a in batch.values():
            chosen = (kind < 16) & (kind >= 0) & (kind & 3 == 1)
            for waiter, time in dict(zip(a[chosen].tolist(), ns[chosen].tolist())).items():
                self._runnable[waiter] = max(time, self._runnable.get(waiter, 0))
        return better

    def _longest_so_far(self) -> Tuple[Optional[int], int]:
        best: Tuple[Optional[int], int] = (None, 0)
        for key, vcpu in self._accounts.vcpus.items():
            for state in WAITS:
                most = vcpu.hist[state].flat()[histogram.MAX] if state in vcpu.hist else 0
                if most > best[1]:
                    best = key, most
        return best

    def result(self, last: Dict[int, Slices], end_ns: int) -> Tuple[int, int, Dict[int, Slices]]:
        """(from, to, pCPU -> intervals), at most ``most`` of these. ``last``: those that ended with the trace."""
        self.take({}, last)
        pcpus = sorted({pcpu for part in self._kept for pcpu in part} | set(last))
        parts = {pcpu: [part[pcpu] for part in self._kept if pcpu in part] for pcpu in pcpus}
        whole = {pcpu: _chain(pieces) for pcpu, pieces in parts.items() if pieces}
        whole = {pcpu: intervals for pcpu, intervals in whole.items() if len(intervals.end)}
        if not whole:
            return 0, 0, {}
        # What all of them cover: a batch ends at another moment on each pCPU.
        begin = max(int(intervals.begin[0]) for intervals in whole.values())
        end = min(int(intervals.end[-1]) for intervals in whole.values())
        if self._span is not None:
            begin, end = max(begin, self._span[0]), min(end, self._span[1])
        starts = numpy.sort(numpy.concatenate([intervals.begin for intervals in whole.values()]))
        starts = starts[(starts >= begin) & (starts < end)]
        if len(starts) + len(whole) > self._most:
            room = self._most - len(whole)
            first = 0
            if self._span is None and self.longest is not None:
                middle = (self.longest.begin_ns + self.longest.end_ns) // 2
                first = int(min(max(0, numpy.searchsorted(starts, middle) - room // 2), len(starts) - room))
            begin, end = int(starts[first]), int(starts[first + room - 1])
        return begin, end, {pcpu: _cut(intervals, begin, end) for pcpu, intervals in whole.items()}


def _count(part: Dict[int, Slices]) -> int:
    return sum(len(intervals.end) for intervals in part.values())


def _chain(parts: List[Slices]) -> Slices:
    return Slices(*[numpy.concatenate(column) for column in zip(*parts)])


def _cut(intervals: Slices, begin: int, end: int) -> Slices:
    inside = (intervals.end > begin) & (intervals.begin < end)
    return Slices(numpy.maximum(intervals.begin[inside], begin), numpy.minimum(intervals.end[inside], end), intervals.who[inside])
