"""Live rings that were full when they were read: how long their pCPUs are waited for, and what becomes of those that
stay silent.

A full ring may have begun to lose records, and only the pCPU's next record tells, with a marker before it. What comes
after its last record is therefore not accounted before it has spoken again. A pCPU with nothing to do may be silent for
hours, but what it lost it lost before its ring was emptied: what happened after that found room, and would be here. So
after ``HOLD_NS`` its loss is taken for granted, from its last record to a moment at which its ring surely was empty.
That can make unknown what was known, never the other way round.
"""
from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from xenmeter.xentrace.engine.layout import (G_KHZ, G_MAXT, G_NOWT, G_PASS, G_PENDING, G_PREVMAX, G_RING, G_SAFE, P_BEFORE,
                                             P_BYTES, P_LAST, P_NUMBER)
from xenmeter.xentrace.engine.scan import ROOM, brimful

__all__ = ("FullRings", "Edge", "HOLD_NS", "filled")

#: How long a pCPU is waited for, ns. The time of the trace counts, from when the ring is known to have been emptied:
#: a reader that was stopped for a minute has not waited for one.
HOLD_NS = 3 * 10 ** 9
#: A presumed loss begins or ends: (TSC, 0 or 1, pCPU).
Edge = Tuple[int, int, int]


class _Wait:
    """:ivar since: TSC of a record that was surely written after the ring had been emptied, None before there is one."""

    __slots__ = ("row", "number", "since")

    def __init__(self, row: List[int], number: int) -> None:
        self.row = row
        self.number = number        # of the pass that read the full ring
        self.since: Optional[int] = None


class FullRings:
    """:param g: the engine's row; :param crowd: pending entries beyond which nobody is waited for any longer."""

    def __init__(self, g: List[int], crowd: int) -> None:
        self._g = g
        self._crowd = crowd
        self._waits: Dict[int, _Wait] = {}
        self._edges: List[Edge] = []          # of presumed losses, those that are not accounted yet
        self._ends: Dict[int, int] = {}      # pCPU -> TSC at which its presumed loss ends

    def speak(self, rows: Dict[int, List[int]], numbers: Iterable[int]) -> None:
        """These pCPUs are about to be heard; before their records are scanned."""
        if self._ends:
            for pcpu in numbers:
                if pcpu in self._ends:
                    self._speaks(rows[pcpu], self._ends.pop(pcpu))

    def read(self, rows: Dict[int, List[int]], numbers: Iterable[int], flags: Optional[Sequence[int]]) -> None:
        """The rings of these pCPUs have been read; after ``begin_window``.

        :param flags: of each whether it was full; None: none of them was.
        """
        if flags is None and not self._waits:
            return
        for place, pcpu in enumerate(numbers):
            if flags is not None and flags[place]:
                self._waits[pcpu] = _Wait(rows[pcpu], self._g[G_PASS])
            elif pcpu in self._waits:
                del self._waits[pcpu]

    def _speaks(self, row: List[int], end: int) -> None:
        """The pCPU ``row`` whose loss is presumed has records again, with the marker if there was one."""
        pcpu = row[P_NUMBER]
        begins = [tsc for tsc, ends, other in self._edges if other == pcpu and not ends]
        if begins:      # it comes in time: the marker will tell all
            self._edges = [edge for edge in self._edges if edge[2] != pcpu or edge[0] < begins[0]]
        else:
            # All that it says now it says after the presumed loss, and its marker may not reach back into that.
            row[P_LAST] = max(row[P_LAST], self._g[G_NOWT], end + 1)

    def after_pass(self) -> Tuple[int, List[Edge]]:
        """(TSC up to which no ring can contradict, presumed losses before that in their order), after ``begin_pass``."""
        g = self._g
        limit = g[G_SAFE]
        for pcpu, wait in list(self._waits.items()):
            if wait.since is not None and self._long_enough(wait.since):
                del self._waits[pcpu]
                self._edges += [(wait.row[P_LAST], 0, pcpu), (wait.since, 1, pcpu)]
                self._ends[pcpu] = wait.since
                continue
            limit = min(limit, wait.row[P_LAST] - 1)
            # A record that was in no ring one pass after the emptying was written after it.
            if wait.since is None and g[G_PASS] >= wait.number + 3 and g[G_PREVMAX] > g[G_SAFE]:
                wait.since = g[G_MAXT]
        due = sorted(edge for edge in self._edges if edge[0] <= limit)
        self._edges = [edge for edge in self._edges if edge[0] > limit]
        return limit, due

    def _long_enough(self, since: int) -> bool:
        g = self._g
        return g[G_MAXT] - since > HOLD_NS * g[G_KHZ] // 1000000 or g[G_PENDING] >= self._crowd


def filled(g: List[int], rows: Dict[int, List[int]], pass_: Sequence[Tuple[int, bytes]]) -> List[bool]:
    """Of each ring that was read whether it was full, which must be guessed from what it held.

    A ring may come in two pieces, and what came between a reader's look and its thanks filled it together with what it had
    seen: full then, though no part is. All rings have the same size, and it is no less than the most that came at once.
    """
    flags = []
    for pcpu, data in pass_:
        row, size = rows[pcpu], len(data)
        flags.append(any([part > g[G_RING] - ROOM and brimful(part) for part in (row[P_BYTES], row[P_BEFORE] + size, size)]))
        row[P_BEFORE] = size
        g[G_RING] = max(g[G_RING], size)
    return flags
