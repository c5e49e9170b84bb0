"""Live rings that were full when they were read: how long their pCPUs are waited for, and what becomes of those that
stay silent.

A full ring may have begun to lose records, and only the pCPU's next record tells, with a marker before it. What comes
after its last record is therefore not accounted before it has spoken again. A pCPU with nothing to do may be silent for
hours, but what it lost it lost before its ring was emptied: what happened after that found room, and would be here. So
after ``HOLD_NS`` its loss is taken for granted, from its last record to a moment at which its ring surely was empty.
That can make unknown what was known, never the other way round.
"""
from typing import Dict, List, Optional, Tuple

from .layout import G_KHZ, G_MAXT, G_NOWT, G_PASS, G_PENDING, G_PREVMAX, G_SAFE, P_FULL, P_LAST, P_NUMBER
from .scan import brimful

__all__ = ("FullRings", "Edge", "HOLD_NS")

#: How long a pCPU is waited for, ns. The time of the trace counts, from when the ring is known to have been emptied:
#: a reader that was stopped for a minute has not waited for one.
HOLD_NS = 3 * 10 ** 9
#: A presumed loss begins or ends: (TSC, 0 or 1, pCPU).
Edge = Tuple[int, int, int]


class _Wait:
    """:ivar since: TSC of a record that was surely written after the ring had been emptied, None before there is one."""

    __slots__ = ("row", "number", "since")

    def __init__(self, row, number):
        # type: (List[int], int) -> None
        self.row = row
        self.number = number        # of the pass that read the full ring
        self.since = None           # type: Optional[int]


class FullRings:
    """:param g: the engine's row; :param crowd: pending entries beyond which nobody is waited for any longer."""

    def __init__(self, g, crowd):
        # type: (List[int], int) -> None
        self._g = g
        self._crowd = crowd
        self._sizes = {}        # type: Dict[int, int]      # pCPU -> bytes in its ring when it was read last
        self._waits = {}        # type: Dict[int, _Wait]
        self._presumed = set()  # type: set

    def read(self, row, size):
        # type: (List[int], int) -> None
        """The ring of the pCPU ``row`` has been read, and held so many bytes; after ``begin_window``, before ``scan``."""
        pcpu = row[P_NUMBER]
        if pcpu in self._presumed:
            self._presumed.remove(pcpu)
            # All that it says now it says after what has been accounted, and its marker may not reach back before that.
            row[P_LAST] = max(row[P_LAST], self._g[G_NOWT])
        # What came between a reader's look and its thanks filled the ring together with what it had seen: full then,
        # though neither part is.
        if row[P_FULL] or brimful(self._sizes.get(pcpu, 0) + size):
            self._waits[pcpu] = _Wait(row, self._g[G_PASS])
        else:
            self._waits.pop(pcpu, None)
        self._sizes[pcpu] = size

    def after_pass(self):
        # type: () -> Tuple[int, List[Edge]]
        """(TSC up to which no ring can contradict, presumed losses before that in their order), after ``begin_pass``."""
        g = self._g
        limit = g[G_SAFE]
        over = []           # type: List[_Wait]
        for wait in self._waits.values():
            if wait.since is not None and self._long_enough(wait.since):
                over.append(wait)
                continue
            limit = min(limit, wait.row[P_LAST] - 1)
            # A record that was in no ring one pass after the emptying was written after it.
            if wait.since is None and g[G_PASS] >= wait.number + 3 and g[G_PREVMAX] > g[G_SAFE]:
                wait.since = g[G_MAXT]
        edges = []          # type: List[Edge]
        for wait in sorted(over, key=_since, reverse=True):
            pcpu = wait.row[P_NUMBER]
            if wait.since <= limit:
                edges += [(wait.row[P_LAST], 0, pcpu), (wait.since, 1, pcpu)]
                self._presumed.add(pcpu)
                del self._waits[pcpu]
            else:           # another one is still waited for, from before that
                limit = min(limit, wait.row[P_LAST] - 1)
        return limit, sorted(edges)

    def _long_enough(self, since):
        # type: (int) -> bool
        g = self._g
        return g[G_MAXT] - since > HOLD_NS * g[G_KHZ] // 1000000 or g[G_PENDING] >= self._crowd


def _since(wait):
    # type: (_Wait) -> int
    return wait.since
